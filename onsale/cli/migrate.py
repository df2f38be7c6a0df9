"""`onsale migrate`: brings the record's schema up to date."""

from __future__ import annotations

import os

import click

from onsale.config import Config
from onsale.db.engine import migrate as bring_up_to_date


@click.command("migrate")
def migrate() -> None:
    """Bring the record's schema up to date. Harmless when it is; safe while the code before is still running."""
    bring_up_to_date(Config.from_env(os.environ).database_url)
    click.echo("The record's schema is up to date.")
