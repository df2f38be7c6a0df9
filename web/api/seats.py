"""The seat map of an event, which caches keep, and its live availability, which everybody polls."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from onsale.db.code_rules import CODES_PER_BOOKING_MAX
from onsale.db.ids import EventId
from onsale.db.seats import SeatMap
from onsale.errors import CodesDoNotStack
from onsale.web import availability, codes
from onsale.web.api.codes import WRONG, TypedCode
from onsale.web.api.contract import Answer, Asked, Routes, Shared, Told, shared
from onsale.web.api.documents import PLAIN, EventPath, TierDocument
from onsale.web.api.events import tier_documents
from onsale.web.auth import Buyer
from onsale.web.box_office import box_office
from onsale.web.kept import FOR_EVER

house = Routes("seats", "Seats")


class RunDocument(Told):
    """Neighbouring seats of a row: seat numbers and ticket ids both count up by one from the first, `count` times."""

    row: str
    row_number: int
    first_seat: int
    first_ticket_id: int
    count: int


class BlockDocument(Told):
    """A section: `runs` of seats, or none for general admission; where it is in a picture 1000 wide.

    A ticket costs `total_minor` booked alone, with all fees and taxes, and each further one `each_minor`; where there
    are `tiers`, one of the first tier.
    """

    id: int
    name: str
    kind: str
    price_minor: int
    total_minor: int
    each_minor: int
    capacity: int
    first_ticket_id: int | None
    x: int
    y: int
    width: int
    height: int
    tiers: list[TierDocument]
    runs: list[RunDocument]


class HouseDocument(Told):
    """The house, of the sections that anybody can buy: its `version` names exactly this, so it may be kept for ever."""

    event_id: int
    version: str
    currency: str
    sections: list[BlockDocument]


class SeatMapDocument(HouseDocument):
    """The house as it is now. `map_url` is the same for ever; `availability_url` says which seats are free, live: ask
    it again and again with `since`, or wait at `live_url`, where there is one, with `since` and `wait`. A new epoch of
    availability may be of a changed house."""

    map_url: str
    availability_url: str
    live_url: str | None


class SectionLive(Told):
    """f free, h held, s sold. In a whole document `states` has one letter per seat in the order of the map's runs (none
    for general admission); since a version, `changes` has the places in that order that were written, and their letters
    now."""

    id: int
    free: int
    held: int
    sold: int
    states: Annotated[str, StringConstraints(pattern="^[fhs]*$")] | None
    changes: list[tuple[int, Annotated[str, StringConstraints(pattern="^[fhs]$")]]] | None


class AvailabilityDocument(Told):
    """Which seats are free. With `since` set, what changed since that version; else everything. A `version` is
    `epoch.number`: the number grows within an epoch, and nothing can be said of two epochs."""

    event_id: int
    version: str
    since: str | None
    free: int
    held: int
    sold: int
    sections: list[SectionLive]


class AvailabilityAsked(Asked):
    """Which part of it."""

    since: Annotated[str, StringConstraints(max_length=100, pattern=r"^[\x21-\x7e]*$")] | None = Field(
        None, description="The version you have: only what changed since is told."
    )
    section: Annotated[int, Field(ge=0, le=(1 << 31) - 1), PLAIN] | None = Field(None, description="One section only.")
    wait: Annotated[int, Field(ge=0, le=availability.WAIT_SECONDS_MAX), PLAIN] = Field(
        0, description="At `live_url`: seconds to wait for a change. Here it is answered at once, with Retry-After."
    )


class SeatsWithCodesBody(Asked):
    """Codes as their buyer typed them, as in a booking."""

    codes: list[TypedCode] = Field(min_length=1, max_length=CODES_PER_BOOKING_MAX)


class MapPath(EventPath):
    """A version of the house of an event."""

    version: Annotated[str, StringConstraints(pattern="^[0-9a-f]{24}$")]


@house.get("/v1/events/{event_id}/seats", statuses=(304,))
def show_seats(path: EventPath) -> Shared[SeatMapDocument]:
    """The seat map, and where its live availability is"""
    office = box_office()
    return shared(seat_map_document(office.shows.seat_map(EventId(path.event_id)), seats_url=office.config.seats_url))


@house.post("/v1/events/{event_id}/seats", raises=(*WRONG, CodesDoNotStack))
def show_seats_with_codes(path: EventPath, body: SeatsWithCodesBody, buyer: Buyer) -> Answer[HouseDocument]:
    """The seat map with the sections that these codes open; it changes nothing, and uses no code"""
    office, event_id = box_office(), EventId(path.event_id)
    found = codes.shown(office, event_id, buyer.id, body.codes)
    opened = codes.opened(office.shows.event(event_id), found)
    return Answer(
        HouseDocument(**_house(office.shows.seat_map(event_id, opened=opened))), headers={"Cache-Control": "no-store"}
    )


@house.get("/v1/events/{event_id}/seats/{version}", statuses=(304,))
def show_seats_for_ever(path: MapPath) -> Shared[HouseDocument]:
    """The seat map of this version, to be kept for ever; not found when it is no longer the house's"""
    # Not the current one instead: whoever keeps these bytes under this address would keep the wrong ones for ever.
    found = box_office().shows.seat_map_of_version(EventId(path.event_id), path.version)
    return shared(HouseDocument(**_house(found)), FOR_EVER)


@house.get("/v1/events/{event_id}/seats/availability", statuses=(304,))
def show_availability(path: EventPath, query: AvailabilityAsked) -> Shared[AvailabilityDocument]:
    """Which seats are free, a second old at most"""
    live = box_office().availabilities.of(EventId(path.event_id))
    return Shared(availability.told(live, since=query.since, section_id=query.section, wait_seconds=query.wait))


def seat_map_document(seats: SeatMap, *, seats_url: str) -> SeatMapDocument:
    """The house as the API tells it; `seats_url` is where `onsale seats` answers, or empty."""
    at = f"/v1/events/{seats.event_id}/seats"
    return SeatMapDocument(
        **_house(seats),
        map_url=f"{at}/{seats.version}",
        availability_url=f"{at}/availability",
        live_url=f"{seats_url}{at}/availability" if seats_url else None,
    )


def _house(seats: SeatMap) -> dict[str, Any]:
    return {
        "event_id": seats.event_id,
        "version": seats.version,
        "currency": seats.currency,
        "sections": [
            BlockDocument(
                id=each.id,
                name=each.name,
                kind=each.kind,
                price_minor=each.price_minor,
                total_minor=each.total_minor,
                each_minor=each.each_minor,
                capacity=each.capacity,
                first_ticket_id=each.first_ticket,
                x=each.map_x,
                y=each.map_y,
                width=each.map_w,
                height=each.map_h,
                tiers=tier_documents(each.tiers),
                runs=[
                    RunDocument(
                        row=run.row_name,
                        row_number=run.row_number,
                        first_seat=run.first_seat,
                        first_ticket_id=run.first_ticket,
                        count=run.count,
                    )
                    for run in each.runs
                ],
            )
            for each in seats.sections
        ],
    }
