"""A booking's receipt over the API."""

from __future__ import annotations

from uuid import UUID

from onsale.db.ids import BookingId
from onsale.web import receipts as record
from onsale.web.api.booking_schemas import StepDocument, UsedCodeDocument
from onsale.web.api.contract import Answer, Routes, Told
from onsale.web.api.documents import BookingPath
from onsale.web.auth import Buyer
from onsale.web.box_office import box_office

receipts = Routes("receipts", "Receipts")


class PublicLineDocument(Told):
    """A line of the sale's public log: its place, the batch that closes it, and the line as it is hashed."""

    position: int
    batch: int
    line: str


class ReceiptDocument(Told):
    """The way from the queue to the payment, with times, and this booking's lines in the sale's public log.

    `pseudonym` and `buyer_pseudonym` stand for the booking and for you in a sale report; nobody else is told them.
    Of a booking made before you signed in the log names the guest that you were: so does `buyer_pseudonym`.
    They are empty, and there are no lines, until the log is chained: seconds after something happened.
    """

    booking_id: UUID
    event_id: int
    number: int
    return_number: int | None
    codes: list[UsedCodeDocument]
    steps: list[StepDocument]
    pseudonym: str
    buyer_pseudonym: str
    lines: list[PublicLineDocument]


@receipts.get("/v1/bookings/{booking_id}/receipt")
def show_receipt(path: BookingPath, buyer: Buyer) -> Answer[ReceiptDocument]:
    """The receipt of a booking"""
    found = record.receipt(box_office(), BookingId(path.booking_id), buyer.id)
    document = ReceiptDocument(
        booking_id=found.booking.id,
        event_id=found.booking.event_id,
        number=found.booking.number,
        return_number=found.booking.return_number,
        codes=[
            UsedCodeDocument(code=one.code, kind=one.kind, discount_minor=one.discount_minor) for one in found.codes
        ],
        steps=[StepDocument(step=s.name, words=s.words, standing=s.standing, at=s.at) for s in found.steps],
        pseudonym=found.pseudonym,
        buyer_pseudonym=found.buyer_pseudonym,
        lines=[PublicLineDocument(position=each.position, batch=each.batch, line=each.line) for each in found.lines],
    )
    return Answer(document, headers={"Cache-Control": "no-store"})
