"""Codes as buyers type them and as staff make them. API, pages and console all call these.

Every code that is typed counts against who types it, right or wrong; what is not a code and what is another event's are
one answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from onsale.db import catalogue, code_payable, code_rules, codes, staff
from onsale.db.catalogue import Event
from onsale.db.code_rules import CODES_PER_BOOKING_MAX, CodeKind
from onsale.db.codes import FoundCode, KnownCode, NewCode
from onsale.db.engine import reading, transaction
from onsale.db.ids import BuyerId, EventId
from onsale.errors import (
    BadRequest,
    CodeNotYet,
    CodeOver,
    CodesDoNotStack,
    CodeUnfit,
    CodeUnknown,
    CodeUsed,
    NotAllowed,
    NotFound,
    OnsaleError,
)
from onsale.web import dial, limits
from onsale.web.auth import StaffMember
from onsale.web.box_office import BoxOffice

FIELD = "codes"


@dataclass(frozen=True)
class Listed:
    """An event with a page of its codes; `next_before` asks for the next one, None on the last."""

    event: Event
    codes: tuple[KnownCode, ...]
    next_before: int | None


def shown(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, typed: Sequence[str]) -> tuple[FoundCode, ...]:
    """What these codes are, for a booking that is made with them now; without those that mean nothing to it: an early
    code after the opening, one that counted in the draw.

    Raises CodeUnknown, CodeNotYet, CodeOver, CodeUsed, CodesDoNotStack, TooManyRequests; BadRequest for too many.
    """
    if not typed:
        return ()
    if len(typed) > CODES_PER_BOOKING_MAX:
        raise BadRequest(f"A booking has at most {CODES_PER_BOOKING_MAX} codes.", field=FIELD)
    for _ in typed:
        limits.code(buyer_id)
    wanted = list(dict.fromkeys(code_rules.normalised(text) or "" for text in typed))
    with reading(office.engine) as connection:
        found = codes.find(connection, event_id, buyer_id, wanted)
    each = [_usable(found.get(code)) for code in wanted]
    if not code_rules.go_together([one.rules for one in each]):
        raise CodesDoNotStack(field=FIELD)
    return tuple(one for one in each if one.early_now or one.rules.kind not in (CodeKind.EARLY, CodeKind.PRIORITY))


def check(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, typed: str) -> FoundCode:
    """What a code gives this buyer now. Raises as `shown` does, and NotFound for an event that is not there."""
    office.shows.event(event_id)
    limits.code(buyer_id)
    code = code_rules.normalised(typed) or ""
    with reading(office.engine) as connection:
        found = codes.find(connection, event_id, buyer_id, [code])
    return _usable(found.get(code))


def known(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, kept: Collection[str]) -> tuple[FoundCode, ...]:
    """Codes that this buyer typed before and was told about, as they stand now; what was one of them stays one."""
    if not kept:
        return ()
    with reading(office.engine) as connection:
        found = codes.find(connection, event_id, buyer_id, kept)
    return tuple(found[code] for code in kept if code in found)


def opened(event: Event, found: Collection[FoundCode]) -> frozenset[int]:
    """Which of the event's sections that only a code opens are open to who has these."""
    keys = [one.rules for one in found if one.rules.kind is CodeKind.UNLOCK]
    return frozenset(each for each in event.code_only if any(key.covers(each) for key in keys))


def trouble(found: FoundCode) -> OnsaleError | None:
    """What would be said to a booking with this code now; None: nothing."""
    try:
        _usable(found)
    except OnsaleError as error:
        return error
    return None


def _usable(found: FoundCode | None) -> FoundCode:
    """The code, if it can be used now: it says what is wrong with it otherwise."""
    if found is None:
        raise CodeUnknown(field=FIELD)
    if found.rules.off or found.over:
        raise CodeOver(field=FIELD)
    if found.not_yet:
        begins = max(at for at in (found.valid_from, found.presale_from) if at is not None)
        raise CodeNotYet(f"This code is valid from {begins:%Y-%m-%d %H:%M} UTC.", field=FIELD)
    if found.used_up:
        raise CodeUsed(field=FIELD)
    return found


# Staff.


def listed(office: BoxOffice, event_id: EventId, member: StaffMember, *, before: int | None, limit: int) -> Listed:
    """The codes of an event, newest first. Raises NotFound for an event of another organiser."""
    with reading(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        event = catalogue.event_by_id(connection, event_id)
        found = codes.of_event(connection, event_id, before=before, limit=limit)
    if event is None:
        raise NotFound
    return Listed(event, found, found[-1].id if len(found) == limit else None)


def every(office: BoxOffice, event_id: EventId, member: StaffMember) -> tuple[KnownCode, ...]:
    """All codes of an event, newest first. Raises NotFound."""
    with reading(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        return tuple(codes.all_of_event(connection, event_id))


def make(
    office: BoxOffice, event_id: EventId, member: StaffMember, new: NewCode, *, code: str | None, how_many: int
) -> tuple[KnownCode, ...]:
    """Make one code that was chosen, or so many random ones.

    Raises NotFound, NotAllowed for a viewer, CodeExists, CodeUnfit naming the field.
    """
    chosen = _chosen(code) if code else None
    if not 1 <= how_many <= codes.MADE_AT_ONCE_MAX or (chosen and how_many > 1):
        raise CodeUnfit(f"Choose one code, or have 1 to {codes.MADE_AT_ONCE_MAX:,} random ones made.", field="count")
    with transaction(office.engine) as connection:
        actor = _actor(connection, event_id, member)
        made = codes.make(connection, event_id, new, [chosen] if chosen else codes.random_codes(how_many), actor=actor)
    if new.kind is CodeKind.PRIORITY:
        dial.put_in_force(office, event_id)
    return made


def warning(office: BoxOffice, event: Event, new: NewCode) -> str:
    """What its staff should know of such a code, now that they made it; empty: nothing."""
    with reading(office.engine) as connection:
        return code_payable.warning(connection, event, codes.rules_of(new))


def switch(office: BoxOffice, event_id: EventId, member: StaffMember, code_id: int, *, off: bool) -> KnownCode:
    """Switch a code off, or on again, for bookings that are not decided yet. Raises NotFound, NotAllowed."""
    with transaction(office.engine) as connection:
        return codes.switch(connection, event_id, code_id, off=off, actor=_actor(connection, event_id, member))


def set_code_only(office: BoxOffice, event_id: EventId, member: StaffMember, section_ids: Collection[int]) -> None:
    """Sell these sections, and no others, only to who has a code that unlocks them. Raises NotFound, NotAllowed."""
    with transaction(office.engine) as connection:
        codes.set_code_only(connection, event_id, section_ids, actor=_actor(connection, event_id, member))


def _actor(connection: Connection, event_id: EventId, member: StaffMember) -> str:
    """Who writes in the sale log, if they may. Raises NotFound, NotAllowed."""
    if staff.of_event(connection, member.id, event_id) is None:
        raise NotFound
    if not member.may_change:
        raise NotAllowed
    return f"staff:{member.id}"


def _chosen(typed: str) -> str:
    code = code_rules.normalised(typed)
    if code is None:
        few, many = code_rules.CODE_CHARACTERS_MIN, code_rules.CODE_CHARACTERS_MAX
        raise CodeUnfit(f"A code has {few} to {many} letters and digits; spaces and dashes do not count.", field="code")
    return code
