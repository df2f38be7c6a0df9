"""The order of numbers and return numbers, as a sale report shows it."""

from __future__ import annotations

import pytest

from onsale.report.verify_report import Different, Report, admissions

DIALS = {"rate_per_minute": 6, "phase": "open", "opens_at": "2026-05-01T10:00:00Z"}
# The first kind to be called after the queue was lost, then the other one, each once more.
RESTORED = (("", 9_003), ("return_", 9_004), ("", 9_004), ("return_", 9_005))


def a_run(seq, minute, kind, number):
    counted = {"first": 0, "last": 0, "return_first": 0, "return_last": 0}
    at = f"2026-05-01T11:{minute:02}:00Z"
    said = {"n": seq, "file line": seq, "at": at, "run": seq, "admitted": 1, "passed": []}
    return {**said, **counted, f"{kind}first": number, f"{kind}last": number}


def reported(called, *, lost=3_500, log=()):
    """Runs that each call one number; the queue was lost, and found again `lost` runs later, after the first two."""
    runs = [a_run(1, 0, "", 1), a_run(2, 1, "return_", 1)]
    runs += [a_run(3 + lost + n, 2 + n, kind, number) for n, (kind, number) in enumerate(called)]
    return Report({"dials": DIALS}, runs={run["run"]: run for run in runs}, log=list(log))


@pytest.mark.parametrize("called", [RESTORED, [RESTORED[1], RESTORED[0], *RESTORED[2:]]])
def test_both_kinds_of_numbers_jump_once_where_the_queue_was_restored(called):
    admissions(reported(called))


@pytest.mark.parametrize("called", [RESTORED, RESTORED[1:]])
def test_neither_jumps_where_it_was_not(called):
    with pytest.raises(Different, match="were called after 1"):
        admissions(reported(called, lost=0))


@pytest.mark.parametrize("wrong", [2, 3])
def test_a_second_jump_of_either_is_found(wrong):
    called = list(RESTORED)
    called[wrong] = (called[wrong][0], called[wrong][1] + 1)

    with pytest.raises(Different, match=r"were called after 900[34]"):
        admissions(reported(called))


def test_a_queue_that_was_switched_on_is_like_one_that_was_restored():
    body = {"enabled": {"from": False, "to": True}}
    on = {"n": 9, "file line": 9, "line": 1, "at": "2026-05-01T11:01:30Z", "kind": "queue_changed", "body": body}

    admissions(reported(RESTORED, lost=0, log=[on]))
