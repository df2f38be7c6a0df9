"""Copies as fresh as the change stream says: looked up a few times a second, read by one, and old only in an outage."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from onsale.db.packed import Packed
from onsale.errors import NotFound, RecordUnavailable
from onsale.queue.catalogue_cache import Answer, Look, Turn
from onsale.web import fresh
from onsale.web.fresh import Fresh

TURN = Turn("token", "generation", 7)
FORM: Packed[int] = Packed(int)


class Cache:
    """Answers what it was told to, the last of it for ever; remembers what it was given to keep."""

    def __init__(self, *looks: Look) -> None:
        self.looks = list(looks)
        self.looked: list[str] = []
        self.kept: list[bytes] = []

    def look_up(self, name: str, place: int, *, known: str = "") -> Look:
        self.looked.append(known)
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    def keep(self, name: str, place: int, turn: Turn, text: bytes) -> bool:
        self.kept.append(text)
        return bool(text)


class Record:
    """Counts its readings; fails while `error` is set."""

    def __init__(self) -> None:
        self.readings = 0
        self.positions: list[int | None] = []
        self.error: Exception | None = None

    def __call__(self, key: str, position: int | None) -> int:
        self.readings += 1
        self.positions.append(position)
        if self.error is not None:
            raise self.error
        return self.readings


@pytest.fixture
def record() -> Record:
    return Record()


class Clock:
    """Stands still but for pauses; `over` makes every copy too old for whoever asks next."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def pause(self, seconds: float) -> None:
        self.now += seconds

    def over(self) -> None:
        self.pause(1.0)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def copies(record: Record, cache: Cache, clock: Clock | None = None, **options: Any) -> Fresh[str, int]:
    clock = clock or Clock()
    options = {"place": lambda key: (key, 1), "stale_seconds": 60.0} | options
    return Fresh(record, cache, FORM, clock=lambda: clock.now, pause=clock.pause, **options)  # type: ignore[arg-type]  # A cache for the test.


ALONE, SAME, WAIT, READ = Look(Answer.ALONE), Look(Answer.SAME), Look(Answer.WAIT), Look(Answer.READ, turn=TURN)


def hit(number: int) -> Look:
    return Look(Answer.HIT, f"tag {number}", FORM.pack(number))


def test_a_hundred_who_ask_cause_one_reading(record):
    kept = copies(record, Cache(ALONE))

    with ThreadPoolExecutor(20) as pool:
        told = set(pool.map(lambda _: kept.get("a"), range(100)))

    assert (told, record.readings) == ({1}, 1)


def test_what_another_process_has_read_is_not_read(record, clock):
    cache = Cache(hit(42), SAME)
    kept = copies(record, cache, clock)

    told = [kept.get("a"), clock.over(), kept.get("a")]

    assert (told, record.readings) == ([42, None, 42], 0)
    assert cache.looked == ["", "tag 42"]


def test_whose_turn_it_is_reads_and_keeps_it_for_all(record):
    cache = Cache(READ)

    assert copies(record, cache).get("a") == 1
    assert cache.kept == [b"1"]


def test_who_cannot_read_gives_the_turn_to_another(record):
    cache, record.error = Cache(READ), RecordUnavailable()

    with pytest.raises(RecordUnavailable):
        copies(record, cache).get("a")

    assert cache.kept == [b""]


def test_who_waits_takes_what_the_other_has_read(record, clock):
    assert copies(record, Cache(WAIT, WAIT, hit(42)), clock).get("a") == 42
    assert record.readings == 0


def test_nobody_waits_for_ever_for_who_has_died(record, clock):
    cache = Cache(WAIT)

    assert copies(record, cache, clock).get("a") == 1
    assert len(cache.looked) <= fresh.WAITED_SECONDS_MAX / fresh.LOOK_AGAIN_SECONDS + 2
    assert cache.kept == []


def test_what_is_not_there_is_remembered_for_a_moment_and_looked_for_again(record, clock):
    kept, record.error = copies(record, Cache(ALONE), clock), NotFound()
    for _ in range(3):
        with pytest.raises(NotFound):
            kept.get("a")
    assert record.readings == 1

    clock.over()
    record.error = None

    assert kept.get("a") == 2


def test_a_record_that_is_away_leaves_the_last_copy_and_not_for_ever(record, clock):
    kept = copies(record, Cache(ALONE), clock, stale_seconds=3.0)
    assert kept.get("a") == 1
    record.error = RecordUnavailable()

    clock.over()
    assert kept.get("a") == 1
    for _ in range(3):
        clock.over()
    with pytest.raises(RecordUnavailable):
        kept.get("a")


def test_a_copy_in_another_form_is_not_taken_for_one(record):
    assert copies(record, Cache(Look(Answer.HIT, "tag", b"not a number"))).get("a") == 1


def test_made_up_keys_do_not_fill_the_memory(record):
    kept = copies(record, Cache(ALONE), kept_max=10)

    for number in range(50):
        kept.get(str(number))

    assert len(kept._kept) == 10


def test_another_field_is_another_form():
    assert Packed(int).name != Packed(str).name
    assert Packed(int).name == FORM.name
    with pytest.raises(ValueError, match="valid integer"):
        FORM.unpack(b'"text"')


def test_who_reads_for_all_must_see_what_the_stream_was_followed_to_and_who_is_alone_everything(record, clock):
    kept = copies(record, Cache(READ, ALONE), clock)

    told = [kept.get("a"), clock.over(), kept.get("a")]

    assert (told, record.positions) == ([1, None, 2], [TURN.stamp, None])
