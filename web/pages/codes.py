"""A visitor's codes: typed once on a page, told what they give, and taken along to the booking until they are removed.

They stay in the signed session of the browser, which holds only such as were found: nobody tries codes by a cookie.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from flask import Blueprint, Response, flash, request, session

from onsale.db.catalogue import Event
from onsale.db.code_rules import CODES_PER_BOOKING_MAX, CodeKind
from onsale.db.codes import FoundCode
from onsale.db.ids import EventId
from onsale.errors import OnsaleError
from onsale.web import auth
from onsale.web import codes as service
from onsale.web.box_office import BoxOffice, box_office
from onsale.web.pages import going, guests, shows
from onsale.web.pages.price_words import rate
from onsale.web.pages.words import day_and_time, money

code_pages = Blueprint("codes", __name__)

IN_SESSION = "codes"
# A cookie has 4,000 bytes: of so many events the codes are remembered.
EVENTS_MAX = 5
# Where the form may stand, and lead back to.
PAGES = {"choose": "choosing.show", "event": "events.show", "queue": "waiting.show"}


@dataclass(frozen=True)
class KeptCode:
    """A code that this browser has, what it gives in words, and what is wrong with it by now."""

    code: str
    words: str
    trouble: str
    found: FoundCode


@code_pages.post("/events/<int:event_id>/codes")
def add(event_id: int) -> Response:
    """Say what a code gives, and take it along."""
    office, event = box_office(), shows.event(event_id)
    buyer_id, fresh = guests.buyer_or_guest(office)
    page, section = _page(), request.form.get("section", type=int)
    try:
        found = service.check(office, event.id, buyer_id, request.form.get("code", "")[:100])
        _keep(event.id, [*(code for code in kept(event.id) if code != found.code), found.code])
    except OnsaleError as error:
        response = going.back(error, page, event_id=event_id, section=section)
    else:
        flash(f"{found.code}: {gives(found, event)}.", "good")
        # Who may come in early does.
        page = "choosing.show" if found.early_now else page
        response = going.to(page, event_id=event_id, section=section)
    if fresh:
        auth.start_page_session(response, fresh)
    return response


@code_pages.post("/events/<int:event_id>/codes/remove")
def remove(event_id: int) -> Response:
    """Leave a code out."""
    event = shows.event(event_id)
    gone = request.form.get("code", "")
    _keep(event.id, [code for code in kept(event.id) if code != gone])
    return going.to(_page(), event_id=event_id, section=request.form.get("section", type=int))


def kept(event_id: EventId) -> tuple[str, ...]:
    """The codes of this event that this browser has."""
    found = session.get(IN_SESSION)
    mine = found.get(str(event_id)) if isinstance(found, dict) else None
    return tuple(mine) if isinstance(mine, list) else ()


def kept_codes(office: BoxOffice, event: Event) -> tuple[KeptCode, ...]:
    """The same, as they stand now; nothing is read where there are none."""
    mine, visitor = kept(event.id), auth.buyer_if_any()
    if not mine or visitor is None:
        return ()
    found = service.known(office, event.id, visitor.id, mine)
    return tuple(KeptCode(one.code, gives(one, event), str(service.trouble(one) or ""), one) for one in found)


def offered(event: Event, mine: tuple[KeptCode, ...]) -> Event:
    """The event with the sections that somebody with these codes may have: what is not sold is not shown."""
    if not event.code_only:
        return event
    shut = frozenset(event.code_only) - service.opened(event, [one.found for one in mine if not one.trouble])
    return replace(event, sections=tuple(each for each in event.sections if each.id not in shut))


def for_the_draw(mine: tuple[KeptCode, ...]) -> str | None:
    """The code of theirs that counts most in a draw."""
    found = [one for one in mine if one.found.rules.kind is CodeKind.PRIORITY and not one.trouble]
    return max(found, key=lambda one: one.found.weight).code if found else None


def may_come_early(mine: tuple[KeptCode, ...]) -> bool:
    """Whether one of them lets its buyer book before the opening, now."""
    return any(one.found.early_now and not one.trouble for one in mine)


def gives(found: FoundCode, event: Event) -> str:
    """What a code gives, in words: `10 % off each ticket, in Balcony`."""
    rules = found.rules
    words = {
        CodeKind.AMOUNT: f"{money(rules.amount_minor, event.currency)} off your booking",
        CodeKind.PERCENT: f"{rate(rules.percent_bp)} off each ticket",
        CodeKind.UNLOCK: "opens tickets that are not sold without it",
        CodeKind.EARLY: f"you may book before the sale opens on {day_and_time(found.opens_at)} UTC",
        CodeKind.PRIORITY: f"your entry in the draw counts {found.weight} times, if you join with it",
    }[rules.kind]
    names = [section.name for section in event.sections if rules.section_ids and section.id in rules.section_ids]
    return f"{words}, in {', '.join(names)}" if names else words


def _keep(event_id: EventId, mine: list[str]) -> None:
    before = session.get(IN_SESSION)
    others = {key: value for key, value in before.items() if key != str(event_id)} if isinstance(before, dict) else {}
    latest = dict(list(others.items())[-(EVENTS_MAX - 1) :])
    session[IN_SESSION] = latest | ({str(event_id): mine[-CODES_PER_BOOKING_MAX:]} if mine else {})


def _page() -> str:
    return PAGES.get(request.form.get("page", ""), "events.show")
