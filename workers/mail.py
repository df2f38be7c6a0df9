"""Sends the letters that are due, each at most once: what the mail server may have taken is not sent again by itself.

`waiting` is committed as `sending` right before the server could take the letter, and as `sent` after it said so. Why,
and what a kill between two steps leaves: docs/decisions/0058.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field

import structlog

from onsale.config import Config
from onsale.db import engine as record
from onsale.db import letters
from onsale.db.letters import Letter, LetterState
from onsale.errors import RecordUnavailable
from onsale.mail.message import sender_of
from onsale.mail.outbox import Outbox
from onsale.mail.post import Answer, Post, Said
from onsale.mail.smtp import SmtpPost, server_of
from onsale.workers.event_letters import NotNeeded
from onsale.workers.letters import NoAddress, composed
from onsale.workers.shop import Shop

LETTERS_MAX = 500
# Then the task ends and another wake-up goes on: a worker that is asked to stop should not go on for long.
WORK_SECONDS_MAX = 20.0
# A record that switches to its standby is back within seconds; what was sent should not look unclear for that.
NOTE_TRIES_MAX = 20
NOTE_SECONDS = 0.5
# A letter that has not got away for so long makes an alarm.
LATE_SECONDS = 300.0

S = LetterState
LOGGED = {
    S.SENT: "letter_sent",
    S.WAITING: "letter_put_off",
    S.UNCLEAR: "letter_unclear",
    S.FAILED: "letter_failed",
    S.DROPPED: "letter_dropped",
}

log = structlog.get_logger(__name__)


class Lost(Exception):
    """The letter is somebody else's by now."""


@dataclass(frozen=True)
class Delivered:
    """What became of the letters of one run, and whether the server was away."""

    ended: Mapping[LetterState, int] = field(default_factory=dict)
    away: bool = False


def post_of(config: Config) -> Post:
    """Who takes our letters: the SMTP server that is set, or else the folder."""
    if not config.smtp_url:
        return Outbox(config.outbox_dir)
    return SmtpPost(server_of(config.smtp_url), named=sender_of(config.mail_from).domain)


def deliver(shop: Shop, *, marked: bool = True) -> Delivered:
    """Send what is due, most urgent first, until nothing is, the server is away or the time is up; copies may run.

    `marked=False` leaves out the commit before the server may take a letter (that guard's negative control).
    """
    until = time.monotonic() + WORK_SECONDS_MAX
    ended: Counter[LetterState] = Counter(one.state for one in _give_up(shop))
    with closing(post_of(shop.config)) as post:
        for _ in range(LETTERS_MAX):
            if time.monotonic() > until or (letter := _claim(shop)) is None:
                break
            state, away = _deliver(shop, post, letter, marked=marked)
            ended[state] += 1
            if away:
                return Delivered(ended, away=True)
    return Delivered(ended)


def watch(shop: Shop) -> letters.Numbers:
    """Raise an alarm while letters do not get away, whoever should send them."""
    with record.reading(shop.engine) as connection:
        numbers = letters.numbers(connection)
    if (numbers.late_seconds or 0.0) > LATE_SECONDS:
        waiting = numbers.by_state.get(S.WAITING, 0)
        log.error("letters_late", waiting=waiting, oldest_seconds=round(numbers.late_seconds or 0.0))
    return numbers


def _claim(shop: Shop) -> Letter | None:
    with record.transaction(shop.engine) as connection:
        return letters.claim(connection)


def _give_up(shop: Shop) -> tuple[Letter, ...]:
    with record.transaction(shop.engine) as connection:
        given_up = letters.give_up(connection)
    for letter in given_up:
        log.error(LOGGED[letter.state], **_about(letter))
    return given_up


def _deliver(shop: Shop, post: Post, letter: Letter, *, marked: bool) -> tuple[LetterState, bool]:
    """The state that the letter is left in, and whether the server is away."""
    try:
        with record.reading(shop.engine) as connection:
            envelope, message = composed(connection, letter, config=shop.config)
    except NotNeeded as why:
        return _noted(shop, letter, S.DROPPED, why=str(why)), False
    except NoAddress as why:
        return _noted(shop, letter, S.FAILED, why=str(why)), False

    def at_the_brink() -> None:
        if marked:
            with record.transaction(shop.engine) as connection:
                if not letters.begin_sending(connection, letter):
                    raise Lost

    try:
        answer = post.hand_over(envelope, message, at_the_brink=at_the_brink)
    except Lost:
        log.warning("letter_lost", **_about(letter))
        return S.WAITING, False
    except RecordUnavailable as why:
        # Nothing was handed over, whether `sending` is committed or not.
        return _noted(shop, letter, S.WAITING, why=f"The record did not answer: {why}", untried=True), True
    return _note(shop, letter, answer), answer.said is Said.AWAY


def _note(shop: Shop, letter: Letter, answer: Answer) -> LetterState:
    """Write down what the server said."""
    if answer.said is Said.TAKEN:
        return _noted(shop, letter, S.SENT, why=answer.why)
    if answer.said is Said.UNCLEAR:
        return _noted(shop, letter, S.UNCLEAR, why=answer.why)
    if answer.said is Said.REFUSED:
        return _noted(shop, letter, S.FAILED, why=answer.why)
    return _noted(shop, letter, S.WAITING, why=answer.why, untried=answer.said is Said.AWAY)


def _noted(shop: Shop, letter: Letter, state: LetterState, *, why: str, untried: bool = False) -> LetterState:
    """Through a failover if there is one: what is not written down looks as if nobody knew."""
    for tries_left in reversed(range(NOTE_TRIES_MAX)):
        try:
            with record.transaction(shop.engine) as connection:
                if state is not S.WAITING:
                    letters.end(connection, letter, state, why=why)
                elif untried:
                    letters.not_tried(connection, letter, why=why)
                else:
                    state = letters.put_off(connection, letter, why=why)
            break
        except RecordUnavailable:
            if not tries_left:
                raise
            time.sleep(NOTE_SECONDS)
    told = log.info if state in (S.SENT, S.DROPPED) else log.warning if state is S.WAITING else log.error
    # Never the address, and not what the server said of it: it likes to repeat it.
    told(LOGGED[state], **_about(letter))
    return state


def _about(letter: Letter) -> dict[str, object]:
    return {
        "letter": str(letter.id),
        "kind": letter.kind.value,
        "booking_id": str(letter.booking_id) if letter.booking_id else None,
        "tries": letter.tries,
    }
