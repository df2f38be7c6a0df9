"""Codes for tests: made as staff make them, used as buyers do."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine

from onsale.db import bookings, codes
from onsale.db.bookings import NewBooking
from onsale.db.code_rules import CodeKind
from onsale.db.codes import NewCode
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, BuyerId, EventId, booking_id
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from tests.builders import a_buyer

TEN_PER_CENT = NewCode(CodeKind.PERCENT, percent_bp=1_000)
FIVE_OFF = NewCode(CodeKind.AMOUNT, amount_minor=500)
UNLOCK = NewCode(CodeKind.UNLOCK)


def a_code(engine: Engine, event_id: EventId, new: NewCode, code: str = "") -> codes.KnownCode:
    """A code of the event; a random one where none is chosen."""
    with transaction(engine) as connection:
        (made,) = codes.make(connection, event_id, new, [code or codes.random_codes(1)[0]], actor="test")
    return made


def used(engine: Engine, event_id: EventId, code: codes.KnownCode) -> int:
    """How many uses of it count."""
    with engine.connect() as connection:
        found = codes.by_text(connection, event_id, code.code)
    assert found is not None
    return found.used


def a_booking_with(
    engine: Engine,
    event_id: EventId,
    wish: Wish,
    given: Sequence[codes.KnownCode],
    *,
    number: int,
    buyer_id: BuyerId | None = None,
    **more: Any,
) -> BookingId:
    """An accepted booking that names these codes, which nobody looked at yet."""
    new = NewBooking(
        id=booking_id(event_id, secrets.token_bytes(12)),
        event_id=event_id,
        buyer_id=buyer_id or a_buyer(engine),
        number=number,
        state=BookingState.QUEUED,
        wishes=(wish,),
        idempotency_key=secrets.token_hex(8),
        request_hash=secrets.token_bytes(32),
        admission_id=str(number),
        code_ids=tuple(code.id for code in given),
        **more,
    )
    with transaction(engine) as connection:
        return bookings.accept(connection, new).booking.id
