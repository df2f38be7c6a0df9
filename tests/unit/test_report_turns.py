"""Whether bookings were queued after the queue had called their numbers, as a sale report shows it."""

from __future__ import annotations

import pytest

from onsale.report.verify_report import Different, Report, turns

CALLED, BEFORE, AFTER, MADE_AT = (f"2026-05-01T{each}Z" for each in ("10:00:00", "09:59:58", "10:05:00", "20:00:00"))
IN_TIME = "2026-05-01T09:59:59.500Z"


def a_line(at, **said):
    return {"n": 1, "file line": 2, "at": at, **said}


def a_run(first, last, at=CALLED, kind=""):
    counted = {"first": 0, "last": 0, "return_first": 0, "return_last": 0}
    return a_line(at, **{**counted, f"{kind}first": first, f"{kind}last": last})


def booked(at, number=7, *, by_itself=False, return_number=None):
    back = {} if return_number is None else {"return_number": return_number}
    first = a_line(BEFORE, **{"from": "new", "to": "waiting" if by_itself else "queued", "number": number})
    given = a_line(at, **{"from": "queued", "to": "held"})
    if not by_itself:
        return {1: {**first, "at": at, **back}, 2: given}
    return {1: first, 2: a_line(at, **{"from": "waiting", "to": "queued"}, **back), 3: given}


def act(name, at=BEFORE, /, **body):
    return a_line(at, line=1, kind=name, body=body)


def shown(moves, *log, runs=None, enabled=True, made_at=MADE_AT):
    """How many bookings are shown to have been called."""
    runs = [a_run(1, 5), a_run(6, 10)] if runs is None else runs
    header = {"made_at": made_at, "dials": {} if enabled is None else {"enabled": enabled}}
    report = Report(header, moves={"b": moves}, runs=dict(enumerate(runs, 1)), log=list(log))
    turns(report)
    assert report.given == 1
    return report.called


@pytest.mark.parametrize("by_itself", [False, True])
@pytest.mark.parametrize("at", [AFTER, IN_TIME])
def test_who_was_called_first_is_in_order(at, by_itself):
    assert shown(booked(at, by_itself=by_itself)) == 1


@pytest.mark.parametrize("by_itself", [False, True])
def test_a_booking_before_its_number_was_called_is_found(by_itself):
    with pytest.raises(Different, match="number 7, which was called later: line 1 of the log"):
        shown(booked(BEFORE, by_itself=by_itself))


def test_a_booking_under_a_number_that_was_never_called_is_found():
    with pytest.raises(Different, match="number 11, which was called never"):
        shown(booked(AFTER, 11))


def test_a_return_number_is_called_as_a_return_number():
    runs = [a_run(1, 10), a_run(1, 2, kind="return_")]

    assert shown(booked(AFTER, return_number=2), runs=runs) == 1
    with pytest.raises(Different, match="return number 3, which was called never"):
        shown(booked(AFTER, return_number=3), runs=runs)


@pytest.mark.parametrize(
    ("moves", "log", "more"),
    [
        # The queue may have been off, or was at some time.
        (booked(BEFORE), [], {"enabled": None}),
        (booked(BEFORE), [], {"enabled": False}),
        (booked(BEFORE), [act("queue_changed", enabled={"from": False, "to": True})], {}),
        # It never ran: there is nothing to compare with.
        (booked(BEFORE), [], {"runs": []}),
        # A code of early entry; a waiting list that offers what came back.
        (booked(BEFORE), [act("codes_made", kind="early")], {}),
        (booked(AFTER, 11), [act("waiting_list_began", AFTER)], {}),
        # Redis was lost with a run that nobody had written down yet; it is called again, or what called it is gone.
        (booked(BEFORE), [act("queue_recovered", IN_TIME)], {}),
        (booked(BEFORE, 11), [act("queue_recovered", IN_TIME)], {}),
        # What called it is not in the report yet.
        (booked(AFTER, 11), [], {"made_at": AFTER}),
    ],
)
def test_of_what_the_lines_cannot_tell_nothing_is_said(moves, log, more):
    assert shown(moves, *log, **more) == 0


@pytest.mark.parametrize(
    ("moves", "log"),
    [
        (booked(BEFORE, by_itself=True), [act("codes_made", kind="early")]),
        (booked(BEFORE), [act("codes_made", kind="amount")]),
        (booked(BEFORE), [act("waiting_list_began", AFTER)]),
        (booked(AFTER, 11, by_itself=True), [act("waiting_list_began", BEFORE)]),
        (booked(BEFORE), [act("queue_recovered", AFTER)]),
        (booked(BEFORE), [act("queue_changed", rate_per_minute={"from": 1, "to": 2})]),
    ],
)
def test_what_explains_another_booking_explains_not_this_one(moves, log):
    with pytest.raises(Different, match="which was called"):
        shown(moves, *log)


def test_who_is_queued_to_be_told_that_all_is_sold_need_not_have_been_called():
    moves = booked(AFTER, 11, by_itself=True)
    moves[3] = a_line(AFTER, **{"from": "queued", "to": "sold_out"})
    report = Report({"made_at": MADE_AT, "dials": {"enabled": True}}, moves={"b": moves}, runs={1: a_run(1, 10)})

    turns(report)

    assert (report.called, report.given) == (0, 0)
