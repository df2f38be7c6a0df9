"""What a payment is called on the cardholder's statement, refused where Stripe would refuse it."""

from __future__ import annotations

from onsale.sandbox.stripe_simulator.errors import invalid
from onsale.sandbox.stripe_simulator.forms import Params

CHARACTERS_MAX = 22
REFUSED = "<>\\'\"*"


def suffix(params: Params) -> str | None:
    """`statement_descriptor_suffix`, checked; what is too long beside the account's prefix only Stripe can know."""
    name = "statement_descriptor_suffix"
    given = params.text(name, longest=CHARACTERS_MAX)
    if given is None:
        return None
    if any(one in REFUSED for one in given):
        raise invalid(f"The statement descriptor suffix cannot contain any of {' '.join(REFUSED)}.", param=name)
    if not given.isascii() or not any(one.isalpha() for one in given):
        raise invalid("The statement descriptor suffix must contain at least one Latin letter.", param=name)
    return given
