"""The draw of an event, as its organiser's staff run it: announce, name the beacon, give its value. API and console.
And by which name an entry goes in its list.

The record first, with a line in the sale log, then at once in Redis; whoever admits closes the entries and draws.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection

from onsale.db import draws, staff
from onsale.db.draws import Draw
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId
from onsale.errors import NotAllowed, NotFound
from onsale.queue.draw import SEED_BYTES, entrant_id
from onsale.web import dial
from onsale.web.auth import StaffMember
from onsale.web.box_office import BoxOffice

T = TypeVar("T")


def name_in_list(office: BoxOffice, event_id: EventId, *, seed: bytes, pre_queue_number: int) -> str:
    """The name that stands at this number in a list of the draw; nothing while nobody is on record for it.

    Only for whoever has the number now: it may be the name of the guest they were when the entries were closed.
    """
    with reading(office.engine) as connection:
        entrant = draws.entrant(connection, event_id, pre_queue_number)
    return "" if entrant is None else entrant_id(seed, entrant)


def draw_if_any(office: BoxOffice, event_id: EventId, member: StaffMember) -> Draw | None:
    """The event's draw; None where it is first come, first served. Raises NotFound for another organiser's event."""
    with reading(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        return draws.get(connection, event_id)


def announce(office: BoxOffice, event_id: EventId, member: StaffMember, *, beacon_name: str) -> Draw:
    """Make the queue a draw, with a seed nobody has seen; again, another beacon is named and the seed stays.

    Raises NotFound, NotAllowed, BadRequest, IllegalMove once the pre-queue has opened.
    """
    seed = secrets.token_bytes(SEED_BYTES)
    return _act(
        office,
        event_id,
        member,
        lambda connection, actor: draws.announce(connection, event_id, seed=seed, beacon_name=beacon_name, actor=actor),
    )


def withdraw(office: BoxOffice, event_id: EventId, member: StaffMember) -> None:
    """First come, first served again. Raises NotFound, NotAllowed, IllegalMove once the pre-queue has opened."""
    _act(office, event_id, member, lambda connection, actor: draws.withdraw(connection, event_id, actor=actor))


def put_beacon(office: BoxOffice, event_id: EventId, member: StaffMember, value: str) -> Draw:
    """The beacon's value; the draw is held within a second. Raises NotFound, NotAllowed, BadRequest, IllegalMove."""
    return _act(
        office, event_id, member, lambda connection, actor: draws.put_beacon(connection, event_id, value, actor=actor)
    )


def go_without_beacon(office: BoxOffice, event_id: EventId, member: StaffMember) -> Draw:
    """Draw without the beacon that was named; everybody is told. Raises NotFound, NotAllowed, IllegalMove."""
    return _act(
        office, event_id, member, lambda connection, actor: draws.go_without_beacon(connection, event_id, actor=actor)
    )


def _act(office: BoxOffice, event_id: EventId, member: StaffMember, do: Callable[[Connection, str], T]) -> T:
    with transaction(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        if not member.may_change:
            raise NotAllowed
        done = do(connection, f"staff:{member.id}")
    dial.put_in_force(office, event_id)
    return done
