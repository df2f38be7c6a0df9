"""`onsale seed`: fills an empty record with the sample catalogue, its people and its on-sales.

Running it twice changes nothing. `--rearm` puts the two shows of the demo on sale anew: each gets another evening, a
new event with fresh tickets under the same address; the evening before it is closed and keeps its history.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import click
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import Connection, create_engine, text

from onsale.config import Config
from onsale.db.ids import EventId
from onsale.sandbox.catalogue import DEMO_PARTS, Part, Show, Venue, catalogue
from onsale.sandbox.on_sale import ORGANISER_ID, Sale, put_on_sale, sale_of
from onsale.sandbox.passwords import ADMIN, BUYER, VIEWER, Passwords, passwords
from onsale.sandbox.sold_out import sell_everything

# In the folder of the run.
PASSWORD_FILE = "passwords"
# Two seeds at once (a run and a second terminal) take turns.
SEED_LOCK = 0x05A1E_5EED


@dataclass(frozen=True)
class Seeded:
    """What is in the record now; `selling_now` and `opens_soon` are the demo's two events."""

    events: int
    tickets: int
    selling_now: EventId
    opens_soon: EventId


def seed(connection: Connection, *, now: datetime, passwords: Passwords, rearm: bool = False) -> Seeded:
    """Write what is missing of the catalogue in the connection's transaction; the caller commits.

    The demo's events have the slugs `selling-now` and `opens-soon`.
    """
    connection.execute(_LOCK, {"key": SEED_LOCK})
    _people(connection, passwords)
    connection.execute(_INSERT_VENUES, {"venues": json.dumps([_venue(each) for each in catalogue().venues])})
    connection.execute(_INSERT_ARTISTS, {"names": list(catalogue().artists())})
    known = set(connection.execute(_EVENT_IDS).scalars())
    missing = [show for show in catalogue().shows if show.id not in known]
    put_on_sale(connection, [sale_of(show, EventId(show.id), now=now) for show in missing])
    for show in missing:
        if show.part is Part.SOLD_OUT:
            sell_everything(connection, EventId(show.id))
    if rearm:
        fresh = {show.id for show in missing}
        _rearm(connection, [show for show in _demo_shows() if show.id not in fresh], now=now)
    connection.execute(_NEXT_EVENT_ID)
    return _seeded(connection)


@click.command("seed")
@click.option("--rearm", is_flag=True, help="Put the two shows of the demo on sale anew.")
@click.pass_obj
def main(folder: Path, rearm: bool) -> None:
    """Fill the record with the sample catalogue: real venues, invented shows."""
    began = time.monotonic()
    engine = create_engine(Config.from_env(os.environ).database_url)
    with engine.begin() as connection:
        now: datetime = connection.execute(text("SELECT now()")).scalar_one()
        seeded = seed(connection, now=now, passwords=passwords(folder / PASSWORD_FILE), rearm=rearm)
    engine.dispose()
    click.echo(
        f"{seeded.events} events, {seeded.tickets} tickets after {time.monotonic() - began:.1f} s; "
        f"selling now: event {seeded.selling_now}, opens soon: event {seeded.opens_soon}; passwords in {folder / PASSWORD_FILE}"
    )


def _venue(venue: Venue) -> dict[str, object]:
    return asdict(venue)


def _demo_shows() -> list[Show]:
    return [show for show in catalogue().shows if show.part in DEMO_PARTS]


def _rearm(connection: Connection, shows: list[Show], *, now: datetime) -> None:
    """Close the evening that is on sale and announce the next one under its address."""
    sales: list[Sale] = []
    for show in shows:
        last = connection.execute(_CURRENT_EVENING, {"slug": show.slug}).one()
        connection.execute(_RETIRE_ADDRESS, {"event_id": last.id})
        connection.execute(_CLOSE, {"event_id": last.id})
        next_id: int = connection.execute(_FREE_EVENT_ID).scalar_one() + len(sales)
        evening = max(last.starts_at, show.starts_at(now)) + timedelta(days=1)
        sales.append(sale_of(show, EventId(next_id), now=now, evening=evening))
    put_on_sale(connection, sales)


def _people(connection: Connection, passwords: Passwords) -> None:
    """The organiser, two of its staff and a buyer; a password that was made anew replaces the one on record."""
    connection.execute(_INSERT_ORGANISER, {"id": ORGANISER_ID})
    hasher = PasswordHasher()
    for email, role in ((ADMIN, "owner"), (VIEWER, "viewer"), (BUYER, None)):
        select, write = (_STAFF_HASH, _WRITE_STAFF) if role else (_BUYER_HASH, _WRITE_BUYER)
        known = connection.execute(select, {"email": email}).scalar_one_or_none()
        password = passwords.by_email[email]
        if known is None or not _matches(hasher, known, password):
            row = {"id": uuid5(NAMESPACE_URL, f"mailto:{email}"), "email": email, "hash": hasher.hash(password)}
            connection.execute(write, row | ({"organiser_id": ORGANISER_ID, "role": role} if role else {}))


def _matches(hasher: PasswordHasher, known: str, password: str) -> bool:
    try:
        return hasher.verify(known, password)
    except VerifyMismatchError:
        return False


def _seeded(connection: Connection) -> Seeded:
    events, tickets = connection.execute(_COUNTS).one()
    demo = {
        show.part: EventId(connection.execute(_CURRENT_EVENING, {"slug": show.slug}).one().id) for show in _demo_shows()
    }
    return Seeded(events, tickets, demo[Part.SELLING_NOW], demo[Part.OPENS_SOON])


_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_EVENT_IDS = text("SELECT id FROM events")
_COUNTS = text(
    "SELECT count(*), coalesce(sum(capacity), 0) FROM (SELECT DISTINCT id FROM events) AS event"
    " JOIN sections ON sections.event_id = event.id"
)
_CURRENT_EVENING = text("SELECT id, starts_at FROM events WHERE slug = :slug")
_FREE_EVENT_ID = text("SELECT max(id) + 1 FROM events")
_RETIRE_ADDRESS = text("UPDATE events SET slug = slug || '-' || id WHERE id = :event_id")
_CLOSE = text(
    "UPDATE queue_settings SET phase = 'closed', version = version + 1, updated_at = now() WHERE event_id = :event_id"
)
_NEXT_EVENT_ID = text("SELECT setval(pg_get_serial_sequence('events', 'id'), (SELECT max(id) FROM events))")
_INSERT_ORGANISER = text("INSERT INTO organisers (id, name) VALUES (:id, 'Sandbox Concerts') ON CONFLICT DO NOTHING")
_STAFF_HASH = text("SELECT password_hash FROM staff WHERE lower(email) = :email")
_BUYER_HASH = text("SELECT password_hash FROM buyers WHERE lower(email) = :email")
_WRITE_STAFF = text("""
    INSERT INTO staff (id, organiser_id, email, password_hash, role)
    VALUES (:id, :organiser_id, :email, :hash, :role)
    ON CONFLICT (id) DO UPDATE SET password_hash = excluded.password_hash
""")
_WRITE_BUYER = text("""
    INSERT INTO buyers (id, email, password_hash, name) VALUES (:id, :email, :hash, 'Demo Buyer')
    ON CONFLICT (id) DO UPDATE SET password_hash = excluded.password_hash
""")
_INSERT_VENUES = text("""
    INSERT INTO venues (id, name, city, country, region, latitude, longitude, capacity)
    SELECT id, name, city, country, region, latitude, longitude, capacity
      FROM jsonb_to_recordset(CAST(:venues AS jsonb)) AS venue (
           id integer, name text, city text, country text, region text, latitude double precision,
           longitude double precision, capacity integer)
    ON CONFLICT DO NOTHING
""")
_INSERT_ARTISTS = text("INSERT INTO artists (name) SELECT unnest(CAST(:names AS text[])) ON CONFLICT DO NOTHING")
