"""`onsale keys`: what it prints is a setting that the house takes, and it never prints away the last key."""

from __future__ import annotations

from click.testing import CliRunner, Result

from onsale.cli import main

OLD, NEW = "k1:" + "a" * 32, "k2:" + "b" * 32
SETTINGS = {
    "ONSALE_ENVIRONMENT": "sandbox",
    "ONSALE_DATABASE_URL": "postgresql://127.0.0.1:9/nowhere",
    "ONSALE_QUEUE_URL": "redis://127.0.0.1:9/0",
    "ONSALE_STRIPE_SECRET_KEY": "sk_test_of_the_tests",
    "ONSALE_STRIPE_PUBLISHABLE_KEY": "pk_test_of_the_tests",
    "ONSALE_STRIPE_WEBHOOK_SECRET": "whsec_of_the_tests_with_32_characters",
}


def run(*words: str, keys: str) -> Result:
    return CliRunner().invoke(main, ["keys", *words], env={**SETTINGS, "ONSALE_SECRET_KEYS": keys})


def test_it_says_which_key_signs_and_shows_no_secret() -> None:
    shown = run(keys=f"{NEW},{OLD}").output

    assert shown.splitlines() == ["k2  signs and verifies", "k1  verifies"]


def test_a_new_key_is_put_in_front_and_the_old_ones_stay() -> None:
    value = run("new", keys=OLD).output.strip()

    assert value.endswith(f",{OLD}")
    assert len(run(keys=value).output.splitlines()) == 2
    assert len({one.partition(":")[0] for one in run("new", keys=value).output.split(",")}) == 3


def test_an_old_key_is_dropped() -> None:
    assert run("drop", "k1", keys=f"{NEW},{OLD}").output.strip() == NEW


def test_the_last_key_and_one_that_is_not_there_are_not_dropped() -> None:
    for kid, says in (("k1", "onsale keys new"), ("k9", "onsale keys")):
        result = run("drop", kid, keys=OLD)
        assert result.exit_code == 1
        assert says in result.output
