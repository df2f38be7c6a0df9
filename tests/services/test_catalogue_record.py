"""The catalogue and the people in the record: written once, read in one go, compact for a stadium."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Engine

from onsale.db import buyers, catalogue, number_blocks, queue_settings, runs, sale_log, seats, staff, stats, tickets
from onsale.db import engine as record
from onsale.db.catalogue import EventStatus, NewSection
from onsale.db.engine import transaction
from onsale.db.ids import BuyerId, EventId, ticket_id
from onsale.db.number_blocks import BLOCK_MAX, NUMBER_MAX
from onsale.db.queue_settings import RATE_PER_MINUTE_MAX, Phase, QueueChange
from onsale.db.staff import Role, Staff
from onsale.errors import BadRequest, EmailTaken, IllegalMove, NotFound, NumbersExhausted, RecordUnavailable
from onsale.queue import ticket_marks
from onsale.queue.live_seats import LiveSeats
from onsale.queue.ticket_cache import TakenTicket, TicketCache
from onsale.queue.ticket_marks import MARK_BYTES
from onsale.workers.follow_up import milliseconds
from tests.builders import an_event, run_sql, seat

STADIUM = (
    *(NewSection(n, f"Block {n}", 5000 + n, rows=25, seats_per_row=50) for n in range(1, 41)),
    NewSection(41, "Standing", 3000, standing=15_000),
)
SMALL = (NewSection(1, "Stalls", 5000, rows=28, seats_per_row=3, map_x=10), NewSection(2, "Standing", 3000, standing=4))


@pytest.fixture
def event_id(engine: Engine) -> EventId:
    return an_event(engine, sections=SMALL)


def test_an_event_is_read_whole_by_id_and_by_address(engine, event_id):
    with transaction(engine) as connection:
        event = catalogue.event_by_id(connection, event_id)
        assert event is not None
        assert catalogue.event_by_slug(connection, event.slug) == event

        catalogue.rename_slug(connection, event_id, "another")
        assert catalogue.event_by_slug(connection, event.slug) is None

    assert (event.venue.city, event.artists, event.organiser_name) == ("Vienna", ("The Testers",), "Test organiser")
    assert [(one.name, one.kind, one.capacity, one.map_x) for one in event.sections] == [
        ("Stalls", "seated", 84, 10),
        ("Standing", "general", 4, 0),
    ]


@pytest.mark.parametrize("unknown", [0, -1, 999_999, 2**40, 2**70])
def test_an_event_that_is_not_there_is_none(engine, unknown):
    with transaction(engine) as connection:
        assert catalogue.event_by_id(connection, EventId(unknown)) is None
        assert tickets.by_id(connection, unknown) is None


def test_events_match_by_id_or_name_when_published(engine, event_id):
    other = an_event(engine)
    with transaction(engine) as connection:
        name = catalogue.event_by_id(connection, event_id).name
        # Names may have numbers in them too; the id comes first.
        assert catalogue.matching_events(connection, str(event_id))[0] == event_id
        assert catalogue.matching_events(connection, name.upper())[0] == event_id
        assert set(catalogue.matching_events(connection, "show")) == {event_id, other}
        assert catalogue.matching_events(connection, "%") == ()
        assert catalogue.matching_events(connection, " ") == ()
        assert catalogue.matching_events(connection, "9" * 30) == ()

        catalogue.set_status(connection, event_id, EventStatus.DRAFT)
        assert event_id not in catalogue.matching_events(connection, name)
        assert [one.id for one in catalogue.upcoming(connection)] == [other]
        assert [one.id for one in catalogue.listings(connection, [event_id, other])] == [other]


def test_a_ticket_says_where_and_what_it_costs(engine, event_id):
    with transaction(engine) as connection:
        front = tickets.by_id(connection, seat(event_id, 1))
        back = tickets.by_id(connection, seat(event_id, 27 * 3 + 2))
        standing = tickets.by_id(connection, seat(event_id, 85))

    assert (front.row_name, front.seat_name, front.price_minor, front.state) == ("A", "1", 5000, "free")
    assert (back.row_name, back.seat_name) == ("AB", "2")
    assert (standing.section_name, standing.row_name, standing.seat_name) == ("Standing", None, None)


def test_sections_added_later_continue_the_tickets(engine, event_id):
    with transaction(engine) as connection:
        assert catalogue.add_sections(connection, event_id, [NewSection(3, "Box", 9000, rows=1, seats_per_row=2)]) == 2
        box = tickets.by_id(connection, seat(event_id, 89))

    assert (box.section_name, box.seat_name) == ("Box", "1")


def test_an_event_has_no_more_tickets_than_ids(engine, event_id):
    with transaction(engine) as connection, pytest.raises(ValueError, match="at most"):
        catalogue.add_sections(connection, event_id, [NewSection(3, "Field", 100, standing=1 << 20)])


# The house, and what is taken of it.


def test_a_stadium_of_65_000_is_a_few_runs_and_eleven_bytes_a_ticket(engine):
    event_id = an_event(engine, sections=STADIUM)
    with transaction(engine) as connection:
        house = seats.seat_map(connection, event_id)
        marked = list(runs.marked_runs(connection, event_id))

    assert house is not None
    assert sum(section.capacity for section in house.sections) == 65_000
    assert sum(len(section.runs) for section in house.sections) == 40 * 25
    assert b"".join(run.marks for run in marked) == bytes(65_000 * MARK_BYTES)


def test_the_map_names_every_seat_and_the_marks_are_in_its_order(engine, event_id):
    taken = seat(event_id, 5)
    run_sql(
        engine,
        "UPDATE tickets SET state = 'sold', booking_id = :b, version = version + 1 WHERE id = :id",
        b=uuid4(),
        id=taken,
    )

    with transaction(engine) as connection:
        house = seats.seat_map(connection, event_id)
        marked = list(runs.marked_runs(connection, event_id))

    ids = [run.first_ticket + n for run in house.sections[0].runs for n in range(run.count)]
    assert ids == [seat(event_id, n) for n in range(1, 85)]
    ordinals = [run.first_ordinal + n for run in marked for n in range(run.count)]
    assert ordinals == list(range(1, 89))
    assert [run.general for run in marked].count(True) == 1
    letters = ticket_marks.letters(b"".join(run.marks for run in marked)).decode()
    assert letters == "ffffs" + "f" * 83
    assert house.sections[1].first_ticket == seat(event_id, 85)


@pytest.mark.parametrize("state", ["held", "sold", "free"])
def test_the_record_writes_a_ticket_as_the_copy_does(engine, event_id, redis_client, state):
    until = datetime(2026, 11, 27, 1, 2, 3, 456_789, tzinfo=UTC) if state == "held" else None
    run_sql(
        engine,
        "UPDATE tickets SET state = :s, booking_id = :b, held_until = :u, version = 7 WHERE id = :id",
        s=state,
        b=None if state == "free" else uuid4(),
        u=until,
        id=seat(event_id, 1),
    )
    cache = TicketCache(redis_client)
    if state == "free":
        cache.clear(event_id, {seat(event_id, 1): 7})
    else:
        cache.put(event_id, [TakenTicket(seat(event_id, 1), 7, milliseconds(until) if until else None)])

    with transaction(engine) as connection:
        first = next(iter(runs.marked_runs(connection, event_id)))

    assert LiveSeats(redis_client).marks(event_id) == first.marks[:MARK_BYTES]


def test_the_version_of_the_map_is_the_same_whatever_is_sold(engine, event_id):
    with transaction(engine) as connection:
        before = seats.seat_map(connection, event_id)
    run_sql(
        engine, "UPDATE tickets SET state = 'sold', booking_id = :b WHERE id = :id", b=uuid4(), id=seat(event_id, 1)
    )

    with transaction(engine) as connection:
        assert seats.seat_map(connection, event_id).version == before.version


def test_an_unknown_event_has_no_map(engine):
    with transaction(engine) as connection:
        assert seats.seat_map(connection, EventId(99)) is None


def test_stock_is_counted_by_section(engine, event_id):
    run_sql(
        engine, "UPDATE tickets SET state = 'sold', booking_id = :b WHERE id = :id", b=uuid4(), id=seat(event_id, 1)
    )

    with transaction(engine) as connection:
        stock = stats.stock(connection, event_id)
        numbers = stats.sale_numbers(connection, event_id)
        with pytest.raises(NotFound):
            stats.sale_numbers(connection, EventId(99))

    assert (stock.free, stock.held, stock.sold) == (87, 0, 1)
    assert [(one.name, one.free, one.sold) for one in stock.sections] == [("Stalls", 83, 1), ("Standing", 4, 0)]
    assert (numbers.stock, numbers.takings_minor, numbers.currency) == (stock, 0, "eur")


# People.


def test_a_guest_becomes_an_account_and_keeps_the_id(engine):
    guest = BuyerId(uuid4())
    with transaction(engine) as connection:
        assert buyers.add_guest(connection, guest, email="a@example.org").is_guest
        assert buyers.account_by_email(connection, "a@example.org") is None

        account = buyers.add_account(connection, guest, email="A@example.org", password_hash="x")

        assert (account.id, account.is_guest) == (guest, False)
        assert buyers.account_by_email(connection, "a@EXAMPLE.org") == account


def test_an_e_mail_has_one_account_and_any_number_of_guests(engine):
    with transaction(engine) as connection:
        for _ in range(2):
            buyers.add_guest(connection, BuyerId(uuid4()), email="a@example.org")
        first = buyers.add_account(connection, BuyerId(uuid4()), email="a@example.org", password_hash="x")
        for buyer_id, email in ((BuyerId(uuid4()), "A@Example.org"), (first.id, "b@example.org")):
            with pytest.raises(EmailTaken):
                buyers.add_account(connection, buyer_id, email=email, password_hash="y")

        assert buyers.by_id(connection, first.id) == first


def test_saved_cards_are_their_buyers_own(engine):
    one, other = BuyerId(uuid4()), BuyerId(uuid4())
    with transaction(engine) as connection:
        for buyer_id in (one, other):
            buyers.add_guest(connection, buyer_id)
        assert buyers.set_customer(connection, one, "cus_1") == buyers.set_customer(connection, one, "cus_2") == "cus_1"
        assert buyers.add_setup(connection, one, "seti_1") == buyers.add_setup(connection, one, "seti_1")
        assert not buyers.owns_payment_method(connection, one, "pm_1")
        assert buyers.finish_setup(connection, "seti_unknown", "pm_1") is None
        buyers.finish_setup(connection, "seti_1", "pm_1")

        assert buyers.owns_payment_method(connection, one, "pm_1")
        assert not buyers.owns_payment_method(connection, other, "pm_1")
        assert [setup.payment_method for setup in buyers.setups_of(connection, one)] == ["pm_1"]


def test_staff_see_their_organisers_events_alone(engine, event_id):
    with transaction(engine) as connection:
        own = catalogue.event_by_id(connection, event_id).organiser_id
        other = catalogue.add_organiser(connection, "Somebody else")
        admin = staff.put(connection, Staff(uuid4(), own, "Admin@example.org", Role.ADMIN, "x"))
        stranger = staff.put(connection, Staff(uuid4(), other, "b@example.org", Role.OWNER, "x"))
        with pytest.raises(EmailTaken):
            staff.put(connection, Staff(uuid4(), own, "admin@example.ORG", Role.VIEWER, "x"))

        assert (
            staff.of_event(connection, admin.id, event_id) == staff.by_email(connection, "admin@example.org") == admin
        )
        assert staff.of_event(connection, stranger.id, event_id) is None


# Settings, numbers, log.


def test_a_change_of_the_queue_is_a_new_version_and_a_line_in_the_log(engine, event_id):
    with transaction(engine) as connection:
        before = queue_settings.get(connection, event_id)
        after = queue_settings.change(connection, event_id, QueueChange(rate_per_minute=30, reason="slow"), actor="me")
        same = queue_settings.change(connection, event_id, QueueChange(rate_per_minute=30), actor="me")
        (line,) = sale_log.newest(connection, event_id, limit=1)

    assert (after.version, after.rate_per_minute, after.updated_by) == (before.version + 1, 30, "me")
    assert same == after
    assert (line.actor, line.kind) == ("me", "queue_changed")
    assert line.body["rate_per_minute"] == {"from": before.rate_per_minute, "to": 30}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (QueueChange(rate_per_minute=RATE_PER_MINUTE_MAX + 1), "rate_per_minute"),
        (QueueChange(rate_per_minute=-1), "rate_per_minute"),
        (QueueChange(pay_seconds=0), "pay_seconds"),
        (QueueChange(notice="x" * 501), "notice"),
    ],
)
def test_a_setting_out_of_range_is_refused_by_name(engine, event_id, change, field):
    with transaction(engine) as connection, pytest.raises(BadRequest) as refused:
        queue_settings.change(connection, event_id, change, actor="me")

    assert refused.value.field == field


def test_a_setting_at_its_limit_is_taken(engine, event_id):
    with transaction(engine) as connection:
        changed = QueueChange(rate_per_minute=RATE_PER_MINUTE_MAX, notice="x" * 500)
        assert queue_settings.change(connection, event_id, changed, actor="me").rate_per_minute == RATE_PER_MINUTE_MAX


def test_who_has_not_seen_the_newest_settings_changes_nothing(engine, event_id):
    with transaction(engine) as connection:
        version = queue_settings.get(connection, event_id).version
        with pytest.raises(IllegalMove):
            queue_settings.change(
                connection, event_id, QueueChange(selling=False), actor="me", expected_version=version - 1
            )
        with pytest.raises(NotFound):
            queue_settings.change(connection, EventId(99), QueueChange(selling=False), actor="me")


def test_a_queue_opens_once_when_its_time_has_come(engine, event_id):
    soon = QueueChange(phase=Phase.SCHEDULED, opens_at=datetime.now(UTC) + timedelta(hours=1))
    with transaction(engine) as connection:
        queue_settings.change(connection, event_id, soon, actor="me")
        assert not queue_settings.open_due(connection, event_id)

        now = QueueChange(opens_at=datetime.now(UTC) - timedelta(seconds=1))
        queue_settings.change(connection, event_id, now, actor="me")
        assert queue_settings.open_due(connection, event_id)
        assert not queue_settings.open_due(connection, event_id)
        assert queue_settings.get(connection, event_id).phase is Phase.OPEN


def test_numbers_are_reserved_one_block_after_the_other_to_the_last(engine, event_id):
    with transaction(engine) as connection:
        assert number_blocks.last_reserved(connection, event_id) == 0
        first = number_blocks.reserve(connection, event_id, 100)
        second = number_blocks.reserve(connection, event_id, BLOCK_MAX)
        assert (first.first, first.last, second.first) == (1, 100, 101)
        with pytest.raises(ValueError, match="a block has"):
            number_blocks.reserve(connection, event_id, BLOCK_MAX + 1)
    run_sql(
        engine,
        "INSERT INTO number_blocks VALUES (:event, :first, :last)",
        event=event_id,
        first=second.last + 1,
        last=NUMBER_MAX,
    )

    with transaction(engine) as connection, pytest.raises(NumbersExhausted):
        number_blocks.reserve(connection, event_id, 1)


# The connection.


def test_a_record_that_is_not_there_says_so(record_url):
    away = record.make_engine(record_url.rsplit("@", 1)[0] + "@127.0.0.1:9/nowhere")

    with pytest.raises(RecordUnavailable), record.reading(away):
        pass
    with pytest.raises(RecordUnavailable), record.transaction(away):
        pass


def test_a_connection_lost_in_the_middle_says_so(record_url, engine):
    ours = record.make_engine(record_url, application_name="to-be-cut")
    cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'to-be-cut'"

    def interrupted() -> None:
        with record.transaction(ours) as connection:
            run_sql(engine, cut)
            connection.exec_driver_sql("SELECT 1")

    with pytest.raises(RecordUnavailable):
        interrupted()
    with record.reading(ours) as connection:
        assert connection.exec_driver_sql("SELECT 1").scalar() == 1
    ours.dispose()


def test_who_waits_too_long_for_a_row_gives_up(record_url, engine, event_id):
    ours = record.make_engine(record_url, lock_timeout_ms=50)
    lock = "SELECT FROM queue_settings FOR UPDATE"

    with engine.begin() as holder:
        holder.exec_driver_sql(lock)
        with pytest.raises(RecordUnavailable, match="busy"), record.transaction(ours) as connection:
            connection.exec_driver_sql(lock)
    ours.dispose()


def test_a_ticket_of_the_last_event_is_looked_up_without_complaint(engine):
    with transaction(engine) as connection:
        assert tickets.by_id(connection, ticket_id(EventId(2**32 - 1), 1)) is None
