"""A booking's receipt: the way from the queue to the payment with its times, and where it stands in the public log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson

from onsale.db import bookings, chain_lines, code_uses, queue_ways, refunds, sale_chain
from onsale.db.bookings import Booking
from onsale.db.code_uses import UsedCode
from onsale.db.engine import reading
from onsale.db.ids import BookingId, BuyerId
from onsale.web import booking
from onsale.web.box_office import BoxOffice
from onsale.web.refunding import GIVEN_BACK
from onsale.web.timeline import Step, timeline, way_in


@dataclass(frozen=True)
class PublicLine:
    """A line of the sale's log that tells of this booking, as a sale report publishes it; `batch` closes it."""

    position: int
    batch: int
    line: str


@dataclass(frozen=True)
class Receipt:
    """What a buyer can hold a sale report to. The pseudonyms are empty until the log's first line is chained.

    `buyer_pseudonym` is whom the log names: of a guest's booking that went along to an account mostly the guest.
    """

    booking: Booking
    steps: tuple[Step, ...]
    pseudonym: str
    buyer_pseudonym: str
    lines: tuple[PublicLine, ...]
    codes: tuple[UsedCode, ...] = ()


def receipt(office: BoxOffice, booking_id: BookingId, buyer_id: BuyerId) -> Receipt:
    """This buyer's receipt of this booking. Raises NotFound, also for somebody else's."""
    with reading(office.engine) as connection:
        found = booking.of_buyer(connection, booking_id, buyer_id)
        way = queue_ways.of(
            connection, found.event_id, buyer_id, number=found.number, return_number=found.return_number
        )
        moves = [move for move in bookings.history(connection, found.id) if move.version <= found.version]
        given = refunds.of_booking(connection, found.id) if found.state in GIVEN_BACK else ()
        key = sale_chain.known_key(connection, found.event_id)
        codes = code_uses.of_booking(connection, found.id) if found.code_ids else ()
        chained = sale_chain.lines_of(connection, found.event_id, found.id)
    return Receipt(
        booking=found,
        steps=(*way_in(way), *timeline(found, moves, owed=refunds.is_owed(given, found.state))),
        pseudonym=chain_lines.pseudonym(key, found.id) if key else "",
        buyer_pseudonym=_named(chained) or (chain_lines.pseudonym(key, buyer_id) if key else ""),
        lines=tuple(PublicLine(*each) for each in chained),
        codes=codes,
    )


def _named(chained: Sequence[tuple[int, int, str]]) -> str:
    """Whom the booking's own line names; nobody while it has none. What is chained is never written anew."""
    told = (orjson.loads(line) for _, _, line in chained)
    return next((str(line["buyer"]) for line in told if "buyer" in line), "")
