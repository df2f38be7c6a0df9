"""What an organiser's staff ask for tickets: sections' prices, fees and tax."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from onsale.db.catalogue import Event
from onsale.db.ids import EventId
from onsale.db.price_terms import WHOLE_BP
from onsale.db.prices import AMOUNT_MINOR_MAX
from onsale.db.tiers import PER_BOOKING_MAX, TIERS_MAX, Tier
from onsale.errors import BadRequest, IllegalMove, NotAllowed, PriceUnpayable, TiersUnfit
from onsale.web import pricing
from onsale.web.api.bookings import TierName
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.api.documents import WHOLE, EventPath, PriceTermsDocument, SectionDocument
from onsale.web.api.events import section_documents, terms_document
from onsale.web.auth import StaffMember
from onsale.web.box_office import box_office

prices = Routes("prices", "Running a sale")

SectionNumber = Annotated[int, Field(ge=0, le=(1 << 31) - 1), WHOLE]
Amount = Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX), WHOLE]
Rate = Annotated[int, Field(ge=0, le=WHOLE_BP), WHOLE]
SECTIONS_MAX = 1_000
_PRIVATE = {"Cache-Control": "no-store"}


class TermsBody(Asked):
    """What to change of fees and tax; what is left out stays. Rates in basis points, hundredths of a per cent."""

    ticket_fee_minor: Amount | None = None
    ticket_fee_bp: Rate | None = None
    ticket_fee_included: bool | None = None
    booking_fee_minor: Amount | None = None
    tax_bp: Rate | None = None
    tax_included: bool | None = None
    fees_taxed: bool | None = None

    def change(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class TierBody(Asked):
    """One of a section's prices, as Adult or Child; a booking has at most `most` of it, null: any."""

    name: TierName
    price_minor: Amount
    most: Annotated[int, Field(ge=1, le=PER_BOOKING_MAX), WHOLE] | None = None

    def tier(self) -> Tier:
        return Tier(self.name, self.price_minor, self.most)


class SectionPriceBody(Asked):
    """What a section's tickets cost from now on, before what the terms add. `tiers` replaces them all, in this order;
    an empty list: there is one price again. `price_minor` is the first tier's.
    """

    id: SectionNumber
    price_minor: Amount | None = None
    tiers: Annotated[list[TierBody], Field(max_length=TIERS_MAX)] | None = None


class PricesBody(Asked):
    """What to change, for bookings that are not decided yet. Nobody is charged more than was shown to them."""

    price_terms: TermsBody | None = None
    sections: list[SectionPriceBody] = Field(default=[], max_length=SECTIONS_MAX)


class PricesDocument(Told):
    """The prices in force, and what they come to."""

    event_id: int
    currency: str
    price_terms: PriceTermsDocument
    sections: list[SectionDocument]


@prices.get("/v1/admin/events/{event_id}/prices")
def show_prices(path: EventPath, staff: StaffMember) -> Answer[PricesDocument]:
    """What an event asks for its tickets"""
    return _told(pricing.prices(box_office(), EventId(path.event_id), staff))


@prices.patch(
    "/v1/admin/events/{event_id}/prices", raises=(NotAllowed, BadRequest, IllegalMove, TiersUnfit, PriceUnpayable)
)
def change_prices(path: EventPath, body: PricesBody, staff: StaffMember) -> Answer[PricesDocument]:
    """Change prices, tiers, fees and tax; bookings that are decided keep theirs"""
    changed = pricing.change(
        box_office(),
        EventId(path.event_id),
        staff,
        terms=body.price_terms.change() if body.price_terms else {},
        prices_minor={each.id: each.price_minor for each in body.sections if each.price_minor is not None},
        tiers_of={each.id: [one.tier() for one in each.tiers] for each in body.sections if each.tiers is not None},
    )
    return _told(changed)


def _told(event: Event) -> Answer[PricesDocument]:
    document = PricesDocument(
        event_id=event.id,
        currency=event.currency,
        price_terms=terms_document(event.terms),
        sections=section_documents(event),
    )
    return Answer(document, headers=_PRIVATE)
