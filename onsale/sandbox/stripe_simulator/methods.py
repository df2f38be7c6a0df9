"""Customers and their cards: PaymentMethods made from a test card's name or number, and which of them may be used."""

from __future__ import annotations

import re
import time

from onsale.sandbox.stripe_simulator import cards, transfers
from onsale.sandbox.stripe_simulator.call import Call, page
from onsale.sandbox.stripe_simulator.cards import Aftermath, Decline, TestCard
from onsale.sandbox.stripe_simulator.errors import ApiError, ExecutedError, Thing, invalid, missing
from onsale.sandbox.stripe_simulator.forms import Params

# Hidden behind a PaymentMethod: its test card's number, and this when it was saved with authentication.
SET_UP = "+set-up"
USED = "+used"
YEARS_AHEAD = 3
NUMBER = re.compile(r"[0-9]{12,19}")
BILLING: Thing = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}


def create_customer(call: Call) -> Thing:
    """POST /v1/customers"""
    params = call.params
    params.only("email", "name", "description", "phone", "metadata", "payment_method", "expand")
    customer = {
        "id": call.tx.new_id("cus"),
        "object": "customer",
        "created": call.tx.now,
        "default_source": None,
        "description": params.text("description"),
        "email": params.text("email", longest=512),
        "invoice_settings": {"default_payment_method": None},
        "livemode": False,
        "metadata": params.metadata(),
        "name": params.text("name", longest=256),
        "phone": params.text("phone", longest=20),
    }
    return call.tx.add(customer)


def retrieve_customer(call: Call, customer_id: str) -> Thing:
    """GET /v1/customers/{id}"""
    return call.find("cus", customer_id)


def create_method(call: Call) -> Thing:
    """POST /v1/payment_methods"""
    call.params.only("type", "card", "billing_details", "metadata", "allow_redisplay", "expand")
    return made_of(call, call.params)


def retrieve_method(call: Call, method_id: str) -> Thing:
    """GET /v1/payment_methods/{id}; a published name gives a card of that kind."""
    return using(call, method_id) if method_id in cards.BY_NAME else call.find("pm", method_id)


def list_methods(call: Call, customer_id: str | None = None) -> Thing:
    """GET /v1/payment_methods?customer= and GET /v1/customers/{id}/payment_methods"""
    customer_id = customer_id or call.params.needed("customer")
    call.find("cus", customer_id, param="customer")
    return page(call, "pm", "/v1/payment_methods", parent=customer_id)


def attach_method(call: Call, method_id: str) -> Thing:
    """POST /v1/payment_methods/{id}/attach"""
    call.params.only("customer", "expand")
    customer = call.find("cus", call.params.needed("customer"), param="customer")
    method = using(call, method_id)
    card = card_of(call, method)
    if card.decline is not None and not card.saves:
        raise declined(card.decline, payment_method=method)
    return attach(call, method, customer["id"])


def attach(call: Call, method: Thing, customer_id: str) -> Thing:
    """Save a card under a customer."""
    if method["customer"] not in (None, customer_id):
        raise invalid("The payment method you provided has already been attached to a customer.")
    method["customer"] = customer_id
    call.tx.link(customer_id, method["id"])
    return call.tx.put(method)


def given(call: Call, customer_id: str | None) -> Thing | None:
    """The card that a call names or brings along, checked against the payment's customer; None without one."""
    name = call.params.text("payment_method")
    if name is not None:
        return allowed(call, using(call, name), customer_id)
    if "payment_method_data" in call.params:
        return made_of(call, call.params.under("payment_method_data"))
    return None


def allowed(call: Call, method: Thing, customer_id: str | None) -> Thing:
    """Refuse another customer's card, and one that was used up without being saved."""
    owner = method["customer"]
    if owner is not None and owner != customer_id:
        raise invalid(
            f"The PaymentMethod {method['id']} belongs to a Customer. Please include the Customer in the `customer` "
            "parameter on the PaymentIntent.",
            param="payment_method",
        )
    if owner is None and USED in (call.tx.hidden(method["id"]) or ""):
        raise invalid(
            "The provided PaymentMethod was previously used with a PaymentIntent without Customer attachment. It may "
            "not be used again. To use a PaymentMethod multiple times, you must attach it to a Customer first.",
            param="payment_method",
        )
    return method


def using(call: Call, name: str) -> Thing:
    """The card with this id, or a new one of the published name."""
    if card := cards.BY_NAME.get(name):
        return _store(call, card, month=time.gmtime().tm_mon, year=time.gmtime().tm_year + YEARS_AHEAD)
    return call.find("pm", name, param="payment_method")


def made_of(call: Call, data: Params) -> Thing:
    """A new card from `payment_method_data` or the body of a PaymentMethod."""
    kind = data.needed("type")
    if kind in transfers.TYPES:
        return _stored(call, kind, {}, metadata=data.metadata())
    if kind != "card":
        known = ", ".join(["card", *sorted(transfers.TYPES)])
        raise invalid(f"This simulator only knows the payment method types {known}.", param="type")
    fields = data.under("card")
    fields.only("number", "exp_month", "exp_year", "cvc", "token", "networks")
    if token := fields.text("token"):
        card = cards.BY_NAME.get(token.replace("tok_", "pm_card_", 1))
        if card is None:
            raise invalid(f"No such token: '{token[:50]}'", param="card[token]", code="resource_missing")
        return _store(call, card, month=12, year=time.gmtime().tm_year + YEARS_AHEAD)
    card, month, year = _typed_in(fields)
    return _store(call, card, month=month, year=year, metadata=data.metadata())


def _typed_in(fields: Params) -> tuple[TestCard, int, int]:
    number = fields.needed("number").replace(" ", "").replace("-", "")
    month, year = fields.integer("exp_month"), fields.integer("exp_year")
    if month is None or year is None:
        raise missing("card[exp_month]" if month is None else "card[exp_year]")
    if not (NUMBER.fullmatch(number) and cards.checksum_fits(number)):
        raise declined(cards.WRONG_NUMBER)
    year += 2000 if year < 100 else 0
    now = time.gmtime()
    if not 1 <= month <= 12:
        raise declined(Decline("invalid_expiry_month", "", "Your card's expiration month is invalid.", "exp_month"))
    if not (now.tm_year, now.tm_mon) <= (year, month) <= (now.tm_year + 50, 12):
        raise declined(Decline("invalid_expiry_year", "", "Your card's expiration year is invalid.", "exp_year"))
    cvc = fields.text("cvc") or "000"
    if not (cvc.isascii() and cvc.isdecimal() and len(cvc) in (3, 4)):
        raise declined(Decline("invalid_cvc", "", "Your card's security code is invalid.", "cvc"))
    card = cards.BY_NUMBER.get(number)
    if card is None:
        raise declined(cards.NOT_A_TEST_CARD)
    return card, month, year


def _store(call: Call, card: TestCard, *, month: int, year: int, metadata: dict[str, str] | None = None) -> Thing:
    details = {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": card.brand,
        "exp_month": month,
        "exp_year": year,
        "fingerprint": f"card{card.number[-8:]}",
        "funding": "credit",
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "three_d_secure_usage": {"supported": card.brand != "amex"},
        "wallet": None,
    }
    return _stored(call, "card", details, metadata=metadata or {}, hidden=card.number)


def _stored(call: Call, kind: str, details: Thing, *, metadata: dict[str, str], hidden: str = "") -> Thing:
    method = {
        "id": call.tx.new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": BILLING,
        kind: details,
        "created": call.tx.now,
        "customer": None,
        "livemode": False,
        "metadata": metadata,
        "type": kind,
    }
    return call.tx.add(method, hidden=hidden)


def card_of(call: Call, method: Thing) -> TestCard:
    """The published card behind a PaymentMethod."""
    if (card := card_behind(call, method["id"])) is None:
        raise invalid(f"This needs a card, and {method['id']} is of the type {method['type']}.", param="payment_method")
    return card


def card_behind(call: Call, method_id: str) -> TestCard | None:
    """The same by the PaymentMethod's id; None for what is no card."""
    return cards.BY_NUMBER.get((call.tx.hidden(method_id) or "").partition("+")[0])


def aftermath_of(call: Call, method_id: str) -> Aftermath | None:
    """What comes after a payment with this card, if anything does."""
    card = card_behind(call, method_id)
    return card.aftermath if card else None


def mark(call: Call, method: Thing, what: str) -> None:
    """Remember that this card was used, or saved with authentication."""
    hidden = call.tx.hidden(method["id"]) or ""
    if what not in hidden:
        call.tx.hide(method["id"], hidden + what)


def was_set_up(call: Call, method: Thing) -> bool:
    return SET_UP in (call.tx.hidden(method["id"]) or "")


def error_of(decline: Decline, **more: object) -> Thing:
    """What goes into `last_payment_error`, and under "error" in the answer."""
    body: Thing = {"code": decline.code, "decline_code": decline.decline_code or None, "message": decline.message}
    body |= {"doc_url": f"https://docs.stripe.com/error-codes#{decline.code.replace('_', '-')}", "type": "card_error"}
    body |= {"param": decline.param, **more}
    return {name: value for name, value in body.items() if value is not None}


def declined(decline: Decline, **more: object) -> ApiError:
    """402: the bank said no. The answer is kept under its key, as every answer of the bank is."""
    error = ExecutedError(402, decline.message, kind="card_error")
    error.body = error_of(decline, **more)
    return error
