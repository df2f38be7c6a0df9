"""A place moves to another device: a code shown on the old one, taken on the new one, and taken back if it was wrong.

Every device of a buyer shows the same number. The *turn* (going in, choosing, booking) is one device's at a time: the
one that came in first, or the one the place moved to last. API and pages call these.
"""

from __future__ import annotations

from dataclasses import dataclass

from onsale.db.ids import EventId
from onsale.errors import MoveCodeGone, OtherDevice
from onsale.queue.moves import LIFE_SECONDS, Moving, spoken
from onsale.queue.state import Standing
from onsale.web import auth, joining
from onsale.web.auth import Buyer, SignedIn
from onsale.web.box_office import BoxOffice

# The code is in the link's fragment: a browser sends that to nobody, so it is in no log and in no Referer.
PATH = "/move"


@dataclass(frozen=True)
class Offered:
    """A code to type and the link that has it; good for so many seconds, once."""

    code: str
    link: str
    seconds: int


@dataclass(frozen=True)
class Moved:
    """What the new device gets: the buyer's session and the place's queue token."""

    event_id: EventId
    number: int
    queue_token: str
    session: SignedIn


def offer(
    office: BoxOffice, event_id: EventId, buyer: Buyer, *, device: bytes, queue_token: str | None = None
) -> Offered:
    """A fresh code for this buyer's place, on its own device; where it has none yet, this one becomes it.

    A session that somebody copied moves nothing. Raises NotFound, NotInQueue, BadQueueToken, PlaceRevoked, OtherDevice.
    """
    place = joining.place_of(office, event_id, buyer.id, queue_token=queue_token)
    office.places.show(event_id, place.number, device=device, in_draw=place.standing is Standing.IN_DRAW)
    code = office.moves.offer(Moving(event_id, buyer.id, buyer.guest, device))
    return Offered(spoken(code), f"{office.config.public_url}{PATH}#{spoken(code)}", LIFE_SECONDS)


def take(office: BoxOffice, code: str, *, device: bytes) -> Moved:
    """The place is this device's now; the code is used up, also when the device that showed it lost the place since.

    Raises MoveCodeGone, NotInQueue, PlaceRevoked.
    """
    moving = office.moves.take(code)
    if moving is None:
        raise MoveCodeGone
    place = joining.my_place(office, moving.event_id, moving.buyer_id)
    in_draw = place.standing is Standing.IN_DRAW
    try:
        office.places.bind(moving.event_id, place.number, device=device, before=moving.device, in_draw=in_draw)
    except OtherDevice as error:
        raise MoveCodeGone from error
    session = auth.session_of(office, Buyer(moving.buyer_id, moving.guest))
    return Moved(moving.event_id, place.number, place.queue_token, session)


def take_back(
    office: BoxOffice, event_id: EventId, buyer: Buyer, *, device: bytes, password: str | None = None
) -> None:
    """A device that had the place before it moved has it again; with an account's password any device has.

    Whoever knows the password must not depend on a device that is lost; a guest has nothing but the devices.
    Raises NotInQueue, OtherDevice, PlaceRevoked, WrongCredentials.
    """
    place = joining.place_of(office, event_id, buyer.id)
    in_draw = place.standing is Standing.IN_DRAW
    if password is None:
        office.places.take_back(event_id, place.number, device=device, in_draw=in_draw)
        return
    auth.check_password(office, buyer, password)
    office.places.own(event_id, place.number, device=device, in_draw=in_draw)
