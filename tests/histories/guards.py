"""Takes one guard out at a time: a history that ends wrongly must then be found, or the histories prove nothing.

A guard in a statement is a phrase of its text, which must be there once, so that nothing is taken out by mistake; a
guard in Python is a function that is replaced; a guard of the schema is dropped in the test's own database. A guard
that stands behind another one is never reached by code that is right: that one is taken out with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from sqlalchemy import Engine, TextClause, text

from onsale.db import charges, holds, house, lane, sql
from onsale.db.allocation import _Hall
from onsale.db.states import BookingState
from onsale.payments.provider import Intent
from onsale.workers import payment_steps, payments
from tests.histories.bank import NO, YES


@dataclass(frozen=True)
class Phrase:
    """A phrase of a statement in db/sql/, and what stands there without the guard."""

    statement: str
    phrase: str
    instead: str = ""


@dataclass(frozen=True)
class Own:
    """The same for a statement that a module holds itself."""

    module: Any
    name: str
    phrase: str
    instead: str = ""


@dataclass(frozen=True)
class Code:
    """A function of ours, and what it does without its guard."""

    owner: Any
    name: str
    instead: Callable[..., Any]


@dataclass(frozen=True)
class Schema:
    """What the schema holds, dropped."""

    statement: str


Part = Phrase | Own | Code | Schema


def _never_old(self: house.House, wanted: Any, changes: Any) -> tuple[int, ...]:
    return tuple(one for one in wanted if one not in self.sections)


def _gone_is_free(self: _Hall, ticket: Any) -> bool:
    return ticket in self._named and self._named[ticket].free


def _any_word_counts(intent: Intent, *, confirmed: bool, state: BookingState, waited: bool = False) -> Any:
    return payment_steps.seen(intent, confirmed=confirmed or intent.declined, state=state, waited=waited)


def _no_twin(*args: Any, twin_guard: bool = True) -> charges.Commit:
    return _commit(*args, twin_guard=False)


_commit = charges.commit
_HELD_ONLY = Phrase("write_batch", "AND t.id = w.id AND t.state = 'free'", "AND t.id = w.id")
_STILL_PAYING = Phrase("attempt_outcome", "AND b.state = ANY (CAST(:before AS text[])) AND", "AND")
_NOT_CAPTURED = Phrase("capture", "AND id = :id AND state = 'committed'", "AND id = :id")
_NO_CONFLICT = Phrase(
    "capture", "ON CONFLICT DO NOTHING\n    RETURNING event_id, booking_id\n", "RETURNING event_id, booking_id\n"
)
_ANY_MOVE = Schema("""
    INSERT INTO booking_moves SELECT a.to_state, b.to_state FROM booking_moves a, booking_moves b ON CONFLICT DO NOTHING
""")
_LANES = ("books", "lane_reads", "lane_writes")
_STALE = ("pays", "worker_reads", "worker_takes_the_step_it_read")
_WORKERS = (*_STALE, "worker_reads_and_takes_its_step")


@dataclass(frozen=True)
class Guard:
    """What is taken out, and among which steps a history is looked for that ends wrongly."""

    parts: tuple[Part, ...]
    steps: tuple[str, ...]


GUARDS = {
    "a hold takes only what is free": Guard((_HELD_ONLY,), _LANES),
    "one live sale per ticket, behind that": Guard((_HELD_ONLY, Schema("DROP INDEX sale_index")), _LANES),
    "a decision is written for a booking that is still queued": Guard(
        (Phrase("write_batch", "AND b.version = d.version AND b.state = 'queued'"),), (*_LANES, "cancels")
    ),
    "the tickets written are compared with those decided": Guard(
        (Code(lane, "_lost", lambda *_: frozenset()),), _LANES
    ),
    "a batch's ticket is given once": Guard((Code(_Hall, "_is_free", _gone_is_free),), ("books", "lane_reads")),
    "a house that is old is read anew": Guard((Code(house.House, "missing", _never_old),), _LANES),
    "a buyer's tickets are counted when a booking is accepted": Guard(
        (Phrase("accept_booking", " AND live.tickets + :tickets_wanted <= e.tickets_per_buyer"),), ("books", "sweeps")
    ),
    "a buyer's tickets are counted by the lane": Guard(
        (Phrase("read_batch", "CAST(q.wishes AS text), live.tickets,", "CAST(q.wishes AS text), 0,"),),
        ("books_twice_at_once", "lane_reads", "lane_writes"),
    ),
    "one booking per key": Guard(
        (Schema("ALTER TABLE bookings DROP CONSTRAINT uq_bookings_key"), Schema("DROP INDEX admission_index")),
        ("presses_twice",),
    ),
    "one live booking per admission": Guard(
        (Schema("DROP INDEX admission_index"),), ("books_again_with_the_same_admission", "sweeps")
    ),
    "nobody is queued before their turn": Guard(
        (Phrase("queue_admitted", "AND return_number IS NULL AND number <= :serving"),), ("books", "turn_comes")
    ),
    "a hold expires at its deadline and not before": Guard(
        (Own(holds, "_DUE", "AND hold_until < clock_timestamp()"),), ("sweeps", "time_passes")
    ),
    "a hold ends once": Guard(
        (Phrase("end_holds", "b.state = ANY (CAST(:before AS text[])) AND", ""),), (*_WORKERS, "cancels")
    ),
    "no card is tried after the deadline": Guard(
        (Phrase("new_attempt", " AND b.hold_until > clock_timestamp()"),), ("pays", "time_passes")
    ),
    "no time is given after the deadline": Guard(
        (Phrase("extend_hold", "AND b.hold_until > clock_timestamp() AND", "AND"),), ("asks_for_time", "time_passes")
    ),
    "no time is given to a hold that is being voided": Guard(
        (Phrase("extend_hold", " AND NOT b.voiding"),), ("pays", "cancels", "asks_for_time")
    ),
    "the same press is the same card": Guard((Code(charges, "attempt_by_key", lambda *_: None),), ("pays", "resumes")),
    "the newest card alone is written down": Guard(
        (Phrase("attempt_outcome", "AND later.attempt > a.attempt", "AND later.attempt < 0"),), (*_WORKERS, "resumes")
    ),
    "a voided booking takes no card's answer": Guard(
        (Phrase("attempt_outcome", " AND (NOT b.voiding OR :also_voiding)"),), (*_STALE, "cancels")
    ),
    "what a card says moves only a booking that is paying": Guard((_STILL_PAYING,), (*_WORKERS, "resumes")),
    "the legal moves, behind that": Guard((_STILL_PAYING, _ANY_MOVE), (*_WORKERS, "resumes")),
    "nothing is sold that is being voided": Guard(
        (Phrase("commit_booking", "AND id = :id AND NOT voiding", "AND id = :id"),), (*_WORKERS, "cancels")
    ),
    "a twin that finds the tickets sold cancels nothing": Guard((Code(charges, "commit", _no_twin),), _WORKERS),
    "one capture per booking": Guard(
        (_NOT_CAPTURED, _NO_CONFLICT, Schema("ALTER TABLE captures DROP CONSTRAINT pk_captures")), _WORKERS
    ),
    "an older card's answer is not taken for this one's": Guard(
        (Code(payments, "seen", _any_word_counts),), ("pays", "resumes")
    ),
    "a webhook that came before is no news": Guard(
        (Own(charges, "_WEBHOOK_RECEIVED", "SELECT EXISTS (SELECT FROM noted) AS new", "SELECT true AS new"),),
        ("hears_from_the_bank",),
    ),
}


_BEGINS = ("begins", {"who": 0, "what": 1, "card": None})
_READS, _TAKES = ("worker_reads", {"which": 0}), ("worker_takes_the_step_it_read", {})
_STEPS, _RESUMES = ("worker_reads_and_takes_its_step", {"which": 0}), ("resumes", {"which": 0})
_CANCELS = ("cancels", {"which": 0})


def _pays(card: str) -> tuple[str, dict[str, Any]]:
    return ("pays", {"which": 0, "card": card, "again": False})


def _books(lane: int) -> tuple[tuple[str, dict[str, Any]], ...]:
    asked = {"who": 1, "what": 1, "early": False, "card": None}
    return ("books", asked), ("lane_reads", {"which": lane, "size": 1}), ("lane_writes", {"which": lane})


# Histories that the search needs more than CI's patience for: told as they were found, or as they must be.
KNOWN: dict[str, tuple[tuple[str, dict[str, Any]], ...]] = {
    "a house that is old is read anew": (_BEGINS, *_books(1), *_books(0)),
    "a voided booking takes no card's answer": (_BEGINS, _pays(NO), _READS, _CANCELS, _TAKES),
    "nothing is sold that is being voided": (_BEGINS, _pays(YES), _STEPS, _READS, _CANCELS, _TAKES),
    "a twin that finds the tickets sold cancels nothing": (_BEGINS, _pays(YES), _STEPS, _STEPS, _TAKES),
    "one capture per booking": (_BEGINS, _pays(YES), _STEPS, _STEPS, _STEPS, _TAKES),
    "an older card's answer is not taken for this one's": (_BEGINS, _pays(NO), _RESUMES, _pays(YES), _RESUMES),
}


@contextmanager
def without(parts: tuple[Part, ...], engine: Engine) -> Iterator[None]:
    """The house without these, until the end of the block; what was dropped stays dropped."""
    phrases = [part for part in parts if isinstance(part, Phrase)]
    with ExitStack() as stack:
        if phrases:
            stack.enter_context(mock.patch.object(sql, "load", _loading(phrases)))
        for part in parts:
            if isinstance(part, Own):
                weak = text(_cut(str(getattr(part.module, part.name)), part))
                stack.enter_context(mock.patch.object(part.module, part.name, weak))
            elif isinstance(part, Code):
                stack.enter_context(mock.patch.object(part.owner, part.name, part.instead))
            elif isinstance(part, Schema):
                with engine.begin() as connection:
                    connection.execute(text(part.statement))
        yield


def _loading(phrases: list[Phrase]) -> Callable[[str], TextClause]:
    weak: dict[str, TextClause] = {}
    for part in phrases:
        weak[part.statement] = text(_cut(str(weak.get(part.statement, sql.load(part.statement))), part))
    as_it_is = sql.load
    return lambda name: weak[name] if name in weak else as_it_is(name)


def _cut(statement: str, part: Phrase | Own) -> str:
    found = statement.count(part.phrase)
    assert found == 1, f"the guard {part.phrase!r} is {found} times in its statement"
    return statement.replace(part.phrase, part.instead)
