"""What `onsale doctor` makes of settings that cannot be read, of a sandbox's secrets and of old keys."""

from __future__ import annotations

import os
from datetime import date

import pytest
from click.testing import CliRunner

from onsale import cli
from onsale.cli.doctor import settings
from onsale.cli.doctor.finding import Answer
from onsale.config import Config
from onsale.sandbox.environment import known_secrets, sandbox_secrets

LONG = "abcdefghijklmnopqrstuvwxyz0123456789"
PRODUCTION = {
    "ONSALE_ENVIRONMENT": "production",
    "ONSALE_DATABASE_URL": "postgresql://onsale@127.0.0.1:9/onsale",
    "ONSALE_QUEUE_URL": "redis://127.0.0.1:9/0",
    "ONSALE_PUBLIC_URL": "https://tickets.example.com",
    "ONSALE_SECRET_KEYS": f"k1:{LONG}",
    "ONSALE_STRIPE_SECRET_KEY": "sk_live_of_the_tests",
    "ONSALE_STRIPE_PUBLISHABLE_KEY": "pk_live_of_the_tests",
    "ONSALE_STRIPE_WEBHOOK_SECRET": "whsec_of_the_tests_with_32_characters",
}


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith("ONSALE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def doctor(monkeypatch, *options: str, **changed: str):
    for name, value in (PRODUCTION | changed).items():
        monkeypatch.setenv(name, value)
    return CliRunner().invoke(cli.main, ["doctor", "--only", "settings", *options])


def test_a_wrong_setting_ends_with_2_and_one_sentence(in_folder, monkeypatch):
    done = doctor(monkeypatch, ONSALE_SECRET_KEYS="k1:short")

    assert done.exit_code == 2
    assert done.output.startswith("Error: ONSALE_SECRET_KEYS wants")
    assert len(done.output.splitlines()) == 1


def test_a_part_that_does_not_exist_ends_with_2(in_folder, monkeypatch):
    assert doctor(monkeypatch, "--only", "engine room").exit_code == 2


def test_a_sandboxs_secret_in_production_is_broken_and_not_printed(in_folder, monkeypatch):
    made_up = sandbox_secrets(in_folder)
    monkeypatch.setenv("ONSALE_FOLDER", str(in_folder))

    good = doctor(monkeypatch)
    leaked = doctor(monkeypatch, ONSALE_SECRET_KEYS=made_up["ONSALE_SECRET_KEYS"])

    assert good.exit_code == 0, good.output
    assert leaked.exit_code == 1
    assert "Production, with what the sandbox in this folder made up: ONSALE_SECRET_KEYS" in " ".join(
        leaked.output.split()
    )
    assert made_up["ONSALE_SECRET_KEYS"].partition(":")[2] not in leaked.output


def test_a_folder_without_a_sandbox_has_no_secrets(tmp_path):
    assert known_secrets(tmp_path) == {}
    assert sandbox_secrets(tmp_path) == known_secrets(tmp_path)


@pytest.mark.parametrize(
    ("key_id", "made"),
    [
        ("k202611", date(2026, 11, 1)),
        ("k20261125", date(2026, 11, 25)),
        ("202611", date(2026, 11, 1)),
        ("k1", None),
        ("k202613", None),
        ("k20260231", None),
    ],
)
def test_a_key_id_may_say_when_it_was_made(key_id, made):
    assert settings.made_on(key_id) == made


@pytest.mark.parametrize(
    ("keys", "today", "answer"),
    [
        (f"k202601:{LONG}", date(2027, 2, 5), Answer.OK),
        (f"k202601:{LONG}", date(2027, 2, 6), Answer.WARNING),
        # Only the one that signs must be young; the others verify what is still out there.
        (f"k202701:{LONG},k202501:{LONG}", date(2027, 2, 6), Answer.OK),
        (f"k1:{LONG}", date(2030, 1, 1), Answer.OK),
    ],
)
def test_an_old_key_that_still_signs_is_a_warning(keys, today, answer):
    config = Config.from_env(PRODUCTION | {"ONSALE_SECRET_KEYS": keys})

    assert settings.secret_keys(config, today=today).answer is answer


def test_a_kombu_that_is_too_old_is_broken():
    assert settings.versions((3, 11), (5, 6, 3), (5, 6)).answer is Answer.OK
    assert settings.versions((3, 11), (5, 6, 3), (5, 5, 4)).answer is Answer.BROKEN
