"""The page that lists the behaviours is the tests' own, and no key of a live account is ever used."""

from __future__ import annotations

import pytest

from tests.services.stripe_contract.behaviours import DOCUMENT, KEY, document
from tests.services.stripe_contract.conftest import test_mode_key as key_given


def test_the_page_is_what_the_tests_say():
    assert DOCUMENT.read_text(encoding="utf-8") == document(), (
        "Write it anew: python -m tests.services.stripe_contract.behaviours > docs/stripe-contract.md"
    )


@pytest.mark.parametrize("live", ["sk_live_1", "rk_live_1", "pk_test_1", "nonsense"])
def test_a_live_key_is_refused(monkeypatch, live):
    monkeypatch.setenv(KEY, live)

    with pytest.raises(pytest.UsageError, match="test mode"):
        key_given()


@pytest.mark.parametrize("key", ["sk_test_1", "rk_test_1", ""])
def test_a_key_of_a_test_mode_is_taken(monkeypatch, key):
    monkeypatch.setenv(KEY, key)

    assert key_given() == (key or None)
