"""How a payment may be made: which methods are offered, and which of them reserve the money before they take it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Reserved at first, taken when the tickets are sold. With all others the money is taken at once, or later: if it comes
# when the tickets are gone, it is given back.
RESERVED_FIRST = frozenset({"card", "link"})


def reserves_all(methods: Sequence[str]) -> bool:
    """Whether no method takes money before the tickets are sold."""
    return set(methods) <= RESERVED_FIRST


def method_params(methods: Sequence[str]) -> dict[str, Any]:
    """What a PaymentIntent is created with, in Stripe's words."""
    if reserves_all(methods):
        return {"allowed_payment_method_types": list(methods), "capture_method": "manual"}
    reserved = {name: {"capture_method": "manual"} for name in methods if name in RESERVED_FIRST}
    chosen: dict[str, Any] = {"allowed_payment_method_types": list(methods), "capture_method": "automatic"}
    return chosen | ({"payment_method_options": reserved} if reserved else {})
