"""The visitor's place in a queue, for the pages: by session and, when Redis has lost it, by the token in the cookie."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from onsale.db.ids import BuyerId, EventId
from onsale.errors import BadQueueToken, NotInQueue, OnsaleError
from onsale.web import auth, joining
from onsale.web.box_office import BoxOffice
from onsale.web.joining import MyPlace
from onsale.web.pages import cookies

T = TypeVar("T")


def with_token(call: Callable[[str | None], T]) -> T:
    """The call with the cookie's token; without it when that is somebody else's (another account signed in)."""
    try:
        return call(cookies.queue_token())
    except BadQueueToken:
        return call(None)


def place(office: BoxOffice, event_id: EventId, buyer_id: BuyerId) -> MyPlace:
    """Where this buyer stands. Raises NotInQueue and what the queue raises."""
    return with_token(lambda token: joining.my_place(office, event_id, buyer_id, queue_token=token))


def place_if_any(office: BoxOffice, event_id: EventId) -> MyPlace | None:
    """Where the visitor stands; None for whoever has no number. Raises when the queue does not answer."""
    visitor = auth.buyer_if_any()
    if visitor is None:
        return None
    try:
        return place(office, event_id, visitor.id)
    except NotInQueue:
        return None


def place_if_known(office: BoxOffice, event_id: EventId) -> MyPlace | None:
    """The same; None also when the queue does not answer, for a page that has something to say without it."""
    try:
        return place_if_any(office, event_id)
    except OnsaleError:
        return None
