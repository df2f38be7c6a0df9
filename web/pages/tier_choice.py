"""Tiers on pages: which an event's forms offer, and how many of each a form asks for; plain lists and numbers."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Flask
from werkzeug.datastructures import MultiDict

from onsale.db.catalogue import Event
from onsale.errors import BadRequest


@dataclass(frozen=True)
class Offered:
    """A tier that a form offers: from what price on, up to which, and how many of it one booking may have."""

    name: str
    low_minor: int
    high_minor: int
    most: int


def offered(event: Event) -> tuple[Offered, ...]:
    """The tiers of all sections by name, in the order of the house; empty where there are none."""
    found: dict[str, Offered] = {}
    for section in event.sections:
        for tier in section.tiers:
            most = min(tier.most or event.tickets_per_buyer, event.tickets_per_buyer)
            known = found.get(tier.name, Offered(tier.name, tier.total_minor, tier.total_minor, most))
            found[tier.name] = Offered(
                tier.name,
                min(known.low_minor, tier.total_minor),
                max(known.high_minor, tier.total_minor),
                max(known.most, most),
            )
    return tuple(found.values())


def asked(form: MultiDict[str, str], event: Event) -> tuple[str | None, ...]:
    """The tier of each ticket that a form counts, in the order of the form; empty where it counts none.

    None for the one that every section has first, or has alone. BadRequest for a count that is none.
    """
    names, counts = form.getlist("tier"), form.getlist("count")
    if len(names) != len(counts):
        raise BadRequest("This form is incomplete. Reload the page and try again.", field="count")
    wanted: list[str | None] = []
    for name, count in zip(names, counts, strict=True):
        if not (count.isascii() and count.isdigit() and int(count) <= event.tickets_per_buyer):
            raise BadRequest(f"Choose between 0 and {event.tickets_per_buyer} tickets.", field="count")
        wanted += [None if _is_first(name, event) else name] * int(count)
    return tuple(wanted)


def register(app: Flask) -> None:
    """Makes them available to every template."""
    app.jinja_env.filters["tiers_offered"] = offered


def _is_first(name: str, event: Event) -> bool:
    return all(section.tiers[0].name == name for section in event.sections if section.tiers)
