"""What `onsale run` decides before it starts anything: which parts to bring, and the settings for all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from onsale.config import Config
from onsale.errors import ConfigError
from onsale.sandbox.environment import load_run_env, read_env, sandbox_secrets, write_env
from onsale.sandbox.procfile import parse, procfile
from onsale.sandbox.screen import Facts, screen
from onsale.sandbox.settings import Addresses, given_settings, sandbox_settings, wanted_parts

OURS = Addresses(
    database_url="postgresql+psycopg2://onsale:pw@127.0.0.1:5555/onsale",
    valkey_urls=("redis://127.0.0.1:6666/0", "redis://127.0.0.1:6666/1", "redis://127.0.0.1:6666/2"),
    web_port=8_005,
    simulator_port=8_006,
)


@pytest.fixture
def secrets(tmp_path: Path) -> dict[str, str]:
    return sandbox_secrets(tmp_path)


def test_without_anything_given_the_sandbox_brings_every_part_and_its_settings_are_valid(tmp_path, secrets):
    wanted = wanted_parts({})

    config = Config.from_env(sandbox_settings({}, folder=tmp_path, secrets=secrets, addresses=OURS))

    assert (wanted.postgres, wanted.valkey, wanted.simulator) == (True, True, True)
    assert config.web_port == 8_005
    assert config.public_url == "http://127.0.0.1:8005"
    assert config.stripe_api_base == "http://127.0.0.1:8006"
    assert {config.queue_url, config.cache_url, config.broker_url} == set(OURS.valkey_urls)


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("ONSALE_DATABASE_URL", "postgresql://h/onsale", "postgres"),
        ("ONSALE_QUEUE_URL", "redis://h/0", "valkey"),
        ("ONSALE_STRIPE_SECRET_KEY", "sk_test_mine", "simulator"),
        ("ONSALE_STRIPE_API_BASE", "http://127.0.0.1:12111", "simulator"),
    ],
)
def test_a_part_is_replaced_by_giving_its_address(name, value, part):
    wanted = wanted_parts({name: value})

    assert [each for each in ("postgres", "valkey", "simulator") if not getattr(wanted, each)] == [part]


def test_an_empty_variable_counts_as_not_given():
    assert given_settings({"ONSALE_QUEUE_URL": " ", "ONSALE_WEB_PORT": "9000", "PATH": "/bin"}) == {
        "ONSALE_WEB_PORT": "9000"
    }


def test_a_given_queue_serves_as_cache_and_broker_too(tmp_path, secrets):
    given = {"ONSALE_QUEUE_URL": "redis://real:6379/0"}
    addresses = Addresses(database_url=OURS.database_url, web_port=8_000, simulator_port=8_001)

    config = Config.from_env(sandbox_settings(given, folder=tmp_path, secrets=secrets, addresses=addresses))

    assert config.queue_url == config.cache_url == config.broker_url == "redis://real:6379/0"


def test_a_given_broker_is_used_beside_our_own_valkey(tmp_path, secrets):
    given = {"ONSALE_BROKER_URL": "amqp://real//"}

    config = Config.from_env(sandbox_settings(given, folder=tmp_path, secrets=secrets, addresses=OURS))

    assert (config.queue_url, config.broker_url) == (OURS.valkey_urls[0], "amqp://real//")


def test_a_real_stripe_key_needs_its_publishable_key_and_goes_to_stripe(tmp_path, secrets):
    given = {"ONSALE_STRIPE_SECRET_KEY": "sk_test_mine"}
    addresses = Addresses(database_url=OURS.database_url, valkey_urls=OURS.valkey_urls)

    with pytest.raises(ConfigError, match=r"^ONSALE_STRIPE_PUBLISHABLE_KEY is not set"):
        Config.from_env(sandbox_settings(given, folder=tmp_path, secrets=secrets, addresses=addresses))
    given["ONSALE_STRIPE_PUBLISHABLE_KEY"] = "pk_test_mine"
    config = Config.from_env(sandbox_settings(given, folder=tmp_path, secrets=secrets, addresses=addresses))

    assert config.stripe_api_base == "https://api.stripe.com"
    assert config.stripe_secret_key == "sk_test_mine"


def test_secrets_are_made_once_and_only_their_owner_reads_them(tmp_path, secrets):
    again = sandbox_secrets(tmp_path)

    assert again == secrets
    assert stat.S_IMODE((tmp_path / "secrets.env").stat().st_mode) == 0o600


def test_a_second_terminal_gets_the_settings_of_the_run_but_its_own_win(tmp_path, monkeypatch):
    write_env(tmp_path / "run.env", {"ONSALE_WEB_PORT": "8005", "ONSALE_WEB_HOST": "a=b"}, comment="A run.")
    monkeypatch.setenv("ONSALE_WEB_PORT", "9000")
    monkeypatch.delenv("ONSALE_WEB_HOST", raising=False)

    assert load_run_env(tmp_path)

    assert read_env(tmp_path / "run.env") == {"ONSALE_WEB_PORT": "8005", "ONSALE_WEB_HOST": "a=b"}
    assert (os.environ["ONSALE_WEB_PORT"], os.environ.pop("ONSALE_WEB_HOST")) == ("9000", "a=b")


def test_the_procfile_has_the_lines_of_a_whole_house():
    assert list(procfile()) == [
        *("web", "seats", "lanes", "payments", "mail", "sweeps", "admit", "changes", "simulator", "crowd")
    ]


def test_a_procfile_may_have_comments_and_says_which_line_is_wrong():
    assert parse("# parts\n\nweb:  onsale web --a b:c \n") == {"web": "onsale web --a b:c"}

    with pytest.raises(ValueError, match="line 2"):
        parse("web: onsale web\nlanes celery\n")


def test_the_screen_fits_80_columns_and_names_every_door(tmp_path):
    for simulator in ("http://127.0.0.1:8001", ""):
        for crowd in (True, False):
            facts = Facts(
                "http://127.0.0.1:8000",
                simulator,
                Path(".onsale"),
                Path(".onsale/passwords"),
                ".onsale/outbox",
                crowd,
                9.3,
            )

            text = screen(facts)

            assert max(map(len, text.splitlines())) <= 80
            doors = (
                "/demo",
                "/admin",
                "buyer@",
                "passwords",
                ".onsale/outbox",
                "4242",
                "pm_card_chargeDeclined",
                "Ctrl-C",
            )
            assert [word for word in doors if word not in text] == []
