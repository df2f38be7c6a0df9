"""A simulated buyer without a shop: answers are handed in by the test, and what the buyer asks for is looked at."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.sandbox.visitor import choosing
from onsale.sandbox.visitor.buyer import BANK, RETRIES_MAX, Buyer, Manners
from onsale.sandbox.visitor.habits import PLAIN, Ending, Habits, Shares, habits
from onsale.sandbox.visitor.steps import Answer, Ask, Wait
from onsale.sandbox.visitor.visit import STALE_SECONDS, Awaiting, Visit

QUEUE, BOOK = "/v1/events/{id}/queue", "/v1/events/{id}/bookings"
POLL = [{"ahead": None, "seconds": 2}]


def status(serving: int, **more: Any) -> dict[str, Any]:
    return {
        "phase": "open",
        "serving": serving,
        "return_serving": 0,
        "gaps": {"numbers": [], "returns": []},
        "heartbeat": {"up_to": 0, "every_seconds": 45},
        "poll": POLL,
        **more,
    }


def booking(state: str, **more: Any) -> dict[str, Any]:
    sold = state in ("held", "confirmed")
    return {
        "id": "b1",
        "state": state,
        "url": "/v1/bookings/b1",
        "number": 7,
        "poll_seconds": 0.5,
        "tickets": [{"ticket_id": 1, "price_minor": 4500, "total_minor": 4500}] if sold else [],
        "amount_minor": 4500 if sold else None,
        "tickets_minor": 4500 if sold else None,
        "fees_minor": 0 if sold else None,
        "taxes_minor": 0 if sold else None,
        "taxes_included": True,
        "payment": None,
        **more,
    }


@dataclass
class Shop:
    """Answers each request by its route; a list is used up one by one, its last answer stays."""

    answers: dict[str, list[Answer]]
    asked: list[Ask] = field(default_factory=list)
    now: float = 0.0

    def clock(self) -> float:
        return self.now

    def serve(self, buyer: Buyer) -> Visit:
        steps = buyer.steps()
        told: tuple[Answer, ...] = ()
        try:
            step = next(steps)
            while True:
                if isinstance(step, Wait):
                    self.now += step.seconds
                    told = ()
                else:
                    self.asked += step
                    told = tuple(self.answer(ask) for ask in step)
                step = steps.send(told)
        except StopIteration:
            return buyer.visit

    def answer(self, ask: Ask) -> Answer:
        found = self.answers[f"{ask.method} {ask.route}"]
        return found.pop(0) if len(found) > 1 else found[0]

    def routes(self) -> list[str]:
        return [f"{ask.method} {ask.route}" for ask in self.asked]


def a_shop(**changed: list[Answer]) -> Shop:
    """One that lets the first in at once and sells to everybody."""
    ok = {
        "POST /v1/guests": [Answer(201, {"token": "jwt"})],
        f"POST {QUEUE}": [Answer(201, {"number": 7, "queue_token": "q"})],
        f"GET {QUEUE}": [Answer(200, status(5)), Answer(200, status(7))],
        f"POST {QUEUE}/me/enter": [Answer(200, {"admission_token": "a"})],
        f"POST {QUEUE}/me/return": [Answer(200, {"return_number": 2})],
        f"POST {QUEUE}/me/heartbeat": [Answer(200, {})],
        f"DELETE {QUEUE}/me": [Answer(204)],
        "GET /v1/events/{id}/seats/availability": [Answer(200, {"sections": [{"id": 1, "free": 9, "states": "ffff"}]})],
        f"POST {BOOK}": [Answer(202, booking("queued"))],
        "GET /v1/bookings/{id}": [Answer(200, booking("held")), Answer(200, booking("confirmed"))],
        "POST /v1/bookings/{id}/payment": [Answer(202, booking("authorising"))],
        "DELETE /v1/bookings/{id}": [Answer(200, booking("cancelled"))],
    }
    return Shop({**ok, **{name.replace("__", " "): answers for name, answers in changed.items()}})


def a_buyer(shop: Shop, habit: Habits = PLAIN, *, seed: int = 1) -> Buyer:
    return Buyer(1, habit, chance=random.Random(seed), clock=shop.clock)


def test_a_plain_buyer_joins_waits_enters_books_pays_and_has_tickets() -> None:
    shop = a_shop()

    visit = shop.serve(a_buyer(shop))

    assert visit.ended == "confirmed"
    assert (visit.number, visit.tickets, visit.amount_minor) == (7, [1], 4500)
    assert visit.broken == []
    assert shop.routes()[:4] == ["POST /v1/guests", f"POST {QUEUE}", f"GET {QUEUE}", f"GET {QUEUE}"]


def test_not_now_is_waited_out_with_the_same_key() -> None:
    shop = a_shop()
    shop.answers[f"POST {BOOK}"] = [Answer(503, None, 3.0), Answer(0), Answer(202, booking("queued"))]

    visit = shop.serve(a_buyer(shop))

    keys = {ask.headers["Idempotency-Key"] for ask in shop.asked if ask.route == BOOK}
    assert visit.ended == "confirmed"
    assert len(keys) == 1


def test_a_shop_that_never_answers_is_given_up() -> None:
    shop = a_shop()
    shop.answers[f"POST {QUEUE}"] = [Answer(503)]

    visit = shop.serve(a_buyer(shop))

    assert visit.ended.startswith("gave up")
    assert len(shop.asked) == 1 + RETRIES_MAX


def test_a_shop_that_stays_silent_is_given_up_for_that_reason() -> None:
    shop = a_shop()
    shop.answers[f"POST {QUEUE}"] = [Answer(0)]

    assert shop.serve(a_buyer(shop)).ended == f"gave up: POST {QUEUE}: no answer"


def test_a_buyer_notes_from_when_a_booking_and_a_payment_were_accepted_to_when_they_were_answered() -> None:
    visit = (shop := a_shop()).serve(a_buyer(shop))

    assert [each.what for each in visit.awaited] == [Awaiting.DECISION, Awaiting.PAYMENT]
    decision, payment = visit.awaited
    assert (decision.begun_at, decision.ended_at) == (visit.booked_at, visit.held_at)
    assert payment.ended_at == visit.confirmed_at


def test_a_booking_that_is_never_decided_is_noted_as_such() -> None:
    shop = a_shop()
    shop.answers["GET /v1/bookings/{id}"] = [Answer(200, booking("queued"))]

    visit = shop.serve(a_buyer(shop))

    assert visit.ended == "gave up: still queued"
    assert [each.ended_at for each in visit.awaited] == [None]


def test_who_books_before_the_turn_is_not_noted_as_waiting_for_the_shop() -> None:
    shop = a_shop(**{"GET__/v1/bookings/{id}": [Answer(200, booking("confirmed"))]})

    assert shop.serve(a_buyer(shop, replace(PLAIN, hands_free=True))).awaited == []


def test_people_ahead_that_rise_break_a_promise() -> None:
    shop = a_shop()
    shop.answers[f"POST {QUEUE}"] = [
        Answer(201, {"number": 7, "queue_token": "q"}),
        Answer(200, {"number": 9, "queue_token": "q"}),
    ]
    shop.answers[f"GET {QUEUE}"] = [Answer(200, status(4))] * 4 + [Answer(200, status(9))]

    visit = shop.serve(a_buyer(shop, Habits(reloads=True)))

    assert "number 7 became 9" in visit.broken
    assert "people ahead rose from 2 to 4" in visit.broken


def test_a_serving_number_that_falls_breaks_a_promise_unless_it_is_only_an_old_copy() -> None:
    visit = Visit(0.0)
    visit.took_number(100, now=0.0)

    visit.saw(status(50), now=1.0)
    ahead = visit.saw(status(48), now=1.0 + STALE_SECONDS)
    young = list(visit.broken)
    visit.saw(status(48), now=1.1 + STALE_SECONDS)

    assert (ahead, young) == (49, [])
    assert visit.broken == ["serving fell from 50 to 48"]


@pytest.mark.parametrize(
    ("told", "broken"),
    [
        (booking("confirmed", tickets=[]), "is confirmed without tickets"),
        (booking("confirmed", amount_minor=9000), "which is not what its tickets do"),
        (booking("confirmed", amount_minor=9000, tickets_minor=9000), "which is not what its tickets do"),
        (booking("confirmed", amount_minor=9000, fees_minor=500), "which is not what its tickets do"),
    ],
)
def test_a_confirmation_that_is_none_breaks_a_promise(told: dict[str, Any], broken: str) -> None:
    shop = a_shop()
    shop.answers["GET /v1/bookings/{id}"] = [Answer(200, booking("held")), Answer(200, told)]

    visit = shop.serve(a_buyer(shop))

    assert len(visit.broken) == 1
    assert broken in visit.broken[0]


def test_an_end_that_is_another_one_later_breaks_a_promise() -> None:
    shop = a_shop()
    shop.answers["GET /v1/bookings/{id}"] = [
        Answer(200, booking("held")),
        Answer(200, booking("confirmed")),
        Answer(200, booking("expired")),
    ]

    visit = shop.serve(a_buyer(shop, Habits(reloads=True)))

    assert visit.broken == ["booking b1 ended confirmed and was expired later"]


def test_a_double_click_sends_the_same_request_twice_at_once() -> None:
    shop = a_shop()

    shop.serve(a_buyer(shop, Habits(double_clicks=True)))

    twice = [ask for ask in shop.asked if ask.route == BOOK]
    assert len(twice) == 2
    assert twice[0] == twice[1]


def test_one_key_that_gives_two_bookings_breaks_a_promise() -> None:
    shop = a_shop()
    shop.answers[f"POST {BOOK}"] = [Answer(202, booking("queued")), Answer(202, booking("queued", id="b2"))]

    visit = shop.serve(a_buyer(shop, Habits(double_clicks=True)))

    assert visit.broken == ["one key gave two bookings"]


def test_two_tabs_that_both_hold_break_a_promise_and_a_refused_one_does_not() -> None:
    spent = Answer(409, {"type": "/problems/admission-spent"})
    right, wrong = a_shop(), a_shop()
    right.answers[f"POST {BOOK}"] = [Answer(202, booking("queued")), spent]
    wrong.answers[f"POST {BOOK}"] = [Answer(202, booking("queued")), Answer(202, booking("queued", id="b2"))]
    wrong.answers["GET /v1/bookings/{id}"] = [Answer(200, booking("held"))] * 3 + [Answer(200, booking("confirmed"))]

    visits = [shop.serve(a_buyer(shop, Habits(two_tabs=True))) for shop in (right, wrong)]

    assert visits[0].broken == []
    assert visits[1].broken[0].startswith("one admission gave two holds")


def test_who_comes_too_late_takes_a_return_number_and_waits_for_it() -> None:
    shop = a_shop()
    shop.answers[f"POST {QUEUE}/me/enter"] = [
        Answer(409, {"type": "/problems/turn-lapsed"}),
        Answer(200, {"admission_token": "a"}),
    ]
    shop.answers[f"GET {QUEUE}"] = [Answer(200, status(7)), Answer(200, status(9, return_serving=2))]

    visit = shop.serve(a_buyer(shop))

    assert (visit.return_number, visit.ended) == (2, "confirmed")


def test_who_goes_away_and_misses_the_turn_stays_for_the_return_number() -> None:
    shop = a_shop()
    shop.answers[f"POST {QUEUE}/me/enter"] = [
        Answer(409, {"type": "/problems/turn-lapsed"}),
        Answer(200, {"admission_token": "a"}),
    ]
    waits = [*[Answer(200, status(5))] * 3, Answer(200, status(7)), *[Answer(200, status(9))] * 3]
    shop.answers[f"GET {QUEUE}"] = [*waits, Answer(200, status(9, return_serving=2))]
    away = Manners(away=(1_000.0, 1_000.0))

    visit = shop.serve(Buyer(1, Habits(goes_away=True), chance=random.Random(1), clock=shop.clock, manners=away))

    assert (visit.return_number, visit.ended) == (2, "confirmed")
    assert 1_000 < shop.now < 2_000


@pytest.mark.parametrize("phase", ["sold_out", "closed"])
def test_nobody_waits_for_a_queue_that_is_over(phase: str) -> None:
    shop = a_shop()
    shop.answers[f"GET {QUEUE}"] = [Answer(200, status(0, phase=phase))]

    assert shop.serve(a_buyer(shop)).ended == phase


@pytest.mark.parametrize(
    ("ending", "ended"), [(Ending.CANCELS, "cancelled"), (Ending.ABANDONS, "abandoned"), (Ending.LEAVES, "left")]
)
def test_not_everybody_pays(ending: Ending, ended: str) -> None:
    shop = a_shop()

    visit = shop.serve(a_buyer(shop, Habits(ending=ending)))

    assert visit.ended == ended
    assert "POST /v1/bookings/{id}/payment" not in shop.routes()


def test_a_declined_card_is_followed_by_a_good_one() -> None:
    shop = a_shop()
    shop.answers["GET /v1/bookings/{id}"] = [
        Answer(200, booking("held")),
        Answer(200, booking("held", payment={"outcome": "declined"})),
        Answer(200, booking("confirmed")),
    ]

    visit = shop.serve(a_buyer(shop, Habits(ending=Ending.DECLINED_FIRST)))

    cards = [ask.body for ask in shop.asked if ask.route == "/v1/bookings/{id}/payment"]
    assert visit.ended == "confirmed"
    assert len(cards) == 2
    assert cards[1] == {"payment_method": "pm_card_visa"}


def test_who_is_asked_by_the_bank_answers_once_and_tells_it_nothing_of_the_shop() -> None:
    shop = a_shop()
    page = "http://bank.example/3ds/payatt_1"
    waiting = Answer(200, booking("requires_action", payment={"outcome": None, "next_action_url": page}))
    shop.answers["GET /v1/bookings/{id}"] = [
        Answer(200, booking("held")), waiting, waiting, Answer(200, booking("confirmed")),
    ]  # fmt: skip
    shop.answers[f"POST {BANK}"] = [Answer(303)]

    visit = shop.serve(a_buyer(shop, Habits(authenticates=True)))

    (asked,) = [ask for ask in shop.asked if ask.route == BANK]
    (paid,) = [ask.body for ask in shop.asked if ask.route == "/v1/bookings/{id}/payment"]
    assert visit.ended == "confirmed"
    assert paid == {"payment_method": "pm_card_threeDSecure2Required"}
    assert (asked.path, asked.form, asked.headers) == (page, {"outcome": "complete"}, {})


def test_hands_free_books_before_the_turn_and_polls_only_the_booking() -> None:
    shop = a_shop()
    shop.answers["GET /v1/bookings/{id}"] = [Answer(200, booking("waiting")), Answer(200, booking("confirmed"))]

    visit = shop.serve(a_buyer(shop, Habits(hands_free=True)))

    assert (visit.ended, visit.number) == ("confirmed", 7)
    assert f"GET {QUEUE}" not in shop.routes()


SHARES = st.fixed_dictionaries(
    {name: st.floats(0, 0.2) for name in ("declined_first", "cancels", "abandons", "leaves", "hands_free")}
)


@given(SHARES, st.integers())
def test_the_same_chance_gives_the_same_buyer(shares: dict[str, float], seed: int) -> None:
    first, again = (habits(random.Random(seed), Shares(**shares)) for _ in range(2))

    assert first == again
    assert not (first.hands_free and first.ending in (Ending.CANCELS, Ending.ABANDONS, Ending.LEAVES))


@pytest.mark.parametrize("wrong", [{"cancels": -0.1}, {"cancels": 1.1}, {"cancels": 0.6, "abandons": 0.6}])
def test_shares_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="share"):
        Shares(**wrong)


def blocks(states: str, per_row: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A seat map of one block, and its availability."""
    runs = [
        {"first_ticket_id": 100 + at, "count": min(per_row, len(states) - at)} for at in range(0, len(states), per_row)
    ]
    return {"sections": [{"id": 1, "runs": runs}]}, {"sections": [{"id": 1, "states": states}]}


@given(st.text("fhs", min_size=1, max_size=60), st.integers(1, 4), st.integers(2, 10), st.integers())
def test_seats_pointed_at_are_free_and_side_by_side_in_one_row(
    states: str, party: int, per_row: int, seed: int
) -> None:
    seat_map, live = blocks(states, per_row)

    found = choosing.pointed_at(seat_map, live, party, random.Random(seed))

    rows = [states[at : at + per_row] for at in range(0, len(states), per_row)]
    if found is None:
        assert not any("f" * party in row for row in rows)
    else:
        places = [ticket - 100 for ticket in found]
        assert {states[place] for place in places} == {"f"}
        assert places == list(range(places[0], places[0] + party))
        assert len({place // per_row for place in places}) == 1


# A draw.

SEED = bytes(range(32)).hex()
IN_DRAW = {"waits_for": "opening", "size": None, "seed": None, "beacon_value": None}
CLOSED = {"waits_for": "beacon", "size": 1_000, "seed": None, "beacon_value": None}
HELD = {"waits_for": None, "size": 1_000, "seed": SEED, "beacon_value": "round 1"}
DRAWN = 418


def a_draw(*, joined: int = 1, drawn: int | None = DRAWN, **changed: list[Answer]) -> Shop:
    """As docs/draw.md has it: of a thousand, number 1 is drawn as 418."""
    statuses = [status(0, draw=IN_DRAW), status(0, draw=CLOSED), status(0, draw=HELD), status(500, draw=HELD)]
    place = {"pre_queue_number": joined if drawn else None, "drawn_number": drawn}
    return a_shop(
        **{
            f"POST__{QUEUE}": [Answer(201, {"number": joined, "queue_token": "q"})],
            f"GET__{QUEUE}": [Answer(200, {**one, "rate_per_minute": 600}) for one in statuses],
            f"GET__{QUEUE}/me": [Answer(200, place)],
            **changed,
        }
    )


def test_in_a_draw_people_ahead_are_counted_only_once_the_numbers_are_drawn() -> None:
    shop = a_draw()

    visit = shop.serve(a_buyer(shop))

    assert (visit.ended, visit.broken) == ("confirmed", [])
    assert (visit.pre_queue_number, visit.number, visit.people_ahead_at_first) == (1, DRAWN, 0)
    assert shop.routes().count(f"GET {QUEUE}/me") == 1


def test_a_shop_that_tells_another_drawn_number_than_follows_breaks_a_promise() -> None:
    shop = a_draw(drawn=7)

    assert "is told as (1, 7), and follows as (1, 418)" in shop.serve(a_buyer(shop)).broken[0]


def test_who_comes_after_the_entries_were_closed_is_not_drawn() -> None:
    # Their first look is at a copy from before.
    shop = a_draw(joined=1_001)
    shop.answers[f"GET {QUEUE}"].append(Answer(200, {**status(2_000, draw=HELD), "rate_per_minute": 600}))

    visit = shop.serve(a_buyer(shop))

    assert (visit.ended, visit.broken, visit.pre_queue_number, visit.number) == ("confirmed", [], None, 1_001)
    assert f"GET {QUEUE}/me" not in shop.routes()


def test_who_books_before_the_turn_waits_for_the_draw_first() -> None:
    refused = Answer(409, {"type": "/problems/not-drawn-yet"})
    shop = a_draw(**{f"POST__{BOOK}": [refused, Answer(202, booking("waiting", number=DRAWN))]})

    visit = shop.serve(a_buyer(shop, replace(PLAIN, hands_free=True)))

    assert (visit.ended, visit.broken, visit.number) == ("confirmed", [], DRAWN)


@pytest.mark.parametrize("phase", ["closed", "sold_out"])
def test_a_draw_that_is_never_held_ends_with_the_queue(phase: str) -> None:
    shop = a_draw()
    shop.answers[f"GET {QUEUE}"] = [
        Answer(200, status(0, draw=CLOSED)),
        Answer(200, status(0, draw=CLOSED, phase=phase)),
    ]

    assert shop.serve(a_buyer(shop)).ended == phase
