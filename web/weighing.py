"""Joining a draw with a code that counts more: so many numbers in a row, of which the best drawn one counts."""

from __future__ import annotations

from onsale.db import code_rules, draw_lots
from onsale.db.engine import transaction
from onsale.db.ids import BuyerId, EventId
from onsale.errors import CodeUnknown, OnsaleError, QueueRecovering, QueueUnavailable, WeightNotCounted
from onsale.web import codes, joining
from onsale.web.box_office import BoxOffice
from onsale.web.joining import Joined

_JOINED_WITHOUT = "You have joined without this code already, and keep the place you have."
# Whether the queue gave numbers is not known then: the use stays, and the same buyer tries again.
_UNKNOWN = (QueueUnavailable, QueueRecovering)


def join(
    office: BoxOffice,
    event_id: EventId,
    buyer_id: BuyerId,
    typed: str,
    *,
    address: str,
    queue_token: str | None = None,
    solution: str | None = None,
) -> Joined:
    """Join a draw with this code, or get the place this buyer has with it.

    Raises WeightNotCounted where the code does not count (no draw, the entries are closed, a code of another kind, or
    the buyer has joined without it), what `codes.check` raises, and what `joining.join` does.
    """
    if code_rules.normalised(typed) is None:
        raise CodeUnknown(field="code")
    found = codes.check(office, event_id, buyer_id, typed)
    weight = _weight_of(office, event_id, buyer_id, found.code)
    try:
        joined = joining.join(
            office, event_id, buyer_id, address=address, queue_token=queue_token, solution=solution, weight=weight
        )
    except OnsaleError as error:
        if not isinstance(error, _UNKNOWN):
            _give_back(office, event_id, buyer_id)
        raise
    if joined.weight != weight:
        # They joined without it in the meantime.
        _give_back(office, event_id, buyer_id)
        raise WeightNotCounted(_JOINED_WITHOUT, field="code")
    if joined.pre_queue_number is not None:
        with transaction(office.engine) as connection:
            draw_lots.given(connection, event_id, [(buyer_id, joined.pre_queue_number)])
    return joined


def _weight_of(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, code: str) -> int:
    """Of the place this buyer has; else the code's, which is used by it."""
    place = office.store.place_of(event_id, buyer_id)
    if place is not None and place.weight == 1:
        raise WeightNotCounted(_JOINED_WITHOUT, field="code")
    if place is not None:
        return place.weight
    with transaction(office.engine) as connection:
        return draw_lots.take(connection, event_id, buyer_id, code)


def _give_back(office: BoxOffice, event_id: EventId, buyer_id: BuyerId) -> None:
    with transaction(office.engine) as connection:
        draw_lots.give_back(connection, event_id, buyer_id)
