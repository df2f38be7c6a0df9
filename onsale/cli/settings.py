"""`onsale config`: the settings in force, for a person who wonders why."""

from __future__ import annotations

import os

import click

from onsale.config import Config


@click.command("config")
def config() -> None:
    """Show the settings in force, one per line, with secrets and passwords hidden.

    Exits with 1 and one sentence when a setting is missing or wrong, so it also checks a deployment.
    """
    for name, value in Config.from_env(os.environ).shown().items():
        click.echo(f"{name}={value}")
