"""Where newcomers must compute: who has not done it gets no number, and it costs the house next to nothing."""

from __future__ import annotations

from collections.abc import Callable
from itertools import dropwhile, takewhile
from uuid import UUID

import pytest

from onsale.db import queue_guards
from onsale.db.engine import transaction
from onsale.db.ids import EventId
from onsale.db.queue_guards import GuardChange
from onsale.queue.tokens import LEEWAY_MS, Tokens
from onsale.queue.work import WORK_SECONDS, solve
from onsale.web.tokens import now_ms
from tests.builders import an_event, open_queue
from tests.services.serving import Person, Web

BITS = 8


@pytest.fixture
def event_id(engine, shop) -> EventId:
    event_id = an_event(engine)
    open_queue(shop, event_id)
    ask_for(engine, event_id, BITS)
    return event_id


def ask_for(engine, event_id: EventId, bits: int) -> None:
    with transaction(engine) as connection:
        queue_guards.change(connection, event_id, GuardChange(work_bits=bits), actor="test")


def challenged(person: Person, event_id: EventId) -> dict[str, object]:
    document: dict[str, object] = person.post(f"/v1/events/{event_id}/queue/challenge").raise_for_status().json()
    return document


def solution(person: Person, event_id: EventId) -> str:
    asked = challenged(person, event_id)
    return solve(str(asked["challenge"]), int(str(asked["bits"])))


def join(person: Person, event_id: EventId, work: str | None = None, **headers: str):
    return person.post(f"/v1/events/{event_id}/queue", **({"Join_Work": work} if work else {}), **headers)


def test_a_newcomer_without_the_work_gets_no_number(web, event_id):
    answer = join(web.guest(), event_id)

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/work-needed")
    assert web.office.store.snapshot(event_id).issued == 0


def test_a_newcomer_with_the_work_joins(web, event_id):
    person = web.guest()

    answer = join(person, event_id, solution(person, event_id))

    assert (answer.status_code, answer.json()["number"]) == (201, 1)


def test_a_challenge_says_what_it_takes(web, event_id):
    asked = challenged(web.guest(), event_id)

    assert (asked["bits"], asked["expected_tries"], asked["expires_in_seconds"]) == (BITS, 256, WORK_SECONDS)


def test_whoever_has_a_number_is_asked_nothing(web, event_id):
    person = web.guest()
    token = join(person, event_id, solution(person, event_id)).json()["queue_token"]

    answers = [join(person, event_id), join(person, event_id, Queue_Token=token)]

    assert [(answer.status_code, answer.json()["number"]) for answer in answers] == [(200, 1), (200, 1)]


def test_one_solution_sent_often_is_one_number(web, event_id):
    person = web.guest()
    work = solution(person, event_id)

    numbers = {join(person, event_id, work).json()["number"] for _ in range(5)}

    assert numbers == {1}


def a_stolen_one(web: Web, person: Person, event_id: EventId) -> str:
    return solution(web.guest(), event_id)


def one_of_another_event(web: Web, person: Person, event_id: EventId) -> str:
    return of(web, person, EventId(event_id + 1))


def one_that_is_too_old(web: Web, person: Person, event_id: EventId) -> str:
    return of(web, person, event_id, until_ms=now_ms() - LEEWAY_MS - 1_000)


def one_of_no_bits(web: Web, person: Person, event_id: EventId) -> str:
    return of(web, person, event_id, bits=0)


def one_signed_elsewhere(web: Web, person: Person, event_id: EventId) -> str:
    return of(web, person, event_id, tokens=Tokens([("k1", "x" * 32)]))


def one_not_solved(web: Web, person: Person, event_id: EventId) -> str:
    challenge, nonce = solution(person, event_id).split(":")
    return f"{challenge}:{int(nonce) + 1}"


def one_made_easier(web: Web, person: Person, event_id: EventId) -> str:
    """Its bits are in what is signed."""
    challenge = str(challenged(person, event_id)["challenge"])
    kind, key, payload, signature = challenge.split(".")
    return solve(".".join([kind, key, payload[:27] + "A" + payload[28:], signature]), 1)


def of(web: Web, person: Person, event_id: EventId, *, bits: int = BITS, until_ms: int = 0, tokens=None) -> str:

    signer = tokens or web.office.tokens
    until = until_ms or now_ms() + 60_000
    return solve(signer.sign_work(event_id, UUID(person.id), bits=bits, until_ms=until), bits)


@pytest.mark.parametrize(
    "made",
    [
        a_stolen_one,
        one_of_another_event,
        one_that_is_too_old,
        one_of_no_bits,
        one_signed_elsewhere,
        one_not_solved,
        one_made_easier,
        lambda *_: "nonsense",
        lambda *_: "a:b:c",
        lambda *_: "w1.k1.AAAA.BBBB:1",
    ],
)
def test_work_that_is_not_this_buyers_own_is_worth_nothing(web, event_id, made: Callable[[Web, Person, EventId], str]):
    person = web.guest()

    answer = join(person, event_id, made(web, person, event_id))

    assert answer.status_code == 409, answer.text


def test_a_hands_free_booking_is_no_way_around_the_work(web, event_id):
    person = web.guest()

    refused = person.book(event_id, {"quantity": 1})
    join(person, event_id, solution(person, event_id))
    accepted = person.book(event_id, {"quantity": 1})

    assert (refused.status_code, accepted.status_code) == (409, 202)


def test_who_has_begun_may_finish_when_more_is_asked(web, engine, event_id):
    person = web.guest()
    work = solution(person, event_id)

    ask_for(engine, event_id, 26)
    web.office.guards.forget(event_id)

    assert join(person, event_id, work).status_code == 201


def test_what_is_asked_is_changed_while_the_sale_runs(web, engine, event_id):
    assert join(web.guest(), event_id).status_code == 409

    ask_for(engine, event_id, 0)
    web.office.guards.forget(event_id)

    assert join(web.guest(), event_id).status_code == 201


# What it costs, counted by Redis itself.


def asked_of_the_queue(redis_client, doing: Callable[[], object]) -> int:
    """How many calls reach the queue's database meanwhile.

    Not the whole server: the web's copy of the event, in the cache's database, is looked up once more when the joins
    take long.
    """
    with redis_client.monitor() as monitor:
        # Opens the connection that says when it is done.
        redis_client.echo("begun")
        doing()
        redis_client.echo("done")
        since = dropwhile(lambda told: told["command"] != "ECHO begun", monitor.listen())
        _, *heard = takewhile(lambda told: told["command"] != "ECHO done", since)
    return sum(told["db"] == 0 and told["client_type"] != "lua" for told in heard)


@pytest.mark.parametrize(("bits", "with_work"), [(0, False), (BITS, True), (BITS, False)])
def test_a_join_is_one_call_to_redis_whatever_is_asked(web, engine, event_id, redis_client, bits, with_work):
    ask_for(engine, event_id, bits)
    web.office.guards.forget(event_id)
    people = web.guests(20)
    work = [solution(person, event_id) if with_work else None for person in people]
    join(people[0], event_id, work[0])

    def all_join() -> None:
        for person, one in zip(people, work, strict=True):
            join(person, event_id, one)

    assert asked_of_the_queue(redis_client, all_join) == len(people)
