"""What a process knows of a house's seats: whoever follows the changes ends with what a whole document says."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.db.ids import EventId
from onsale.queue import ticket_marks
from onsale.queue.seats_seen import CHANGES_TOLD_MAX, WRITES_KEPT, Plan, SeatsSeen, SectionPlan
from onsale.queue.ticket_marks import MARK_BYTES, marks_that_differ

EVENT = EventId(7)
# Rows that are not in the order of their tickets, a gap, and general admission.
PLAN = Plan(
    (
        SectionPlan(1, False, ((6, 4), (1, 5))),
        SectionPlan(2, True, ((20, 5),)),
        SectionPlan(5, False, ((10, 3), (14, 2))),
    )
)
ORDINALS = [*range(1, 13), 14, 15, *range(20, 25)]

changes = st.lists(st.tuples(st.sampled_from(ORDINALS), st.sampled_from(b"fhs")), min_size=1, max_size=5)
histories = st.lists(changes, max_size=12)


def packed(change: list[tuple[int, int]]) -> bytes:
    return b"".join(ordinal.to_bytes(3, "big") + bytes([letter]) for ordinal, letter in change)


def fresh(seq: int = 0) -> SeatsSeen:
    return SeatsSeen.whole(EVENT, ("e", seq), PLAN, bytes(24 * MARK_BYTES))


def versions(history: list[list[tuple[int, int]]]) -> list[SeatsSeen]:
    seen = [fresh()]
    for change in history:
        seen.append(seen[-1].after(seen[-1].seq + 1, [(seen[-1].seq + 1, packed(change))]))
    return seen


def states(seen: SeatsSeen, section_id: int | None = None) -> dict[int, list[str]]:
    document = orjson.loads(seen.told(None, section_id))
    return {each["id"]: list(each["states"]) for each in document["sections"]}


def follow(known: dict[int, list[str]], document: dict[str, Any]) -> dict[int, list[str]]:
    """What a client does with an answer."""
    if document["since"] is None:
        return {each["id"]: list(each["states"]) for each in document["sections"]}
    for each in document["sections"]:
        for index, letter in each["changes"]:
            known[each["id"]][index] = letter
    return known


@given(histories, st.data())
def test_who_follows_the_changes_from_any_version_has_the_whole(history, data):
    seen = versions(history)
    before = data.draw(st.sampled_from(seen))
    now = seen[-1]

    document = orjson.loads(now.told(before.version))

    assert (document["since"], document["version"]) == (before.version, now.version)
    assert follow(states(before), document) == states(now)
    counts = {each["id"]: each for each in orjson.loads(now.told())["sections"]}
    assert all(each["free"] == counts[each["id"]]["free"] for each in document["sections"])
    assert document["free"] + document["held"] + document["sold"] == len(ORDINALS)


@given(histories, st.data(), st.sampled_from([1, 2, 5]))
def test_a_section_has_news_exactly_when_something_of_it_is_told(history, data, section_id):
    seen = versions(history)
    before = data.draw(st.sampled_from(seen))
    now = seen[-1]

    sections = orjson.loads(now.told(before.version, section_id))["sections"]

    assert bool(sections) is now.changed(before.seq, section_id)
    assert {each["id"] for each in sections} <= {section_id}


@given(histories, st.integers(0, 12))
def test_a_copy_read_whole_knows_the_versions_of_its_log(history, cut):
    seen = versions(history)
    writes = seen[-1].writes
    marks = bytearray(24 * MARK_BYTES)
    for _, some in writes:
        for at in range(0, len(some), 4):
            ordinal = int.from_bytes(some[at : at + 3], "big")
            marks[(ordinal - 1) * MARK_BYTES + ticket_marks.LETTER_AT] = some[at + 3]

    whole = SeatsSeen.whole(EVENT, ("e", len(writes)), PLAN, bytes(marks), writes=writes[cut:])

    assert states(whole) == states(seen[-1])
    for before in seen:
        known = whole.known(before.version)
        assert (known is None) is (before.seq < min(cut, len(writes)))
        if known is not None:
            assert orjson.loads(whole.told(before.version)) == orjson.loads(seen[-1].told(before.version))


def test_a_log_with_a_gap_is_known_from_after_the_gap():
    writes = [(1, packed([(1, 104)])), (3, packed([(2, 104)])), (4, packed([(3, 104)]))]

    seen = SeatsSeen.whole(EVENT, ("e", 4), PLAN, bytes(24 * MARK_BYTES), writes=writes)

    assert [seen.known(f"e.{seq}") for seq in range(5)] == [None, None, 2, 3, 4]


def test_another_reading_of_the_record_is_the_next_version():
    before = fresh()
    marks = bytearray(24 * MARK_BYTES)
    marks[11 * MARK_BYTES + 4] = ord("h")
    now = SeatsSeen.whole(EVENT, ("other", 0), PLAN, bytes(marks))

    after = before.becoming(now)

    assert (after.version, states(after)) == ("e.1", states(now))
    assert after.becoming(now) is after
    assert [each["changes"] for each in orjson.loads(after.told("e.0"))["sections"]] == [[[2, "h"]]]


@pytest.mark.parametrize(
    "since", [None, "", "e", "e.", ".1", "x.1", "e.-1", "e.01", "e.1.1", "é.1", "e.99999999999999999"]
)
def test_a_version_that_says_nothing_here_is_answered_with_everything(since):
    document = orjson.loads(versions([[(1, 104)]])[-1].told(since))

    assert (document["since"], len(document["sections"])) == (None, 3)


def test_one_ahead_of_this_process_has_missed_nothing():
    document = orjson.loads(versions([[(1, 104)]])[-1].told("e.5"))

    assert (document["since"], document["version"], document["sections"]) == ("e.1", "e.1", [])


def test_more_changes_than_are_told_one_by_one_are_told_whole():
    count = CHANGES_TOLD_MAX + 1
    plan = Plan((SectionPlan(1, False, ((1, count),)),))
    before = SeatsSeen.whole(EVENT, ("e", 0), plan, bytes(count * MARK_BYTES))

    def with_changes(how_many: int) -> dict[str, Any]:
        all_of_them = packed([(ordinal, 104) for ordinal in range(1, how_many + 1)])
        return orjson.loads(before.after(1, [(1, all_of_them)]).told("e.0"))

    assert len(with_changes(CHANGES_TOLD_MAX)["sections"][0]["changes"]) == CHANGES_TOLD_MAX
    assert with_changes(count)["since"] is None


def test_so_many_writes_are_remembered_and_no_more():
    seen = fresh()
    for seq in range(1, WRITES_KEPT + 2):
        seen = seen.after(seq, [(seq, packed([(1, b"hf"[seq % 2])]))])

    assert len(seen.writes) == WRITES_KEPT
    assert (seen.known("e.0"), seen.known("e.1")) == (None, 1)


def test_a_ticket_that_the_plan_does_not_have_is_nobodys():
    seen = fresh().after(1, [(1, packed([(13, 104), (16, 104), (25, 104), (1 << 20, 104)]))])

    assert states(seen) == states(fresh())
    assert [PLAN.place(ordinal) for ordinal in (0, 13, 16, 19, 25)] == [None] * 5


def test_a_plan_survives_being_written_down():
    assert Plan.from_json(PLAN.json()) == PLAN
    assert (PLAN.last_ordinal, Plan(()).last_ordinal) == (24, 0)


def test_only_what_differs_is_marked_anew():
    sold = (3).to_bytes(4, "big") + b"s" + b"\xff" * 6
    free = (2).to_bytes(4, "big") + b"f" + bytes(6)
    never = bytes(MARK_BYTES)

    assert marks_that_differ(5, never + sold + free, never + never + free) == [(6, 3, ticket_marks.SOLD_UNTIL_MS)]
    assert marks_that_differ(5, free, sold) == [(5, 2, 0)]
    assert marks_that_differ(5, sold, sold) == []
