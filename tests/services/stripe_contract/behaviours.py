"""What Onsale counts on at Stripe: each behaviour is one test, with the sentence it holds and where Stripe says so.

python -m tests.services.stripe_contract.behaviours > docs/stripe-contract.md
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, TypeVar
from uuid import uuid4

STRIPE_DOCS = "https://docs.stripe.com/"
KEY = "ONSALE_STRIPE_CONTRACT_KEY"
TEST_KEYS = ("sk_test_", "rk_test_")
NOT_ASKED = f"Stripe itself was not asked: set {KEY} to a secret key of a test mode"
DOCUMENT = Path(__file__).parents[3] / "docs" / "stripe-contract.md"
HEAD = f"""# What is the same at Stripe and in the simulator

Each line is a test in `tests/services/stripe_contract/`, written from the page of Stripe's documentation that it names
and asked through the official SDK: always of the simulator, and of Stripe's own test mode when
`{KEY}` holds a key of a test mode (a live key is refused, and without one pytest says at its end that
Stripe was not asked).

    {KEY}=sk_test_... .venv/bin/pytest tests/services/stripe_contract

*Simulator alone*: what nobody can make Stripe do when they want it (fail, be slow), what needs a person before Stripe's
own page, or an address that Stripe can reach. This page is written by
`python -m tests.services.stripe_contract.behaviours`, and a test holds it equal to the tests.
"""

Test = TypeVar("Test", bound=Callable[..., Any])


@dataclass(frozen=True)
class Behaviour:
    """One sentence about Stripe, its page there (below docs.stripe.com), and why only the simulator is asked."""

    says: str
    page: str
    alone: str | None


def behaviour(says: str, page: str, *, alone: str | None = None) -> Callable[[Test], Test]:
    """Mark a test as the proof of one behaviour."""

    def mark(test: Test) -> Test:
        test.behaviour = Behaviour(says, page, alone)  # type: ignore[attr-defined] - read by `behaviours_of`
        return test

    return mark


def behaviours_of(module: ModuleType) -> Iterator[Behaviour]:
    """The behaviours that a module's tests hold, in the order written."""
    tests = [each for name, each in vars(module).items() if name.startswith("test_")]
    for test in sorted(tests, key=lambda each: inspect.getsourcelines(each)[1]):
        if isinstance(test, FunctionType) and hasattr(test, "behaviour"):
            yield test.behaviour


def document() -> str:
    """The list as a page, a part for each file of tests."""
    lines = [HEAD]
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        module = import_module(f"{__package__}.{file.stem}")
        held = list(behaviours_of(module))
        if not held:
            continue
        lines += [f"## {(module.__doc__ or file.stem).splitlines()[0].rstrip('.')}", ""]
        lines += ["| behaviour | where Stripe says so | asked of |", "|---|---|---|"]
        for each in held:
            asked = f"simulator alone: {each.alone}" if each.alone else "both"
            lines.append(f"| {each.says} | [{each.page}]({STRIPE_DOCS}{each.page}) | {asked} |")
        lines.append("")
    return "\n".join(lines)


def key() -> str:
    """An idempotency key that no earlier run has used."""
    return f"onsale-contract-{uuid4()}"


def new_intent(api: Any, *, with_key: str | None = None, **changed: Any) -> Any:
    """A PaymentIntent as Onsale makes them: unconfirmed, cards only, captured by hand."""
    params = {
        "amount": 4500,
        "currency": "eur",
        "capture_method": "manual",
        "allowed_payment_method_types": ["card"],
        **changed,
    }
    return api.payment_intents.create(params, {"idempotency_key": with_key or key()})


def confirmed(api: Any, intent: Any, card: str = "pm_card_visa", **changed: Any) -> Any:
    """The intent after a card was tried, as Onsale tries them."""
    params = {"payment_method": card, "return_url": "https://shop.example/back", **changed}
    return api.payment_intents.confirm(intent.id, params, {"idempotency_key": key()})


def reserved(api: Any, card: str = "pm_card_visa", **changed: Any) -> Any:
    """An intent whose money is reserved."""
    return confirmed(api, new_intent(api, **changed), card)


def captured(api: Any, card: str = "pm_card_visa", **changed: Any) -> Any:
    """An intent whose money is taken."""
    return api.payment_intents.capture(reserved(api, card, **changed).id, {}, {"idempotency_key": key()})


if __name__ == "__main__":
    print(document(), end="")
