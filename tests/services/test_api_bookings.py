"""Booking over HTTP: once per key, refused politely, nobody else's business."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from onsale.db.ids import EventId, event_of_booking
from onsale.db.ids import booking_id as make_booking_id
from onsale.db.queue_settings import Phase, QueueChange
from onsale.workers.lanes import work_lane
from tests.builders import an_event, open_queue, seat, set_queue, until
from tests.services.serving import Person

PAIR = {"quantity": 2}
CARD = "pm_card_visa"


@pytest.fixture
def event_id(engine, shop) -> EventId:
    """An event of ten seats that lets everybody in."""
    event_id = an_event(engine)
    open_queue(shop, event_id)
    return event_id


@pytest.fixture
def decide(shop, event_id):
    """Work the lane off, as a worker would."""
    return lambda: work_lane(shop, event_id, last_look=True)


@pytest.fixture
def come_in(web, event_id):
    """Join, be let in, enter; gives the admission token."""

    def enter(person: Person) -> str:
        person.join(event_id)

        def admitted() -> bool:
            web.office.store.advance(event_id)
            return person.get(f"/v1/events/{event_id}/queue/me").json()["standing"] == "admitted"

        until(admitted, "the person is admitted")
        return person.enter(event_id)

    return enter


@pytest.fixture
def held(web, event_id, come_in, decide):
    """A person and their booking with two tickets held."""
    person = web.guest()
    url = person.book(event_id, PAIR, admission_token=come_in(person)).headers["Location"]
    decide()
    document = person.get(url).json()
    assert document["state"] == "held", document
    return person, document


def named(*ordinals: int, event_id: EventId) -> dict[str, Any]:
    return {"tickets": [seat(event_id, each) for each in ordinals]}


def refusal(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


def test_a_booking_is_accepted_decided_and_its_result_polled(web, event_id, come_in, decide):
    person = web.guest()

    accepted = person.book(event_id, PAIR, admission_token=come_in(person))
    decide()
    result = person.get(accepted.headers["Location"])

    assert (accepted.status_code, accepted.json()["state"]) == (202, "queued")
    assert (result.json()["state"], len(result.json()["tickets"]), result.json()["amount_minor"]) == ("held", 2, 9000)
    assert [move["state"] for move in result.json()["history"]] == ["queued", "held"]


def test_fifty_parallel_posts_with_one_key_are_one_booking_and_fifty_same_answers(web, event_id, come_in):
    person, key = web.guest(), str(uuid4())
    admission = come_in(person)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: person.book(event_id, PAIR, key=key, admission_token=admission), range(50)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.content for answer in answers}) == 1
    assert len(person.get("/v1/bookings").json()["bookings"]) == 1


def test_fifty_parallel_hands_free_posts_with_one_key_are_one_booking(web, event_id):
    person, key, path = web.guest(), str(uuid4()), f"/v1/book-{seat(event_id, 1)}"

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: person.post(path, {"payment_method": CARD}, key=key), range(50)))

    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1


def test_the_same_key_with_another_body_is_refused(web, event_id, come_in):
    person, key = web.guest(), str(uuid4())
    admission = come_in(person)
    person.book(event_id, PAIR, key=key, admission_token=admission)

    answer = person.book(event_id, {"quantity": 1}, key=key, admission_token=admission)

    assert refusal(answer) == (422, "idempotency-key-reused")


def test_the_same_key_at_another_address_is_refused(web, event_id):
    person, key = web.guest(), str(uuid4())
    person.post(f"/v1/book-{seat(event_id, 1)}", {}, key=key)

    answer = person.book(event_id, named(1, event_id=event_id), key=key)

    assert refusal(answer) == (422, "idempotency-key-reused")


def test_the_same_key_of_another_buyer_is_another_booking(web, event_id):
    key, people = str(uuid4()), web.guests(2)

    answers = [person.book(event_id, PAIR, key=key).json()["id"] for person in people]

    assert len(set(answers)) == 2


def test_a_repeat_is_answered_even_when_nothing_would_be_accepted_any_more(web, engine, event_id, shop):
    person, key = web.guest(), str(uuid4())
    first = person.book(event_id, PAIR, key=key)
    set_queue(engine, event_id, phase=Phase.CLOSED)

    assert person.book(event_id, PAIR, key=key).json()["id"] == first.json()["id"]


@pytest.mark.parametrize("key", [None, "", "x" * 256, "schön"])
def test_a_booking_wants_a_key(web, event_id, key):
    headers = {} if key is None else {"Idempotency-Key": key.encode()}
    answer = web.guest().ask("POST", f"/v1/events/{event_id}/bookings", headers=headers, json={"wishes": [PAIR]})

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "Idempotency-Key"


def test_a_key_of_255_characters_is_taken(web, event_id):
    assert web.guest().book(event_id, PAIR, key="k" * 255).status_code == 202


def test_a_second_booking_on_one_admission_is_refused(web, event_id, come_in):
    person = web.guest()
    admission = come_in(person)
    person.book(event_id, PAIR, admission_token=admission)

    answer = person.book(event_id, PAIR, admission_token=admission)

    assert refusal(answer) == (409, "admission-spent")


def test_somebody_elses_admission_token_books_nothing(web, event_id, come_in):
    owner, thief = web.guests(2)
    admission = come_in(owner)

    answer = thief.book(event_id, PAIR, admission_token=admission)

    assert refusal(answer) == (403, "bad-admission-token")


def test_an_admission_of_another_event_books_nothing(web, engine, shop, event_id, come_in):
    other = an_event(engine)
    open_queue(shop, other)
    person = web.guest()
    admission = come_in(person)

    answer = person.book(other, PAIR, admission_token=admission)

    assert refusal(answer) == (403, "bad-admission-token")


def test_a_ticket_known_to_be_held_is_refused_at_once_and_the_admission_stays_good(web, event_id, come_in, held):
    taken = [ticket["ticket_id"] for ticket in held[1]["tickets"]]
    person = web.guest()
    admission = come_in(person)

    refused = person.book(event_id, {"tickets": taken}, admission_token=admission)
    accepted = person.book(event_id, {"tickets": taken, "or_similar": True}, admission_token=admission)

    assert refusal(refused) == (409, "ticket-taken")
    assert accepted.status_code == 202


def test_a_hands_free_booking_waits_under_its_number(web, engine, shop):
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=1))
    open_queue(shop, event_id)
    person = web.guest()

    booking = person.book(event_id, PAIR).json()

    assert (booking["state"], booking["number"]) == ("waiting", 1)
    assert person.get(f"/v1/events/{event_id}/queue/me").json()["hands_free"] is True


def test_a_hands_free_booking_far_from_its_turn_is_asked_for_as_seldom_as_the_queue(web, engine, shop):
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=1))
    open_queue(shop, event_id)
    for person in web.guests(40):
        person.join(event_id)

    booking = web.guest().book(event_id, PAIR).json()

    assert booking["state"] == "waiting"
    assert booking["poll_seconds"] >= 30


def test_hands_free_bookings_have_a_rate_of_their_own_and_the_number_is_safe(web, engine, shop):
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=1))
    set_queue(engine, event_id, handsfree_per_minute=1)
    open_queue(shop, event_id)
    first, second = web.guests(2)
    first.book(event_id, PAIR)

    answer = second.book(event_id, PAIR)

    assert refusal(answer) == (429, "too-many-requests")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert second.join(event_id)["number"] == 2


def test_without_a_queue_a_booking_is_decided_at_once(web, engine, shop):
    event_id = an_event(engine, queue=QueueChange(enabled=False))
    open_queue(shop, event_id)

    booking = web.guest().book(event_id, PAIR).json()

    assert (booking["state"], booking["number"]) == ("queued", 1)


def test_a_closed_sale_takes_no_booking(web, engine, shop, event_id):
    set_queue(engine, event_id, phase=Phase.CLOSED)
    open_queue(shop, event_id)
    web.office.statuses.forget(event_id)

    answer = web.guest().book(event_id, PAIR)

    assert refusal(answer) == (410, "queue-closed")


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"quantity": 0},
        {"quantity": 9},
        {"quantity": 51},
        {"quantity": -1},
        {"quantity": "2"},
        {"quantity": 2.5},
        {"quantity": True},
        {"quantity": 2, "or_similar": True},
        {"quantity": 2, "together": "yes"},
        {"quantity": 2, "section_id": 99},
        {"quantity": 2, "max_price_minor": -1},
        {"quantity": 2, "colour": "red"},
        {"tickets": []},
        {"tickets": [1048577], "quantity": 1},
        {"tickets": [1]},
        {"tickets": ["1048577"]},
        {"tickets": [1 << 60]},
    ],
)
def test_a_wish_that_makes_no_sense_is_refused_and_the_field_named(web, event_id, wish):
    answer = web.guest().book(event_id, wish)

    assert answer.status_code == 422, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["errors"][0]["field"]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b'{"wishes": "\\ud800"}', b'{"wishes": []}', b"[" * 5000]
)
def test_a_body_that_is_no_booking_is_refused(web, event_id, body):
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}

    answer = web.guest().ask("POST", f"/v1/events/{event_id}/bookings", headers=headers, content=body)

    assert answer.status_code in (400, 422)
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_body_of_another_type_is_refused(web, event_id):
    headers = {"Idempotency-Key": "k", "Content-Type": "text/plain"}

    answer = web.guest().ask("POST", f"/v1/events/{event_id}/bookings", headers=headers, content=b"{}")

    assert answer.status_code == 415


def test_a_huge_body_is_refused(web, event_id):
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}

    answer = web.guest().ask("POST", f"/v1/events/{event_id}/bookings", headers=headers, content=b" " * 65_537)

    assert answer.status_code == 413
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_more_wishes_than_five_are_refused(web, event_id):
    person = web.guest()

    assert person.book(event_id, *[PAIR] * 6).status_code == 422
    assert person.book(event_id, *[PAIR] * 5).status_code == 202


@pytest.mark.parametrize("ordinal", [11, 1_000_000])
def test_a_ticket_that_does_not_exist_is_not_found(web, event_id, ordinal):
    answer = web.guest().post(f"/v1/book-{seat(event_id, ordinal)}", {}, key="k")

    assert answer.status_code == 404


@pytest.mark.parametrize("ticket", ["0", "-1", "abc", "1.5", "99999999999999999999", "%00"])
def test_an_id_that_cannot_exist_is_not_found(web, event_id, ticket):
    assert web.guest().post(f"/v1/book-{ticket}", {}, key="k").status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/v1/bookings/{id}", None),
        ("DELETE", "/v1/bookings/{id}", None),
        ("POST", "/v1/bookings/{id}/payment", {"payment_method": CARD}),
        ("POST", "/v1/bookings/{id}/extension", None),
    ],
)
def test_a_booking_is_nobody_elses_business(web, held, method, path, body):
    _, booking = held
    stranger = web.guest()

    answer = stranger.ask(method, path.format(id=booking["id"]), json=body, headers={"Idempotency-Key": "k"})

    assert refusal(answer) == (404, "not-found")


@pytest.mark.parametrize("unknown", [uuid4(), make_booking_id(EventId(1), b"x" * 12), "not-an-id"])
def test_an_unknown_booking_is_not_found(web, event_id, unknown):
    assert web.guest().get(f"/v1/bookings/{unknown}").status_code == 404


def test_a_booking_carries_its_event(web, event_id):
    booking = web.guest().book(event_id, PAIR).json()

    assert booking["event_id"] == event_id
    assert event_of_booking(UUID(booking["id"])) == event_id


def test_my_bookings_are_mine_newest_first_and_paged(web, event_id, monkeypatch):
    monkeypatch.setattr(sys.modules["onsale.web.api.bookings"], "PAGE", 2)
    person, other = web.guests(2)
    other.book(event_id, PAIR)
    set_key = [str(uuid4()) for _ in range(3)]
    made = []
    for key in set_key:
        booking = person.book(event_id, {"quantity": 1}, key=key).json()
        made.append(booking["id"])
        person.ask("DELETE", booking["url"])

    first = person.get("/v1/bookings").json()
    second = person.get("/v1/bookings", params={"before": first["next_before"]}).json()

    assert [booking["id"] for booking in first["bookings"] + second["bookings"]] == made[::-1]
    assert second["next_before"] is None


def test_paying_makes_an_attempt_and_the_same_key_makes_no_other(web, held):
    person, booking = held
    pay = f"{booking['url']}/payment"

    first, second = (person.post(pay, {"payment_method": CARD}, key="one") for _ in range(2))

    assert (first.status_code, first.json()["state"]) == (202, "authorising")
    assert second.json()["payment"]["attempt"] == first.json()["payment"]["attempt"] == 1


def test_the_same_key_with_another_card_is_refused(web, held):
    person, booking = held
    pay = f"{booking['url']}/payment"
    person.post(pay, {"payment_method": CARD}, key="one")

    answer = person.post(pay, {"payment_method": "pm_card_mastercard"}, key="one")

    assert refusal(answer) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("card", ["", "4242424242424242", "pm_", "pm_" + "x" * 300, "pm_a b", None, 4242])
def test_what_is_no_card_is_refused(web, held, card):
    person, booking = held

    answer = person.post(f"{booking['url']}/payment", {"payment_method": card}, key="one")

    assert answer.status_code == 422


def test_a_hold_can_be_extended_and_says_how_often_more(web, held):
    person, booking = held

    extended = person.post(f"{booking['url']}/extension").json()

    assert extended["hold_until"] > booking["hold_until"]
    assert extended["extensions_left"] == booking["extensions_left"] - 1


def test_what_is_not_held_cannot_be_paid_or_extended(web, event_id):
    person = web.guest()
    url = person.book(event_id, PAIR).json()["url"]

    assert refusal(person.post(f"{url}/payment", {"payment_method": CARD}, key="k")) == (409, "illegal-move")
    assert refusal(person.post(f"{url}/extension")) == (409, "illegal-move")


def test_cancelling_puts_the_tickets_on_sale_again(web, event_id, held):
    person, booking = held

    cancelled = person.ask("DELETE", booking["url"])

    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    tickets = [person.get(f"/v1/tickets/{ticket['ticket_id']}").json()["state"] for ticket in booking["tickets"]]
    assert tickets == ["free", "free"]


def test_cancelling_twice_gives_the_same_answer(web, held):
    person, booking = held

    first, second = (person.ask("DELETE", booking["url"]) for _ in range(2))

    assert (second.status_code, second.json()) == (200, first.json())
