"""The table of legal moves, tested whole."""

import pytest

from onsale.db.states import ENDED, FIRST, HOLDING, LEGAL_MOVES, NEW, SOLD, UNDECIDED, BookingState, may_move

S = BookingState
# Written out a second time, by hand, from the design: a move added to the table by mistake is missing here.
MOVES = """
waiting queued cancelled failed
queued held sold_out unavailable cancelled failed
held authorising committed expired cancelled failed
authorising requires_action authorised held payment_failed expired cancelled failed
requires_action authorising authorised held payment_failed expired cancelled
authorised committed expired cancelled failed
committed confirmed
confirmed refunding
refunding refunded confirmed
"""
WRITTEN_OUT = {words[0]: set(words[1:]) for words in map(str.split, MOVES.strip().splitlines())}


@pytest.mark.parametrize("before", S)
@pytest.mark.parametrize("after", S)
def test_a_move_is_legal_exactly_when_it_is_in_the_design(before, after):
    assert may_move(before, after) == (after in WRITTEN_OUT.get(before, set()))


def test_every_state_can_be_reached():
    reached, front = set(FIRST), set(FIRST)
    while front:
        front = {after for before in front for after in LEGAL_MOVES[before]} - reached
        reached |= front

    assert reached == set(S)


def test_every_booking_can_end_from_every_state():
    for state in S:
        reached, front = {state}, {state}
        while front:
            front = {after for before in front for after in LEGAL_MOVES[before]} - reached
            reached |= front
        assert reached & ENDED, state


def test_nothing_leads_from_held_tickets_to_a_refusal_or_back_into_the_queue():
    for state in HOLDING | SOLD:
        assert not LEGAL_MOVES[state] & (UNDECIDED | {S.SOLD_OUT, S.UNAVAILABLE})


def test_what_is_sold_is_never_held_again():
    for state in SOLD:
        assert not LEGAL_MOVES[state] & HOLDING


def test_the_groups_share_no_state():
    groups = [UNDECIDED, HOLDING, SOLD - ENDED, ENDED]

    assert sum(len(group) for group in groups) == len(set().union(*groups)) == len(S)


def test_the_record_has_a_word_for_not_there_before():
    assert NEW not in set(S)
