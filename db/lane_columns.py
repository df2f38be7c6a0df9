"""A batch's decisions as the columns that `write_batch.sql` takes apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from onsale.db.allocation import Decision

NULL = "NULL"


def columns_of(decisions: Sequence[Decision]) -> dict[str, str]:
    """The decisions by column, each an array literal."""
    ids = [str(decision.booking_id) for decision in decisions]
    given = [(id_, ticket) for id_, decision in zip(ids, decisions, strict=True) for ticket in decision.tickets]
    columns: dict[str, Iterable[object]] = {
        "ids": ids,
        "versions": [decision.version for decision in decisions],
        "states": [decision.outcome.value for decision in decisions],
        "counts": [len(decision.tickets) for decision in decisions],
        "amounts": [decision.bill.total_minor if decision.tickets else NULL for decision in decisions],
        "fees": [decision.bill.fees_minor for decision in decisions],
        "taxes": [decision.bill.taxes_minor for decision in decisions],
        "reasons": [decision.reason.value if decision.reason else NULL for decision in decisions],
        "ticket_ids": [ticket.ticket_id for _, ticket in given],
        "ticket_bookings": [id_ for id_, _ in given],
        "prices": [ticket.price_minor for _, ticket in given],
        # Shorter than the others where no section has tiers: unnest fills up with NULL.
        "tiers": [_quoted(ticket.tier) for _, ticket in given] if any(ticket.tier for _, ticket in given) else [],
    }
    # As array literals: numbers, UUIDs and our own words need no quotes. From a list the driver would write ARRAY[...],
    # whose elements PostgreSQL parses and plans one by one.
    return {name: f"{{{','.join(map(str, values))}}}" for name, values in columns.items()}


def _quoted(name: str | None) -> str:
    """A word of an organiser's as an element of an array literal."""
    return NULL if name is None else '"{}"'.format(name.replace("\\", r"\\").replace('"', r"\""))
