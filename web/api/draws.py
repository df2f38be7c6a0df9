"""What an organiser's staff do about a draw: announce it, name its beacon, give the beacon's value."""

from __future__ import annotations

from typing import Annotated

from pydantic import StringConstraints

from onsale.db.draws import BEACON_CHARACTERS_MAX, Draw
from onsale.db.ids import EventId
from onsale.errors import IllegalMove, NotAllowed, NotFound
from onsale.web import drawing
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.api.documents import EventPath, Moment
from onsale.web.auth import StaffMember
from onsale.web.box_office import box_office

draws = Routes("draws", "Running a sale")

Line = Annotated[
    str,
    StringConstraints(
        min_length=1, max_length=BEACON_CHARACTERS_MAX, pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$"
    ),
]
_PRIVATE = {"Cache-Control": "no-store"}


class AnnounceBody(Asked):
    """Which later public value counts, so that anybody can look it up: "drand quicknet round 12345678". Null: none."""

    beacon_name: Line | None = None


class BeaconBody(Asked):
    """The value that was published."""

    value: Line


class StaffDrawDocument(Told):
    """A draw as its staff see it. The seed is told to nobody before the draw is held."""

    event_id: int
    seed_hash: str
    beacon_name: str | None
    announced_at: Moment
    size: int | None
    closed_at: Moment | None
    beacon_value: str | None
    without_beacon: bool
    seed: str | None
    held_at: Moment | None


@draws.get("/v1/admin/events/{event_id}/draw")
def show_draw(path: EventPath, staff: StaffMember) -> Answer[StaffDrawDocument]:
    """How a draw stands; 404 where it is first come, first served"""
    found = drawing.draw_if_any(box_office(), EventId(path.event_id), staff)
    if found is None:
        raise NotFound("This event's queue is no draw.")
    return _told(found)


@draws.post("/v1/admin/events/{event_id}/draw", raises=(NotAllowed, IllegalMove))
def announce_draw(path: EventPath, body: AnnounceBody, staff: StaffMember) -> Answer[StaffDrawDocument]:
    """Draw the numbers of the pre-queue; or name another beacon, the seed then stays"""
    return _told(drawing.announce(box_office(), EventId(path.event_id), staff, beacon_name=body.beacon_name or ""))


@draws.delete("/v1/admin/events/{event_id}/draw", answers={204: None}, raises=(NotAllowed, IllegalMove))
def withdraw_draw(path: EventPath, staff: StaffMember) -> Answer[Told]:
    """First come, first served again, while nobody has joined; the seed is told in the sale log"""
    drawing.withdraw(box_office(), EventId(path.event_id), staff)
    return Answer(None, 204)


@draws.post("/v1/admin/events/{event_id}/draw/beacon", raises=(NotAllowed, IllegalMove))
def put_beacon(path: EventPath, body: BeaconBody, staff: StaffMember) -> Answer[StaffDrawDocument]:
    """The beacon's value, once the entries are closed: the numbers are drawn within a second"""
    return _told(drawing.put_beacon(box_office(), EventId(path.event_id), staff, body.value))


@draws.post("/v1/admin/events/{event_id}/draw/without-beacon", raises=(NotAllowed, IllegalMove))
def draw_without_beacon(path: EventPath, staff: StaffMember) -> Answer[StaffDrawDocument]:
    """Do not wait for the beacon that was named; every buyer is told so"""
    return _told(drawing.go_without_beacon(box_office(), EventId(path.event_id), staff))


def _told(draw: Draw) -> Answer[StaffDrawDocument]:
    document = StaffDrawDocument(
        event_id=draw.event_id,
        seed_hash=draw.seed_hash,
        beacon_name=draw.beacon_name or None,
        announced_at=draw.announced_at,
        size=draw.size,
        closed_at=draw.closed_at,
        beacon_value=draw.beacon_value,
        without_beacon=draw.without_beacon,
        seed=draw.seed.hex() if draw.key is not None else None,
        held_at=draw.held_at,
    )
    return Answer(document, headers=_PRIVATE)
