"""An organiser's rules for buyers who cancel what is paid, as set for an event; without any they cannot."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Connection, text

from onsale.db import catalogue, sale_log
from onsale.db.ids import EventId
from onsale.db.price_terms import check_amount
from onsale.db.refund_rules import BASIS_POINTS, CANCEL_UNTIL_HOURS_MAX, RefundRules
from onsale.errors import BadRequest, NotFound

_RANGES = {"cancel_until_hours": CANCEL_UNTIL_HOURS_MAX, "fee_basis_points": BASIS_POINTS}


def get(connection: Connection, event_id: EventId) -> RefundRules | None:
    """The event's rules; None: buyers cannot cancel what is paid."""
    row = connection.execute(_GET, {"event_id": event_id}).one_or_none()
    return RefundRules(*row) if row else None


def change(connection: Connection, event_id: EventId, rules: RefundRules | None, *, actor: str) -> None:
    """Set the rules, or take them away, and say so in the sale log.

    BadRequest names the field that is out of range, or no amount of the event's currency. NotFound: no such event.
    """
    for name, most in _RANGES.items():
        if rules is not None and not 0 <= getattr(rules, name) <= most:
            raise BadRequest(f"{name} is a whole number from 0 to {most}.", field=name)
    if rules is not None:
        event = catalogue.event_by_id(connection, event_id)
        if event is None:
            raise NotFound
        check_amount(rules.fee_minor, event.currency, field="fee_minor")
    before = get(connection, event_id)
    if before == rules:
        return
    if rules is None:
        connection.execute(_FORGET, {"event_id": event_id})
    else:
        connection.execute(_PUT, {**asdict(rules), "event_id": event_id, "actor": actor})
    body = {"from": before and asdict(before), "to": rules and asdict(rules)}
    sale_log.append(connection, event_id, actor=actor, kind="refund_rules_changed", body=body)


_GET = text("""
    SELECT cancel_until_hours, fee_minor, fee_basis_points FROM refund_rules WHERE event_id = :event_id
""")
_PUT = text("""
    INSERT INTO refund_rules (event_id, cancel_until_hours, fee_minor, fee_basis_points, updated_by)
    VALUES (:event_id, :cancel_until_hours, :fee_minor, :fee_basis_points, :actor)
    ON CONFLICT (event_id) DO UPDATE SET
        cancel_until_hours = excluded.cancel_until_hours, fee_minor = excluded.fee_minor,
        fee_basis_points = excluded.fee_basis_points, updated_by = excluded.updated_by, updated_at = clock_timestamp()
""")
_FORGET = text("DELETE FROM refund_rules WHERE event_id = :event_id")
