"""Who is asked: the simulator always, Stripe's own test mode with a key for it, and aloud when it was not asked."""

from __future__ import annotations

import os
from typing import Any

import pytest
import stripe

from tests.services.stripe_contract.behaviours import KEY, NOT_ASKED, TEST_KEYS

SIMULATOR, STRIPE = "simulator", "stripe"


def test_mode_key() -> str | None:
    """The key to Stripe's test mode. Never a live one: these tests charge and refund."""
    given = os.environ.get(KEY) or None
    if given is not None and not given.startswith(TEST_KEYS):
        raise pytest.UsageError(f"{KEY} must be a key of Stripe's test mode ({' or '.join(TEST_KEYS)}...).")
    return given


test_mode_key.__test__ = False  # type: ignore[attr-defined] - pytest would take it for a test by its name


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Each behaviour is asked of both, but for those that only the simulator can be asked."""
    held = getattr(metafunc.function, "behaviour", None)
    if held is not None:
        sides = [SIMULATOR] if held.alone else [SIMULATOR, STRIPE]
        metafunc.parametrize("side", sides, indirect=True, scope="function")


@pytest.fixture
def side(request: pytest.FixtureRequest) -> str:
    """Which of the two is asked."""
    return str(request.param)


@pytest.fixture
def client(side: str, request: pytest.FixtureRequest) -> stripe.StripeClient:
    """The official SDK, at the simulator or at Stripe."""
    if side == SIMULATOR:
        bank = request.getfixturevalue("bank")
        bank.set(aftermath_ms=0)
        simulated: stripe.StripeClient = bank.client()
        return simulated
    secret_key = test_mode_key()
    if secret_key is None:
        pytest.skip(NOT_ASKED)
    return stripe.StripeClient(secret_key, max_network_retries=0)


@pytest.fixture
def api(client: stripe.StripeClient) -> Any:
    """Its version 1."""
    return client.v1
