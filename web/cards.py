"""Which cards a booking may name: saved ones for hands-free bookings, fresh from the browser for paying in person.

Card numbers never come here: the browser gives them to the provider and gets a name for them (`pm_...`).
"""

from __future__ import annotations

from onsale.db import buyers
from onsale.db.engine import reading, transaction
from onsale.db.ids import BuyerId
from onsale.errors import BadRequest
from onsale.payments.provider import IntentStatus, SetupIntent
from onsale.web.box_office import BoxOffice

# Stripe's published stand-ins (pm_card_visa, ...): they exist in test mode only, saved by nobody and usable by anybody.
TEST_CARD = "pm_card_"


def check_saved(office: BoxOffice, buyer_id: BuyerId, payment_method: str) -> None:
    """A hands-free booking charges a card while its buyer is away: it must be one they saved. Raises BadRequest."""
    if _is_test_card(office, payment_method):
        return
    with reading(office.engine) as connection:
        if not buyers.owns_payment_method(connection, buyer_id, payment_method):
            raise BadRequest("This card was not saved. Save it first.", field="payment_method")


def check_fresh(office: BoxOffice, payment_method: str) -> None:
    """A stand-in in production would only be declined later, with tickets out of sale meanwhile. Raises BadRequest."""
    if payment_method.startswith(TEST_CARD) and office.config.environment != "sandbox":
        raise BadRequest("This is a test card.", field="payment_method")


def save(office: BoxOffice, buyer_id: BuyerId, *, key: str, payment_method: str | None, return_url: str) -> SetupIntent:
    """Begin saving a card; a `payment_method` is saved in this call, unless the bank asks. Same key, same saving.

    Raises ProviderUnavailable, PaymentRefused.
    """
    with reading(office.engine) as connection:
        buyer = buyers.by_id(connection, buyer_id)
    customer = buyer.provider_customer_id if buyer else None
    if customer is None:
        customer = office.provider.create_customer(buyer_id=buyer_id, email=buyer.email if buyer else None)
        with transaction(office.engine) as connection:
            customer = buyers.set_customer(connection, buyer_id, customer)
    setup = office.provider.create_setup_intent(
        customer_id=customer, key=f"{buyer_id}-{key}", payment_method=payment_method, return_url=return_url
    )
    with transaction(office.engine) as connection:
        buyers.add_setup(connection, buyer_id, setup.id)
        if setup.status is IntentStatus.SUCCEEDED and setup.payment_method:
            buyers.finish_setup(connection, setup.id, setup.payment_method)
    return setup


def saved(office: BoxOffice, setup_intent_id: str) -> None:
    """The provider says that a card was saved: ask for it by id and remember its name. Raises ProviderUnavailable.

    One that nobody saves here is somebody else's at the same account: as with a payment, nothing is asked.
    """
    with reading(office.engine) as connection:
        if not buyers.is_setup(connection, setup_intent_id):
            return
    setup = office.provider.retrieve_setup_intent(setup_intent_id)
    if setup.status is IntentStatus.SUCCEEDED and setup.payment_method:
        with transaction(office.engine) as connection:
            buyers.finish_setup(connection, setup.id, setup.payment_method)


def _is_test_card(office: BoxOffice, payment_method: str) -> bool:
    return office.config.environment == "sandbox" and payment_method.startswith(TEST_CARD)
