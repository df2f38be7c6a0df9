"""Whoever begins to queue or to book without a session becomes a guest, without being asked anything."""

from __future__ import annotations

from onsale.db.ids import BuyerId
from onsale.web import auth, limits
from onsale.web.auth import SignedIn
from onsale.web.box_office import BoxOffice


def buyer_or_guest(office: BoxOffice) -> tuple[BuyerId, SignedIn | None]:
    """Who this is, and the fresh session to start when they were nobody. Raises TooManyRequests."""
    visitor = auth.buyer_if_any()
    if visitor is not None:
        return visitor.id, None
    limits.by_address(limits.GUESTS)
    fresh = auth.guest(office)
    return BuyerId(fresh.subject), fresh
