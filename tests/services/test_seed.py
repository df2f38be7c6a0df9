"""The seed on a real record: everything is there, twice changes nothing, and the demo is put on sale anew."""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from itertools import count
from typing import NamedTuple

import pytest
from argon2 import PasswordHasher
from sqlalchemy import NullPool, create_engine, text

from onsale.db import buyers, catalogue, charges, queue_settings, staff, stats
from onsale.db.ids import event_of_booking
from onsale.sandbox.passwords import ADMIN, BUYER, VIEWER, passwords
from onsale.sandbox.seed import Seeded, seed

# What must not change when the seed runs twice.
TABLES = (
    *("organisers", "staff", "venues", "artists", "events", "event_artists", "sections", "tickets", "buyers"),
    *("bookings", "booking_history", "booking_tickets", "payments", "captures", "queue_settings", "sale_log"),
)
# A laptop does it in under three; a crowded machine may take longer.
SEED_SECONDS_MAX = 15
_numbers = count(1)


@pytest.fixture(scope="module")
def known_passwords(tmp_path_factory):
    return passwords(tmp_path_factory.mktemp("folder") / "passwords")


@pytest.fixture(scope="module")
def first(postgres_server, migrated_template, known_passwords):
    """A record seeded once for this file: its database's name, when it was, what the seed said and how long it took."""
    url = postgres_server.ensure_database("seeded", template=migrated_template)
    engine = create_engine(url, poolclass=NullPool)
    began = time.monotonic()
    with engine.begin() as connection:
        now = connection.execute(text("SELECT now()")).scalar_one()
        done = seed(connection, now=now, passwords=known_passwords)
    yield First("seeded", now, done, time.monotonic() - began)
    postgres_server.drop_database("seeded")


@pytest.fixture
def engine(postgres_server, first):
    """A copy of the seeded record, this test's own."""
    name = f"copy_{next(_numbers)}"
    engine = create_engine(postgres_server.ensure_database(name, template=first.database))
    yield engine
    engine.dispose()
    postgres_server.drop_database(name)


@pytest.fixture
def seeded(first):
    return first.seeded


@pytest.fixture
def now(first):
    return first.at


class First(NamedTuple):
    """The first seeding."""

    database: str
    at: datetime
    seeded: Seeded
    seconds: float


def fingerprint(engine):
    with engine.connect() as connection:
        return {
            table: connection.execute(
                # hashtext of every row, added up: order does not matter, a changed byte does.
                text(f"SELECT count(*), coalesce(sum(hashtext(t::text)::bigint), 0) FROM {table} AS t")
            ).one()
            for table in TABLES
        }


def test_an_empty_record_is_full_within_seconds(first):
    print(f"seeded in {first.seconds:.1f} s")
    assert first.seeded.new_events >= 40
    assert first.seconds < SEED_SECONDS_MAX


def test_seeding_twice_changes_nothing(engine, seeded, known_passwords, now):
    before = fingerprint(engine)

    with engine.begin() as connection:
        again = seed(connection, now=now + timedelta(days=1), passwords=known_passwords)

    assert again.new_events == 0
    assert (again.selling_now, again.opens_soon) == (seeded.selling_now, seeded.opens_soon)
    assert fingerprint(engine) == before


def test_the_arena_and_the_stadium_have_every_ticket(engine, seeded):
    with engine.connect() as connection:
        sizes = connection.execute(text("SELECT count(*) FROM tickets GROUP BY event_id ORDER BY 1 DESC LIMIT 2"))

        assert list(sizes.scalars()) == [65_000, 20_000]


def test_sections_say_what_they_hold(engine, seeded):
    with engine.connect() as connection:
        wrong = connection.execute(
            text("""
                SELECT section.event_id, section.id FROM sections AS section
                 WHERE capacity <> (SELECT count(*) FROM tickets AS ticket
                                     WHERE ticket.event_id = section.event_id AND ticket.section_id = section.id)
            """)
        ).all()

    assert wrong == []


def test_every_ticket_of_the_sold_out_show_is_held_by_a_booking_whose_card_is_about_to_be_charged(engine, seeded):
    with engine.connect() as connection:
        sold_out = catalogue.event_by_slug(connection, "last-train-to-larkfield-4")
        stock = stats.stock(connection, sold_out.id)
        path = connection.execute(
            text("""
                SELECT DISTINCT array_agg(to_state ORDER BY version) FROM booking_history
                 WHERE event_id = :event GROUP BY booking_id
            """),
            {"event": sold_out.id},
        ).scalars()
        stuck = charges.stuck(connection, older_than_seconds=0)
        bookings = connection.scalar(
            text("SELECT count(*) FROM bookings WHERE event_id = :event"), {"event": sold_out.id}
        )

        assert (stock.free, stock.held, stock.sold) == (0, 160, 0)
        assert list(path) == [["queued", "held", "authorising"]]
        # What the reconciler asks for: it has them charged.
        assert bookings == len([each for each in stuck if event_of_booking(each) == sold_out.id]) > 0


def test_a_quiet_theatre_has_no_queue_and_the_demo_is_set_for_a_wait(engine, seeded):
    with engine.connect() as connection:
        quiet = catalogue.event_by_slug(connection, "the-lighthouse-keepers-daughter-3")
        selling = queue_settings.get(connection, seeded.selling_now)
        soon = queue_settings.get(connection, seeded.opens_soon)

        assert not queue_settings.get(connection, quiet.id).enabled
        assert (selling.phase, selling.rate_per_minute, selling.enabled) == ("open", 60, True)
        assert soon.phase == "pre_queue"


def test_the_opening_is_about_a_minute_away(engine, seeded, now):
    with engine.connect() as connection:
        opens_at = queue_settings.get(connection, seeded.opens_soon).opens_at

    assert timedelta(seconds=55) < opens_at - now < timedelta(seconds=75)


def test_everybody_gets_in_with_the_password_of_the_file(engine, seeded, known_passwords):
    with engine.connect() as connection:
        hashes = {
            ADMIN: staff.by_email(connection, ADMIN).password_hash,
            VIEWER: staff.by_email(connection, VIEWER).password_hash,
            BUYER: buyers.account_by_email(connection, BUYER).password_hash,
        }

    assert all(PasswordHasher().verify(known, known_passwords.by_email[email]) for email, known in hashes.items())


def test_a_lost_password_file_is_made_anew_and_works(engine, seeded, tmp_path, now):
    others = passwords(tmp_path / "other")

    with engine.begin() as connection:
        seed(connection, now=now, passwords=others)
        known = staff.by_email(connection, ADMIN).password_hash

    assert PasswordHasher().verify(known, others.by_email[ADMIN])


def test_the_password_file_is_for_its_owner_alone(tmp_path):
    made = passwords(tmp_path / "deep" / "passwords")

    assert (tmp_path / "deep" / "passwords").stat().st_mode & 0o777 == 0o600
    assert passwords(tmp_path / "deep" / "passwords") == made
    assert len(set(made.by_email.values())) == 3


def test_rearming_puts_another_evening_on_sale_and_keeps_the_history(engine, seeded, known_passwords, now):
    with engine.begin() as connection:
        again = seed(connection, now=now + timedelta(hours=1), passwords=known_passwords, rearm=True)

    with engine.connect() as connection:
        old = catalogue.event_by_id(connection, seeded.selling_now)
        new = catalogue.event_by_slug(connection, "selling-now")
        assert again.new_events == 2
        assert (new.id, new.slug) == (again.selling_now, "selling-now")
        assert (old.status, old.slug) == ("published", f"selling-now-{old.id}")
        assert new.starts_at > old.starts_at
        assert queue_settings.get(connection, old.id).phase == "closed"
        assert queue_settings.get(connection, again.opens_soon).opens_at == now + timedelta(hours=1, seconds=65)
        assert stats.stock(connection, new.id).free == stats.stock(connection, old.id).free > 0


def test_rearming_an_empty_record_seeds_it_once(record_url, known_passwords, now):
    engine = create_engine(record_url, poolclass=NullPool)
    with engine.begin() as connection:
        done = seed(connection, now=now, passwords=known_passwords, rearm=True)
        events = connection.execute(text("SELECT count(*) FROM events")).scalar_one()

    assert done.new_events == events
