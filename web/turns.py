"""Whether a turn is still its buyer's, and this device's: a booking ends it, leaving does, a sign-in, and a move."""

from __future__ import annotations

from onsale.db import bookings, handovers
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.errors import (
    AdmissionSpent,
    OnsaleError,
    OtherDevice,
    PlaceGivenUp,
    PlaceHandedOver,
    QueueRecovering,
    QueueUnavailable,
)
from onsale.queue.draw import DrawState, joined_as
from onsale.queue.keys import PlaceId
from onsale.queue.state import Standing
from onsale.queue.tokens import AdmissionToken
from onsale.web.box_office import BoxOffice


def refuse_ended(office: BoxOffice, admission: AdmissionToken, draw: DrawState | None, *, device: bytes) -> None:
    """Whether this admission may still book, and here: one call to Redis. Whether it has is the record's to say.

    While the queue does not answer nobody is refused: a guard against sharing must not cost anybody their turn. Raises
    PlaceHandedOver, PlaceGivenUp, AdmissionSpent, OtherDevice.
    """
    event_id = admission.event_id
    try:
        place = office.store.place_of(event_id, admission.buyer_id)
        if place is None or place.number != admission.number:
            _refuse_handed_over(office, admission, joined_as(draw, admission.number))
            place = office.store.place_at(event_id, admission.admission_id)
    except (QueueUnavailable, QueueRecovering):
        # The token itself says that its buyer was let in, and who has it is not sent away because the queue is.
        return
    if place.standing is Standing.DONE:
        raise why_used(office, event_id, admission.admission_id)
    if place.turn is not None and place.turn.device != device:
        raise OtherDevice("Your place moved to another device. Book there, or take it back to this one.")


def why_used(office: BoxOffice, event_id: EventId, admission_id: PlaceId) -> OnsaleError:
    """What to say of a place that is used up: it has a booking, or somebody left with it."""
    with reading(office.engine) as connection:
        return AdmissionSpent() if bookings.is_spent(connection, event_id, admission_id) else PlaceGivenUp()


def _refuse_handed_over(office: BoxOffice, admission: AdmissionToken, joined: int) -> None:
    with reading(office.engine) as connection:
        if handovers.gave(connection, admission.event_id, admission.buyer_id, joined):
            raise PlaceHandedOver
