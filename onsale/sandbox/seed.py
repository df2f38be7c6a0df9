"""`onsale seed`: fills an empty record with the sample catalogue, its people and its on-sales.

Running it twice changes nothing. `--rearm` puts the two shows of the demo on sale anew: each gets another evening, a
new event with fresh tickets under the same address; the evening before it is closed and keeps its history.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import click
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import Connection, text

from onsale.config import Config
from onsale.db import buyers, staff
from onsale.db import catalogue as record
from onsale.db import engine as engines
from onsale.db.ids import BuyerId, EventId
from onsale.db.staff import Role, Staff
from onsale.sandbox.catalogue import DEMO_PARTS, Part, Show, catalogue
from onsale.sandbox.on_sale import put_on_sale, take_off_sale
from onsale.sandbox.passwords import ADMIN, BUYER, VIEWER, Passwords, passwords
from onsale.sandbox.sold_out import sell_everything

ORGANISER = "Sandbox Concerts"
ROLES = {ADMIN: Role.OWNER, VIEWER: Role.VIEWER}
# In the folder of the run.
PASSWORD_FILE = Path("passwords")
# Two seeds at once (a run and a second terminal) take turns.
SEED_LOCK = 0x05A1E_5EED


@dataclass(frozen=True)
class Seeded:
    """What was written now, and where the demo's two events are."""

    new_events: int
    selling_now: EventId
    opens_soon: EventId


def seed(connection: Connection, *, now: datetime, passwords: Passwords, rearm: bool = False) -> Seeded:
    """Write what is missing of the catalogue in the connection's transaction; the caller commits.

    The demo's events have the slugs `selling-now` and `opens-soon`.
    """
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SEED_LOCK})
    organiser_id = record.add_organiser(connection, ORGANISER)
    _people(connection, organiser_id, passwords)
    for venue in catalogue().venues:
        record.put_venue(connection, venue)
    missing = [show for show in catalogue().shows if record.event_by_slug(connection, show.slug) is None]
    for show in missing:
        event_id = put_on_sale(connection, show, organiser_id=organiser_id, now=now, starts_at=show.starts_at(now))
        if show.part is Part.SOLD_OUT:
            sell_everything(connection, event_id, now=now)
    again = [show for show in _demo_shows() if rearm and show not in missing]
    for show in again:
        _another_evening(connection, show, organiser_id=organiser_id, now=now)
    demo = {show.part: _on_sale(connection, show).id for show in _demo_shows()}
    return Seeded(len(missing) + len(again), demo[Part.SELLING_NOW], demo[Part.OPENS_SOON])


@click.command("seed")
@click.option("--rearm", is_flag=True, help="Put the two shows of the demo on sale anew.")
@click.pass_obj
def main(folder: Path, rearm: bool) -> None:
    """Fill the record with the sample catalogue: real venues, invented shows."""
    began = time.monotonic()
    file = folder / PASSWORD_FILE
    engine = engines.make_engine(Config.from_env(os.environ).database_url, application_name="onsale seed")
    with engines.transaction(engine) as connection:
        now: datetime = connection.execute(text("SELECT now()")).scalar_one()
        seeded = seed(connection, now=now, passwords=passwords(file), rearm=rearm)
    engine.dispose()
    click.echo(f"{seeded.new_events} new events after {time.monotonic() - began:.1f} s. Passwords are in {file}.")
    click.echo(f"Selling now: event {seeded.selling_now}. Opens soon: event {seeded.opens_soon}.")


def _demo_shows() -> list[Show]:
    return [show for show in catalogue().shows if show.part in DEMO_PARTS]


def _on_sale(connection: Connection, show: Show) -> record.Event:
    event = record.event_by_slug(connection, show.slug)
    if event is None:
        raise LookupError(f"{show.slug} was on sale a moment ago")
    return event


def _another_evening(connection: Connection, show: Show, *, organiser_id: int, now: datetime) -> EventId:
    """The demo's show plays one more evening: a new event, so that nothing of the old one has to be undone."""
    last = _on_sale(connection, show)
    take_off_sale(connection, last.id, slug=show.slug)
    evening = max(last.starts_at, show.starts_at(now)) + timedelta(days=1)
    return put_on_sale(connection, show, organiser_id=organiser_id, now=now, starts_at=evening)


def _people(connection: Connection, organiser_id: int, passwords: Passwords) -> None:
    """Two of the organiser's staff and a buyer; a password that was made anew replaces the one on record."""
    for email, role in ROLES.items():
        known = staff.by_email(connection, email)
        fresh = _fresh_hash(known.password_hash if known else None, passwords.by_email[email])
        if fresh:
            staff.put(connection, Staff(_id_of(email), organiser_id, email, role, fresh))
    account = buyers.account_by_email(connection, BUYER)
    fresh = _fresh_hash(account.password_hash if account else None, passwords.by_email[BUYER])
    if fresh and account:
        buyers.set_password_hash(connection, account.id, fresh)
    elif fresh:
        buyers.add_account(connection, BuyerId(_id_of(BUYER)), email=BUYER, password_hash=fresh, name="Demo Buyer")


def _id_of(email: str) -> UUID:
    return uuid5(NAMESPACE_URL, f"mailto:{email}")


def _fresh_hash(known: str | None, password: str) -> str | None:
    """The hash to store, or None when the one on record is this password's already."""
    hasher = PasswordHasher()
    if known:
        try:
            hasher.verify(known, password)
        except VerificationError:
            return hasher.hash(password)
        return None
    return hasher.hash(password)
