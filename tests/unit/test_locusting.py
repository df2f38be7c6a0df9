"""What fails a Locust run and what does not, without Locust: answers, visits and reports are handed in."""

from __future__ import annotations

import random
from typing import Any

import pytest

from onsale.sandbox.visitor import locusting
from onsale.sandbox.visitor.buyer import Buyer, Manners
from onsale.sandbox.visitor.habits import PLAIN, Ending, Habits, Shares
from onsale.sandbox.visitor.locusting import Journey, Shape, Tally, WaitingRoomVisitor, carry, fault, users_at
from onsale.sandbox.visitor.steps import Answer, Ask, Wait
from onsale.sandbox.visitor.visit import Visit

MANNERS = Manners()


def entered(ended: str = "confirmed", *, stayed: float = 30.0, **more: Any) -> Visit:
    return Visit(0.0, entered_at=10.0, ended_at=10.0 + stayed, ended=ended, **more)


def tallied(*visits: Visit, habits: Habits = PLAIN, **more: Any) -> Tally:
    tally = Tally()
    for visit in visits:
        tally.over(visit, habits=habits, manners=MANNERS, **more)
    return tally


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200),
        Answer(202),
        Answer(304),
        Answer(409, {"type": "/problems/ticket-taken"}),
        Answer(410),
        Answer(425, retry_after_seconds=5),
        Answer(429, retry_after_seconds=1),
        Answer(503, retry_after_seconds=1),
    ],
    ids=lambda answer: str(answer.status),
)
def test_an_answer_that_a_sale_is_made_of_is_no_fault(answer):
    assert fault(answer) == ""


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(500), "500"),
        (Answer(502, retry_after_seconds=1), "502"),
        (Answer(504), "504"),
        (Answer(503), "503 without Retry-After"),
        (Answer(429), "429 without Retry-After"),
        (Answer(401), "401"),
        (Answer(404, {"type": "/problems/not-found"}), "404 not-found"),
        (Answer(422, {"type": "/problems/bad-request"}), "422 bad-request"),
        (Answer(0), "no answer"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Answer) else None,
)
def test_any_other_answer_is_a_fault_with_its_name(answer, said):
    assert fault(answer) == said


def test_a_run_where_somebody_was_confirmed_is_well():
    assert tallied(entered(confirmed_at=40.0), entered("payment_failed"), entered("sold_out")).verdict() == []


def test_a_run_where_buyers_got_in_and_nobody_was_confirmed_fails():
    verdict = tallied(entered("expired"), entered("gave up: book: 409 selling-stopped")).verdict()

    assert verdict == ["no booking was confirmed, though 2 got in to buy"]


@pytest.mark.parametrize("ended", ["sold_out", "closed", "unavailable"])
def test_who_finds_nothing_left_could_not_be_served(ended):
    assert tallied(entered(ended)).verdict() == []


@pytest.mark.parametrize("ending", [Ending.CANCELS, Ending.ABANDONS, Ending.LEAVES])
def test_who_does_not_want_to_buy_needs_no_booking(ending):
    assert tallied(entered("cancelled"), habits=Habits(ending=ending)).verdict() == []


def test_who_only_came_for_the_waiting_room_needs_no_booking():
    assert tallied(entered("entered"), buys=False).verdict() == []


def test_who_is_cut_off_by_the_end_of_the_test_is_no_failure_unless_inside_for_ages():
    just_in, stuck = entered("", stayed=30.0), entered("", stayed=500.0)

    assert tallied(just_in).verdict() == []
    assert tallied(just_in).ended == {"interrupted": 1}
    assert tallied(stuck).verdict() == ["no booking was confirmed, though 1 got in to buy"]


def test_a_run_to_which_nobody_came_shows_nothing_and_fails():
    assert Tally().verdict() == ["nobody came: not one visit was begun"]


def test_what_several_processes_report_adds_up_and_is_reported_once():
    total, one, other = Tally(), tallied(entered(confirmed_at=40.0)), tallied(entered("expired"))
    one.saw("GET /v1/events/{id}/queue answered 500", 2)
    other.saw("GET /v1/events/{id}/queue answered 500")

    for process in (one, other, one):
        total.add(process.report())

    assert total.reached == {"entered": 2, "confirmed": 1, "tried": 2}
    assert total.verdict() == ["3 x GET /v1/events/{id}/queue answered 500"]
    assert total.ended == {"confirmed": 1, "expired": 1}


def test_findings_without_end_are_counted_and_not_kept():
    tally = tallied(entered())
    for number in range(locusting.FINDINGS_MAX + 7):
        tally.saw(f"booking {number}")

    assert len(tally.findings) == locusting.FINDINGS_MAX + 1
    assert tally.findings[locusting.NOT_KEPT] == 7
    assert len(tally.told().splitlines()) <= locusting.FINDINGS_SHOWN + 5


def test_each_stage_of_a_visit_is_measured_once_in_milliseconds():
    journey = Journey(Visit(0.0))
    assert journey.measured() == []

    journey.visit.joined_at, journey.visit.people_ahead_at_first = 1.0, 0
    assert journey.measured() == [(locusting.PEOPLE_AHEAD, 0)]

    journey.visit.turn_at, journey.visit.confirmed_at = 3.0, 3.5
    assert dict(journey.measured()) == {
        locusting.TO_TURN: 2000,
        locusting.TURN_TO_TICKET: 500,
        locusting.TO_TICKET: 2500,
    }
    assert journey.measured() == []


def test_each_broken_promise_is_told_once():
    journey = Journey(Visit(0.0))
    journey.visit.breaks("people ahead rose from 3 to 5")
    assert journey.broken() == ["people ahead rose from 3 to 5"]

    journey.visit.breaks("serving fell from 7 to 2")
    assert journey.broken() == ["serving fell from 7 to 2"]


def test_shares_are_read_by_name_and_the_rest_stays():
    assert locusting.shares_of("abandons=0.2, two_tabs=0") == Shares(abandons=0.2, two_tabs=0)
    assert locusting.shares_of("") == Shares()


@pytest.mark.parametrize("text", ["shouts=0.1", "abandons", "abandons=many", "abandons=2", "abandons=0.9,cancels=0.9"])
def test_shares_that_mean_nothing_are_refused(text):
    with pytest.raises(ValueError, match=r"habit|HABIT|share"):
        locusting.shares_of(text)


def test_people_can_be_made_quicker_but_not_in_reverse():
    assert locusting.scaled(Manners(choose=(2.0, 4.0)), 0.5).choose == (1.0, 2.0)
    with pytest.raises(ValueError, match="0 or more"):
        locusting.scaled(Manners(), -1)


def test_at_doors_open_everybody_comes_in_the_first_second():
    assert users_at(Shape.DOORS_OPEN, 0, users=200, run_seconds=90) == (200, 200)


def test_a_ramp_takes_two_thirds_of_the_time():
    users, per_second = users_at(Shape.RAMP, 0, users=200, run_seconds=90)

    assert users / per_second == pytest.approx(60)


@pytest.mark.parametrize(("seconds", "users"), [(0, 20), (22, 20), (23, 200), (67, 200), (68, 20), (500, 20)])
def test_a_flash_crowd_comes_in_the_middle_half_of_the_time(seconds, users):
    assert users_at(Shape.FLASH_CROWD, seconds, users=200, run_seconds=90)[0] == users


@pytest.mark.parametrize("shape", Shape)
@pytest.mark.parametrize("seconds", [0, 5, 9])
def test_a_shape_of_one_user_sends_that_one(shape, seconds):
    users, per_second = users_at(shape, seconds, users=1, run_seconds=10)

    assert users == 1
    assert per_second > 0


def visit_of(buyer: Buyer, answers: dict[str, Any], *, until: int = 500) -> list[Ask]:
    """Everything the buyer asks of a shop that answers each route always the same."""
    asked: list[Ask] = []

    def send(asks: tuple[Ask, ...]) -> tuple[Answer, ...]:
        asked.extend(asks)
        return tuple(Answer(200, answers[f"{ask.method} {ask.route}"]) for ask in asks)

    for _ in carry(buyer.steps(), send=send, sleep=lambda seconds: None):
        if len(asked) >= until:
            break
    return asked


QUEUE = "/v1/events/{id}/queue"


def waiting_room(serving: int) -> dict[str, Any]:
    status = {
        "phase": "open",
        "serving": serving,
        "return_serving": 0,
        "gaps": {"numbers": [], "returns": []},
        "heartbeat": {"up_to": 0, "every_seconds": 45},
        "poll": [{"ahead": None, "seconds": 1}],
    }
    return {
        "POST /v1/guests": {"token": "t"},
        f"POST {QUEUE}": {"queue_token": "q", "number": 7},
        f"GET {QUEUE}": status,
        f"GET {QUEUE}/me": {"ahead": 6},
        f"POST {QUEUE}/me/enter": {"admission_token": "a"},
        f"DELETE {QUEUE}/me": None,
    }


def visitor() -> WaitingRoomVisitor:
    return WaitingRoomVisitor(1, PLAIN, chance=random.Random(1), clock=lambda: 0.0)


def test_the_waiting_rooms_own_profile_takes_five_steps_and_leaves():
    buyer = visitor()

    asked = visit_of(buyer, waiting_room(serving=7))

    assert [f"{ask.method} {ask.route}" for ask in asked] == [
        "POST /v1/guests",
        f"POST {QUEUE}",
        f"GET {QUEUE}/me",
        f"GET {QUEUE}",
        f"POST {QUEUE}/me/enter",
        f"DELETE {QUEUE}/me",
    ]
    assert buyer.visit.ended == "entered"


def test_it_polls_what_everybody_polls_and_rarely_its_own_place():
    routes = [f"{ask.method} {ask.route}" for ask in visit_of(visitor(), waiting_room(serving=1), until=220)]

    assert routes.count(f"GET {QUEUE}") > 150
    assert routes.count(f"GET {QUEUE}/me") == pytest.approx(routes.count(f"GET {QUEUE}") / 10, abs=2)


def test_a_visit_cut_off_in_the_middle_says_when_it_ended():
    buyer = Buyer(1, PLAIN, chance=random.Random(1), clock=lambda: 5.0)
    visit = carry(buyer.steps(), send=lambda asks: (Answer(0),), sleep=lambda seconds: None)
    next(visit)

    visit.close()

    assert buyer.visit.ended_at == 5.0
    assert buyer.visit.ended == ""


def test_waits_are_slept():
    slept: list[float] = []

    def steps():
        yield Wait(1.5)
        yield Wait(2.5)

    list(carry(steps(), send=lambda asks: (), sleep=slept.append))

    assert slept == [1.5, 2.5]
