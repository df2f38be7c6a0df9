"""The band of one person: added up from the pieces, and kept from getting later."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from onsale.queue import band
from onsale.queue.band import Band

NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000


def body(*pieces: tuple[int | None, float, float], epoch: int = 1, opens_at_ms: int = 0) -> dict[str, Any]:
    told = [{"people": people, "fast_per_minute": fast, "slow_per_minute": slow} for people, fast, slow in pieces]
    return {"wait": {"epoch": epoch, "opens_at_ms": opens_at_ms, "pieces": told, "returns": told[-1:]}}


def minutes(told: Band | None) -> tuple[float, float]:
    assert told is not None
    return (
        (told.from_ms + band.EARLIER_MS - NOW_MS) / MINUTE_MS,
        (told.to_ms - band.LATER_MS - NOW_MS) / MINUTE_MS,
    )


def test_a_wait_is_added_up_over_the_pieces() -> None:
    two = body((100, 100, 50), (None, 20, 10))

    assert minutes(band.told(50, two, now_ms=NOW_MS)) == (0.5, 1)
    assert minutes(band.told(140, two, now_ms=NOW_MS)) == (1 + 2, 2 + 4)
    assert minutes(band.told(140, two, now_ms=NOW_MS, is_return=True)) == (7, 14)


def test_beyond_the_last_piece_nobody_can_know() -> None:
    assert band.told(101, body((100, 100, 50)), now_ms=NOW_MS) is None
    assert band.told(100, body((100, 100, 50)), now_ms=NOW_MS) is not None
    assert band.told(1, body(), now_ms=NOW_MS) is None


def test_before_the_opening_the_wait_begins_there() -> None:
    told = band.told(50, body((None, 100, 50), opens_at_ms=NOW_MS + 5 * MINUTE_MS), now_ms=NOW_MS)

    assert minutes(told) == (5.5, 6)


def test_a_band_told_before_gets_neither_later_nor_wider() -> None:
    before = Band(NOW_MS + 100, NOW_MS + 200, 1)

    assert band.kept(before, Band(NOW_MS + 150, NOW_MS + 300, 1)) == Band(NOW_MS + 150, NOW_MS + 200, 1)
    assert band.kept(before, Band(NOW_MS + 20, NOW_MS + 180, 1)) == Band(NOW_MS + 80, NOW_MS + 180, 1)
    assert band.kept(before, Band(NOW_MS + 250, NOW_MS + 300, 1)) == before


def test_a_new_epoch_begins_anew() -> None:
    later = Band(NOW_MS + 900, NOW_MS + 1_800, 2)

    assert band.kept(Band(NOW_MS, NOW_MS + 200, 1), later) == later
    assert band.kept(None, later) == later
    assert band.kept(later, None) is None


moments = st.integers(NOW_MS, NOW_MS + 10_000_000)


@given(st.lists(st.tuples(moments, moments).map(sorted), min_size=1, max_size=20))
def test_whatever_is_reckoned_what_is_told_only_narrows(ends: list[list[int]]) -> None:
    shown = Band(ends[0][0], ends[0][1], 1)
    for from_ms, to_ms in ends[1:]:
        after = band.kept(shown, Band(from_ms, to_ms, 1))
        assert after is not None
        assert after.from_ms <= after.to_ms <= shown.to_ms
        assert after.to_ms - after.from_ms <= shown.to_ms - shown.from_ms
        shown = after


def test_what_was_told_is_read_back_and_nonsense_is_nothing() -> None:
    told = Band(NOW_MS, NOW_MS + 5, 7)

    assert band.kept_text(told.text) == told
    for nonsense in (None, "", "1.2", "1.2.x", "5.4.1", "1.2.3.4", "1" * 20 + ".2.3", "-1.2.3"):
        assert band.kept_text(nonsense) is None
