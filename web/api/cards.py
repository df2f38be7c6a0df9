"""Saving a card, so that a hands-free booking can be paid while its buyer is away."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import StringConstraints

from onsale.errors import PaymentRefused, ProviderUnavailable, TooManyRequests
from onsale.web import cards, limits
from onsale.web.api.bookings import Method, PayHeaders
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.auth import Buyer
from onsale.web.box_office import box_office

saved_cards = Routes("cards", "Saved cards")

Status = Annotated[str, StringConstraints(max_length=60)]


class CardBody(Asked):
    """A card by the provider's name for it; left out, the browser gives it to the provider with the client secret."""

    payment_method: Method | None = None


class CardDocument(Told):
    """A card being saved: once `status` is succeeded, a hands-free booking may name `payment_method`."""

    provider: Literal["stripe"] = "stripe"
    publishable_key: str
    setup_intent_id: str
    client_secret: str
    status: Status
    payment_method: str | None
    message: str | None
    next_action_url: str | None


@saved_cards.post(
    "/v1/cards", answers={201: CardDocument}, raises=(ProviderUnavailable, PaymentRefused, TooManyRequests)
)
def save_card(headers: PayHeaders, body: CardBody, buyer: Buyer) -> Answer[CardDocument]:
    """Save a card (SetupIntent)"""
    limits.by_buyer(limits.CARDS_OF_BUYER, buyer.id)
    office = box_office()
    setup = cards.save(
        office,
        buyer.id,
        key=headers.key,
        payment_method=body.payment_method,
        return_url=f"{office.config.public_url}/bookings",
    )
    document = CardDocument(
        publishable_key=office.config.stripe_publishable_key,
        setup_intent_id=setup.id,
        client_secret=setup.client_secret,
        status=setup.status,
        payment_method=setup.payment_method,
        message=setup.message,
        next_action_url=setup.next_action_url,
    )
    return Answer(document, 201, {"Cache-Control": "no-store"})
