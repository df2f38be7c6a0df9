"""Letters that are asked for: once, in time or not at all, and only to accounts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from onsale.db import buyer_letters, buyers, reminders
from onsale.db.engine import reading, transaction
from onsale.db.ids import BuyerId, EventId
from onsale.db.letters import LetterKind
from onsale.db.queue_settings import Phase, QueueChange
from onsale.db.reminders import Reminder
from onsale.errors import TooManyReminders
from onsale.workers import reminders as writing
from onsale.workers.mail import deliver
from tests.builders import a_buyer, an_event, open_queue, run_sql, set_queue
from tests.services.serving import Person, Web
from tests.services.test_waiting_list_pages import account, slug


def an_account(engine: Engine, number: int = 1) -> BuyerId:
    buyer_id = a_buyer(engine)
    with transaction(engine) as connection:
        buyers.add_account(connection, buyer_id, email=f"ada{number}@example.org", password_hash="x")
    return buyer_id


def scheduled(engine: Engine, minutes: float) -> EventId:
    opens_at = datetime.now(UTC) + timedelta(minutes=minutes)
    return an_event(engine, queue=QueueChange(phase=Phase.SCHEDULED, opens_at=opens_at))


def ask(engine: Engine, event_id: EventId, buyer_id: BuyerId, kind: Reminder, number: int | None = None) -> None:
    with transaction(engine) as connection:
        reminders.ask(connection, event_id, buyer_id, kind, number=number)


def written(engine: Engine) -> list[tuple[str, str]]:
    with reading(engine) as connection:
        rows = connection.exec_driver_sql("SELECT kind, address FROM letters ORDER BY address").all()
    return [(kind, address) for kind, address in rows]


def test_whoever_asked_is_written_once_some_minutes_before_the_opening(shop, engine):
    soon, later = scheduled(engine, 9), scheduled(engine, 60)
    buyer_id, guest = an_account(engine), a_buyer(engine)
    run_sql(engine, f"UPDATE buyers SET email = 'guest@example.org' WHERE id = '{guest}'")
    for event_id in (soon, later):
        for one in (buyer_id, guest):
            ask(engine, event_id, one, Reminder.SALE_OPENS)

    sent = [writing.sweep(shop) for _ in range(2)]

    assert sent == [1, 0]
    assert written(engine) == [("sale_opens", "ada1@example.org")]


def test_a_reminder_after_the_opening_is_not_written_nor_sent(shop, engine):
    late, just = scheduled(engine, -1), scheduled(engine, 5)
    buyer_id = an_account(engine)
    ask(engine, late, buyer_id, Reminder.SALE_OPENS)
    ask(engine, just, buyer_id, Reminder.SALE_OPENS)
    writing.sweep(shop)
    # It opens between the writing and the sending.
    set_queue(engine, just, phase=Phase.OPEN)

    delivered = deliver(shop)

    assert len(written(engine)) == 1
    assert [state.value for state in delivered.ended] == ["dropped"]


def test_a_turn_is_near_when_the_pace_says_ten_minutes_and_not_when_it_has_come(shop, engine):
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=10))
    open_queue(shop, event_id)
    near, far, gone = (an_account(engine, number) for number in range(3))
    ask(engine, event_id, near, Reminder.TURN_NEAR, 100)
    ask(engine, event_id, far, Reminder.TURN_NEAR, 101)
    ask(engine, event_id, gone, Reminder.TURN_NEAR, 0)

    sent = [writing.sweep(shop) for _ in range(2)]

    assert sent == [1, 0]
    assert written(engine) == [("turn_near", "ada0@example.org")]
    with reading(engine) as connection:
        assert [reminders.of_buyer(connection, event_id, one) for one in (near, far, gone)] == [
            frozenset(),
            {Reminder.TURN_NEAR},
            frozenset(),
        ]


def test_an_address_gets_so_many_letters_a_day_and_not_one_more(engine):
    buyer_id = an_account(engine)
    most = buyer_letters.PER_ADDRESS_A_DAY_MAX
    event_id = scheduled(engine, 5)

    with transaction(engine) as connection:
        wrote = [
            buyer_letters.write(connection, event_id, LetterKind.TICKET_BACK, [(buyer_id, f"round {number}")])
            for number in range(most + 2)
        ]

    assert wrote == [1] * most + [0, 0]


def test_a_buyer_has_so_many_open_reminders_and_asking_again_is_none_more(engine):
    buyer_id = an_account(engine)
    events = [scheduled(engine, 60) for _ in range(reminders.OPEN_MAX + 1)]
    for event_id in events[:-1]:
        ask(engine, event_id, buyer_id, Reminder.SALE_OPENS)
    ask(engine, events[0], buyer_id, Reminder.SALE_OPENS)

    with pytest.raises(TooManyReminders):
        ask(engine, events[-1], buyer_id, Reminder.SALE_OPENS)


@pytest.fixture
def people(web: Web) -> tuple[Person, Person]:
    return account(web), web.guest()


def test_over_the_api_it_is_asked_for_seen_and_taken_back(web, engine, shop, people):
    event_id, opened = scheduled(engine, 60), an_event(engine)
    open_queue(shop, opened)
    known, guest = people
    path = f"/v1/events/{event_id}/reminders"

    refused = guest.post(path, {"kind": "sale_opens"})
    asked = known.post(path, {"kind": "sale_opens"})
    late = known.post(f"/v1/events/{opened}/reminders", {"kind": "sale_opens"})
    nowhere = known.post(f"/v1/events/{opened}/reminders", {"kind": "turn_near"})
    back = known.ask("DELETE", f"{path}/sale_opens")

    assert [slug(one) for one in (refused, late, nowhere)] == ["account-needed", "reminder-too-late", "not-in-queue"]
    assert (asked.json()["kinds"], back.status_code) == (["sale_opens"], 204)
    assert known.get(path).json()["kinds"] == []


def test_notices_are_told_with_the_time_they_were_said_newest_first(web: Web, engine: Any, shop: Any):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    for words in ("The bar is open", "<b>Doors at eight</b>", ""):
        set_queue(engine, event_id, notice=words)
    gone = web.http.get(f"/v1/events/{event_id}/notices").json()["notices"]
    set_queue(engine, event_id, notice="Doors at nine")
    web.office.notices.forget(event_id)

    told = web.http.get(f"/v1/events/{event_id}/notices")
    page = web.http.get(f"/events/{event_id}").text

    assert [(one["words"], one["current"]) for one in gone] == [
        ("<b>Doors at eight</b>", False),
        ("The bar is open", False),
    ]
    assert [one["current"] for one in told.json()["notices"]] == [True, False, False]
    assert (
        web.http.get(f"/v1/events/{event_id}/notices", headers={"If-None-Match": told.headers["ETag"]}).status_code
        == 304
    )
    assert "<b>Doors" not in page
