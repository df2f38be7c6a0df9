"""One simulated buyer of one event, without any I/O: joins, waits as the queue status says, enters, books, pays.

    steps = Buyer(event_id, habits, chance=chance, clock=clock).steps()

An ordinary client of the public API: it knows nothing that a buyer's browser could not know, and it checks what it is
told like a suspicious one: `visit.broken` lists every promise it saw broken.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from onsale.sandbox.visitor import choosing, drawing, habits
from onsale.sandbox.visitor.habits import Ending, Habits
from onsale.sandbox.visitor.steps import Answer, Ask, Steps, Wait, poll_seconds
from onsale.sandbox.visitor.visit import ENDED, OVER, Awaiting, Stage, Visit

# A "not now" is waited out this often, as long as Retry-After says but no longer than this.
RETRIES_MAX = 40
RETRY_SECONDS_MAX = 15.0
RETRY_SECONDS = 1.0
WAIT_POLLS_MAX = 10_000
RESULT_POLLS_MAX = 240
# How often somebody who was refused chooses again.
CHOICES_MAX = 4
# A browser polls as often as the document says, give or take; so does the crowd.
JITTER = (0.8, 1.2)
# How the shop says that the turn has come and gone, and that somebody else was quicker.
TURN_MISSED = ("turn-lapsed", "not-your-turn")
TAKEN = "ticket-taken"
BANK = "the bank's page"
NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True)
class Manners:
    """How long people take, in seconds: to choose, to pay, and while they are away."""

    choose: tuple[float, float] = (3.0, 15.0)
    pay: tuple[float, float] = (4.0, 20.0)
    away: tuple[float, float] = (20.0, 60.0)


class GaveUp(Exception):
    """The shop refused, or did not answer too often; this buyer goes home."""


class Buyer:
    """One buyer; `visit` may be looked at from outside while it goes on."""

    def __init__(
        self,
        event_id: int,
        habits: Habits,
        *,
        chance: random.Random,
        clock: Callable[[], float],
        manners: Manners | None = None,
        token: str | None = None,
    ) -> None:
        self.habits = habits
        self.visit = Visit(arrived_at=clock())
        self._queue = f"/v1/events/{event_id}/queue"
        self._event = f"/v1/events/{event_id}"
        self._chance = chance
        self._clock = clock
        self._manners = manners or Manners()
        self._headers: dict[str, str] = {"Authorization": f"Bearer {token}"} if token else {}
        self._sections: list[int] = []
        self._authenticated: set[str] = set()
        self._was_away = False

    def steps(self) -> Steps[None]:
        """The whole visit; always ends, with `visit.ended` saying how."""
        try:
            self.visit.ended = yield from self._whole_visit()
        except GaveUp as reason:
            self.visit.ended = f"gave up: {reason}"
        finally:
            self.visit.stage = Stage.DONE
            self.visit.ended_at = self._clock()

    def _whole_visit(self) -> Steps[str]:
        if not self._headers:
            session = yield from self._ask("POST", "/v1/guests", "/v1/guests", body={})
            self._headers["Authorization"] = f"Bearer {session['token']}"
        return (yield from self._visit_after_sign_in())

    def _visit_after_sign_in(self) -> Steps[str]:
        if self.habits.hands_free:
            return (yield from self._book_hands_free())
        yield from self._join()
        over = yield from self._wait_for_turn()
        if over:
            return over
        entered = yield from self._enter()
        if isinstance(entered, str):
            return entered
        yield from self._think(self._manners.choose)
        if self.habits.ending is Ending.LEAVES:
            yield from self._leave()
            return "left"
        return (yield from self._choose_and_book(entered["admission_token"]))

    # The queue.

    def _join(self) -> Steps[None]:
        joined = yield from self._ask("POST", self._queue, "/v1/events/{id}/queue")
        self._headers["Queue-Token"] = joined["queue_token"]
        self.visit.took_number(joined["number"], now=self._clock())

    def _wait_for_turn(self) -> Steps[str | None]:
        """Poll the status everybody polls until the turn has come; what the queue ended with if it did not."""
        reload_at = self._chance.randrange(1, 4) if self.habits.reloads else 0
        # Once: who went away again from each return number would never be in time.
        away_at = self._chance.randrange(1, 3) if self.habits.goes_away and not self._was_away else 0
        shown_at = float("-inf")
        for polls in range(1, WAIT_POLLS_MAX):
            status = yield from self._status()
            if drawing.awaits(status, self.visit):
                over = yield from self._wait_for_draw(status)
                if over:
                    return over
                continue
            now = self._clock()
            ahead = self.visit.saw(status, now=now)
            if self.visit.is_called:
                self.visit.turn_at = now
                return None
            if status["phase"] in OVER:
                return str(status["phase"])
            asked = status["heartbeat"]
            wanted = self.visit.return_number is not None or self.visit.place <= asked["up_to"]
            if wanted and now - shown_at >= asked["every_seconds"]:
                yield from self._ask("POST", f"{self._queue}/me/heartbeat", "/v1/events/{id}/queue/me/heartbeat")
                shown_at = now
            if polls == reload_at:
                yield from self._join()
            if polls == away_at:
                self._was_away = True
                yield from self._think(self._manners.away)
                continue
            yield Wait(poll_seconds(status, ahead) * self._chance.uniform(*JITTER))
        raise GaveUp("waited too long")

    def _wait_for_draw(self, status: dict[str, Any]) -> Steps[str | None]:
        def place() -> Steps[Any]:
            return self._ask("GET", f"{self._queue}/me", "/v1/events/{id}/queue/me")

        def rest(seen: Mapping[str, Any]) -> Wait:
            return Wait(poll_seconds(seen, 0) * self._chance.uniform(*JITTER))

        return (yield from drawing.wait(self.visit, status, drawing.Ways(self._status, place, rest, self._chance)))

    def _status(self) -> Steps[dict[str, Any]]:
        status: dict[str, Any] = yield from self._ask("GET", self._queue, "/v1/events/{id}/queue")
        return status

    def _enter(self) -> Steps[dict[str, Any] | str]:
        """The admission, or how the queue ended: who came too late takes a return number and waits once more."""
        for _ in range(CHOICES_MAX):
            answer = yield from self._answer("POST", f"{self._queue}/me/enter", "/v1/events/{id}/queue/me/enter")
            if answer.is_success:
                self.visit.entered_at = self._clock()
                self.visit.stage = Stage.INSIDE
                entered: dict[str, Any] = answer.document
                return entered
            if answer.problem not in TURN_MISSED:
                raise GaveUp(_refusal("enter", answer))
            back = yield from self._answer("POST", f"{self._queue}/me/return", "/v1/events/{id}/queue/me/return")
            if back.is_success:
                self.visit.took_return_number(back.document["return_number"])
            elif back.problem == "not-your-turn":
                # Nothing to come back from: the queue is behind what the status said, and will be there again.
                yield Wait(RETRY_SECONDS)
            else:
                raise GaveUp(_refusal("return", back))
            over = yield from self._wait_for_turn()
            if over:
                return over
        raise GaveUp("always too late")

    def _leave(self) -> Steps[None]:
        yield from self._ask("DELETE", f"{self._queue}/me", "/v1/events/{id}/queue/me")

    # Tickets.

    def _choose_and_book(self, admission_token: str) -> Steps[str]:
        """Choose, book, and choose again with less to ask for where somebody else was quicker."""
        party, state = self.habits.party, "unavailable"
        for choice in range(CHOICES_MAX):
            wishes = yield from self._wishes(party, pointing=self.habits.points_at_seats and choice < 2)
            booking = yield from self._book(wishes, {"Admission-Token": admission_token})
            if booking is None:
                continue
            booking = yield from self._result(booking)
            state = str(booking["state"])
            if state == "held":
                return (yield from self._end_of(booking))
            if state != "unavailable":
                return state
            party = 1
        # Whoever wants none of what is left makes room for the next.
        yield from self._leave()
        return state

    def _wishes(self, party: int, *, pointing: bool) -> Steps[list[dict[str, Any]]]:
        seats = f"{self._event}/seats"
        live = yield from self._ask("GET", f"{seats}/availability", "/v1/events/{id}/seats/availability")
        self._sections = [each["id"] for each in live["sections"] if each["free"] >= party]
        if pointing:
            seat_map = yield from self._ask("GET", seats, "/v1/events/{id}/seats")
            tickets = choosing.pointed_at(seat_map, live, party, self._chance)
            if tickets:
                return [{"tickets": tickets}]
        return choosing.best_available(party, self._sections, self._chance)

    def _book(
        self, wishes: list[dict[str, Any]], headers: Mapping[str, str], *, card: str | None = None
    ) -> Steps[dict[str, Any] | None]:
        """The booking as accepted; None when the seats pointed at were gone."""
        body = {"wishes": wishes, **({"payment_method": card} if card else {})}
        keys = [self._key()] * (2 if self.habits.double_clicks else 1)
        if self.habits.two_tabs and "Admission-Token" in headers:
            keys.append(self._key())
        answers = yield from self._answers(
            tuple(
                self._request("POST", f"{self._event}/bookings", "/v1/events/{id}/bookings", body, key, headers)
                for key in keys
            )
        )
        by_key = {key: each.document for key, each in zip(keys, answers, strict=True) if each.is_success}
        if not by_key:
            if any(each.problem == TAKEN for each in answers):
                return None
            if any(each.problem == drawing.NOT_DRAWN for each in answers):
                raise drawing.NotDrawn
            raise GaveUp(_refusal("book", answers[0]))
        if len({each.document["id"] for each in answers if each.is_success}) > len(by_key):
            self.visit.breaks("one key gave two bookings")
        for booking in by_key.values():
            self.visit.booked(booking["id"], now=self._clock())
        return (yield from self._the_one(list(by_key.values())))

    def _the_one(self, accepted: list[dict[str, Any]]) -> Steps[dict[str, Any]]:
        """Of two bookings of one admission only one may get tickets: the other was refused, and gave the turn back."""
        first = accepted[0]
        for twin in accepted[1:]:
            first, second = (yield from self._result(first)), (yield from self._result(twin))
            if first["tickets"] and second["tickets"]:
                self.visit.breaks(f"one admission gave two holds: {first['id']} and {second['id']}")
            first = first if first["tickets"] else second
        return first

    def _book_hands_free(self) -> Steps[str]:
        refused = self.habits.ending is Ending.DECLINED_FIRST
        card = self._chance.choice(habits.REFUSED_CARDS) if refused else self.habits.card
        wishes = choosing.best_available(self.habits.party, [], self._chance)
        try:
            booking = yield from self._book(wishes, {}, card=card)
        except drawing.NotDrawn:
            # The place is taken; what it is worth is still to be drawn.
            yield from self._join()
            over = yield from self._wait_for_draw((yield from self._status()))
            if over:
                return over
            booking = yield from self._book(wishes, {}, card=card)
        if booking is None:
            return "unavailable"
        self.visit.took_number(booking["number"], now=self._clock())
        booking = yield from self._result(booking, hands_free=True)
        if booking["state"] == "held":
            booking = yield from self._pay(booking, self.habits.card)
        return (yield from self._settled(booking))

    # Money.

    def _end_of(self, booking: dict[str, Any]) -> Steps[str]:
        """What this buyer does with tickets held."""
        self.visit.held_at = self._clock()
        yield from self._think(self._manners.pay)
        ending = self.habits.ending
        if ending is Ending.ABANDONS:
            return "abandoned"
        if ending is Ending.CANCELS:
            answer = yield from self._answer("DELETE", booking["url"], "/v1/bookings/{id}")
            return "cancelled" if answer.is_success else f"not cancelled: {answer.problem}"
        if ending is Ending.DECLINED_FIRST:
            booking = yield from self._pay(booking, self._chance.choice(habits.REFUSED_CARDS))
            if booking["state"] == "held":
                yield from self._think(self._manners.choose)
        if booking["state"] == "held":
            booking = yield from self._pay(booking, self.habits.card)
        return (yield from self._settled(booking))

    def _pay(self, booking: dict[str, Any], card: str) -> Steps[dict[str, Any]]:
        path, body = f"{booking['url']}/payment", {"payment_method": card}
        answer = yield from self._answer("POST", path, "/v1/bookings/{id}/payment", body=body, key=self._key())
        if not answer.is_success and answer.problem not in ("illegal-move", "hold-expired"):
            raise GaveUp(_refusal("pay", answer))
        return (yield from self._result(booking, waiting_for_card=answer.is_success))

    def _result(
        self, booking: dict[str, Any], *, hands_free: bool = False, waiting_for_card: bool = False
    ) -> Steps[dict[str, Any]]:
        """Poll the booking until it is held (and no card is being tried) or over."""
        what = Awaiting.PAYMENT if waiting_for_card else Awaiting.DECISION
        # One booked before its turn waits for that, and only then for the shop.
        awaited = None if hands_free else self.visit.awaits(what, now=self._clock())
        for _ in range(WAIT_POLLS_MAX if hands_free else RESULT_POLLS_MAX):
            yield Wait(float(booking["poll_seconds"]) * self._chance.uniform(*JITTER))
            booking = yield from self._ask("GET", booking["url"], "/v1/bookings/{id}")
            state = booking["state"]
            if state == "requires_action":
                yield from self._authenticate(booking["payment"] or {})
            card = (booking["payment"] or {}).get("outcome")
            # A hold with a card of its own is charged by itself; it is ours again once that one was declined.
            is_ours = state == "held" and (card == "declined" if hands_free or waiting_for_card else True)
            if state in ENDED or is_ours:
                if awaited is not None:
                    awaited.ended_at = self._clock()
                return booking
        raise GaveUp(f"still {booking['state']}")

    def _authenticate(self, payment: Mapping[str, Any]) -> Steps[None]:
        """Say yes on the bank's page, once for each time it asks; the shop hears of it by itself."""
        page = payment.get("next_action_url")
        if page is None or page in self._authenticated:
            return
        self._authenticated.add(page)
        yield from self._think(self._manners.pay)
        # Without our headers: a bank gets no token of the shop's.
        yield from self._answers((Ask("POST", page, BANK, form={"outcome": "complete"}),))

    def _settled(self, booking: dict[str, Any]) -> Steps[str]:
        """Check what the booking ended with; a reload must find the same."""
        self.visit.got(booking, now=self._clock())
        if self.habits.reloads:
            again = yield from self._ask("GET", booking["url"], "/v1/bookings/{id}")
            if again["state"] != booking["state"]:
                self.visit.breaks(f"booking {booking['id']} ended {booking['state']} and was {again['state']} later")
        return str(booking["state"])

    # One request.

    def _think(self, seconds: tuple[float, float]) -> Steps[None]:
        yield Wait(self._chance.uniform(*seconds))

    def _key(self) -> str:
        return str(UUID(int=self._chance.getrandbits(128), version=4))

    def _request(
        self,
        method: str,
        path: str,
        route: str,
        body: object | None = None,
        key: str | None = None,
        headers: Mapping[str, str] = NOTHING,
    ) -> Ask:
        keyed = {"Idempotency-Key": key} if key else {}
        return Ask(method, path, route, {**self._headers, **keyed, **headers}, body)

    def _ask(self, method: str, path: str, route: str, *, body: object | None = None) -> Steps[Any]:
        """The document of a request that must succeed; GaveUp when it does not."""
        answer = yield from self._answer(method, path, route, body=body)
        if not answer.is_success:
            raise GaveUp(_refusal(f"{method} {route}", answer))
        return answer.document

    def _answer(
        self, method: str, path: str, route: str, *, body: object | None = None, key: str | None = None
    ) -> Steps[Answer]:
        answers = yield from self._answers((self._request(method, path, route, body, key),))
        return answers[0]

    def _answers(self, asks: tuple[Ask, ...]) -> Steps[tuple[Answer, ...]]:
        """Requests sent at once, and again, all of them, while the shop says "not now" to any."""
        for _ in range(RETRIES_MAX):
            answers = yield asks
            if not any(each.later for each in answers):
                return answers
            wait = max(each.retry_after_seconds or RETRY_SECONDS for each in answers)
            yield Wait(min(wait, RETRY_SECONDS_MAX) * self._chance.uniform(*JITTER))
        asked, last = next((ask, each) for ask, each in zip(asks, answers, strict=True) if each.later)
        said = f"refused {RETRIES_MAX} times, last with {last.status}" if last.status else "no answer"
        raise GaveUp(f"{asked.method} {asked.route}: {said}")


def _refusal(what: str, answer: Answer) -> str:
    said = answer.document.get("detail", "") if isinstance(answer.document, dict) else ""
    return f"{what}: {answer.status} {answer.problem} {said}".strip()
