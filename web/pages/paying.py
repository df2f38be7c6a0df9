"""How a booking's page takes a card: by the provider's own form, or, before a simulator, by one of its test cards."""

from __future__ import annotations

from dataclasses import dataclass

from onsale.config import Config
from onsale.errors import BadRequest
from onsale.payments.methods import method_params
from onsale.web import elements
from onsale.web.pages import test_cards


@dataclass(frozen=True)
class Elements:
    """What the page needs for the provider's form."""

    key: str
    script: str
    methods: tuple[str, ...]
    capture: str


def elements_of(config: Config) -> Elements | None:
    """The provider's form; None where the page offers test cards instead."""
    if not elements.used(config):
        return None
    return Elements(config.stripe_publishable_key, elements.SCRIPT, config.payment_methods, _capture(config))


def check(config: Config, payment_method: str) -> None:
    """Whether the form was sent with something that can be tried. Raises BadRequest."""
    if elements.used(config):
        known = elements.PAYMENT_METHOD.fullmatch(payment_method) is not None
    else:
        known = payment_method in {each.method for each in test_cards.cards(config)}
    if not known:
        raise BadRequest("Choose a card.", field="payment_method")


def _capture(config: Config) -> str:
    """As the payment itself is made: the form shows no method that would not fit."""
    return str(method_params(config.payment_methods)["capture_method"])
