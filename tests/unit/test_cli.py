"""The `onsale` command teaches, loads only what is asked for, and fails with one sentence."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from onsale import cli
from onsale.sandbox.environment import write_env


@pytest.fixture
def in_folder(tmp_path, monkeypatch):
    for name in list(os.environ):
        if name.startswith("ONSALE_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_help_says_what_onsale_is_and_what_to_do_first(in_folder):
    shown = CliRunner().invoke(cli.main, ["--help"])

    assert shown.exit_code == 0
    for word in ("sells tickets", "First steps", "onsale run", "Try it", "Operate it", "CROWD=0"):
        assert word in shown.output


def test_help_loads_none_of_the_commands():
    code = (
        "import sys; from onsale.cli import main; main(['--help'], standalone_mode=False); "
        "loaded = sorted({'celery', 'flask', 'granian', 'stripe', 'sqlalchemy'} & set(sys.modules)); "
        "sys.exit(str(loaded) if loaded else 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", cli.Commands("x").list_commands(None))
def test_each_command_listed_can_be_loaded_and_explains_itself(name):
    command = cli.Commands("x").get_command(None, name)

    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


def test_a_command_that_is_not_there_yet_is_not_listed(in_folder, monkeypatch):
    monkeypatch.setitem(cli.COMMANDS, "later", cli.Entry("onsale.cli.later_issue:later", "Something to come."))

    assert "later" not in cli.Commands("x").list_commands(None)
    assert CliRunner().invoke(cli.main, ["later"]).exit_code == 2


def test_a_missing_setting_ends_a_command_with_one_sentence(in_folder):
    done = CliRunner().invoke(cli.main, ["config"])

    assert done.exit_code == 1
    assert done.output.startswith("Error: ONSALE_DATABASE_URL is not set; it wants a PostgreSQL URL")
    assert len(done.output.splitlines()) == 1


def test_before_the_first_run_a_command_says_how_to_start_one(in_folder):
    assert "start `onsale run`, which has never run in .onsale" in CliRunner().invoke(cli.main, ["config"]).output

    (in_folder / ".onsale").mkdir()
    write_env(in_folder / ".onsale" / "run.env", {}, comment="A run.")

    assert "onsale run" not in CliRunner().invoke(cli.main, ["config"]).output


def test_the_help_of_run_names_its_ports():
    assert "ONSALE_WEB_PORT" in CliRunner().invoke(cli.main, ["run", "--help"]).output


def test_a_second_terminal_sees_the_settings_of_the_run_with_secrets_hidden(in_folder, monkeypatch):
    (in_folder / ".onsale").mkdir()
    settings = {
        "ONSALE_ENVIRONMENT": "sandbox",
        "ONSALE_DATABASE_URL": "postgresql+psycopg2://onsale:hush@127.0.0.1:5432/onsale",
        "ONSALE_QUEUE_URL": "redis://127.0.0.1:6379/0",
        "ONSALE_SECRET_KEYS": "k1:" + "hush" * 8,
        "ONSALE_STRIPE_SECRET_KEY": "sk_test_hush",
        "ONSALE_STRIPE_PUBLISHABLE_KEY": "pk_test_shown",
        "ONSALE_STRIPE_WEBHOOK_SECRET": "whsec_" + "hush" * 8,
    }
    for name in settings:
        # So that what the command adds to the environment is taken out again.
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    write_env(in_folder / ".onsale" / "run.env", settings, comment="A run.")

    done = CliRunner().invoke(cli.main, ["config"])

    assert done.exit_code == 0
    assert "ONSALE_STRIPE_PUBLISHABLE_KEY=pk_test_shown" in done.output
    assert "hush" not in done.output
