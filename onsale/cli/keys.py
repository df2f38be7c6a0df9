"""`onsale keys`: which keys sign and verify here, and the next value of the setting when a key is changed."""

from __future__ import annotations

import os
import secrets
from datetime import UTC, datetime
from string import ascii_lowercase

import click

from onsale.config import Config

SECRET_BYTES = 32


@click.group("keys", invoke_without_command=True)
@click.pass_context
def keys(ctx: click.Context) -> None:
    """Say which keys are in force, and change them without losing a place.

    \b
    1. onsale keys new         prints a value with a new key in front; put it into
                               ONSALE_SECRET_KEYS of every process and restart them.
                               The new key signs, the old ones still verify.
    2. wait 30 days            as long as a session lasts. Pages renew theirs at the
                               next visit; programs ask for a new one.
    3. onsale keys drop k1     prints the value without the old key; restart again.

    A key that leaked is dropped at once. Whoever has a session of a newer key finds
    the place by it; other guests lose theirs, and accounts sign in again.
    """
    if ctx.invoked_subcommand is not None:
        return
    for place, (kid, _) in enumerate(Config.from_env(os.environ).secret_keys):
        click.echo(f"{kid}  {'signs and verifies' if place == 0 else 'verifies'}")


@keys.command()
def new() -> None:
    """Print a value of ONSALE_SECRET_KEYS with a new key in front. It is a secret: send it nowhere else."""
    known = Config.from_env(os.environ).secret_keys
    click.echo(_setting(((_fresh_id({kid for kid, _ in known}), secrets.token_urlsafe(SECRET_BYTES)), *known)))


@keys.command()
@click.argument("kid")
def drop(kid: str) -> None:
    """Print a value of ONSALE_SECRET_KEYS without the key KID."""
    known = Config.from_env(os.environ).secret_keys
    left = tuple(key for key in known if key[0] != kid)
    if len(left) == len(known):
        raise click.ClickException(f"There is no key {kid}. `onsale keys` lists those there are.")
    if not left:
        raise click.ClickException(f"{kid} is the only key. Put a new one in front first: onsale keys new")
    click.echo(_setting(left))


def _fresh_id(taken: set[str]) -> str:
    """Today's date, so that `onsale doctor` knows how old a key is; with a letter for the second of a day."""
    today = f"{datetime.now(UTC):k%Y%m%d}"
    return next(kid for kid in (today, *(f"{today}{letter}" for letter in ascii_lowercase)) if kid not in taken)


def _setting(keys: tuple[tuple[str, str], ...]) -> str:
    return ",".join(f"{kid}:{secret}" for kid, secret in keys)
