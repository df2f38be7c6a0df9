"""Which number somebody has who joined with another one, and back: staff revoke by the number joined with."""

from __future__ import annotations

import pytest

from onsale.queue.draw import DrawState, draw_key, drawn_as, joined_as

SIZE = 1_000
KEY = draw_key(bytes(32), "c0ffee", SIZE).hex()
HELD = DrawState(seed_hash="", beacon_name="drand 7", size=SIZE, key=KEY)
OPEN = DrawState(seed_hash="", beacon_name="drand 7")
CLOSED = DrawState(seed_hash="", beacon_name="drand 7", size=SIZE)


def test_everybody_in_a_draw_is_found_by_the_number_they_joined_with_and_back():
    drawn = [drawn_as(HELD, number) for number in range(1, SIZE + 1)]

    assert sorted(drawn) == list(range(1, SIZE + 1))
    assert drawn != sorted(drawn)
    assert [joined_as(HELD, number) for number in drawn] == list(range(1, SIZE + 1))


@pytest.mark.parametrize("draw", [OPEN, CLOSED])
def test_before_a_draw_was_held_nobody_in_it_has_another_number(draw):
    assert drawn_as(draw, 7) is None
    assert joined_as(draw, 7) == 7


@pytest.mark.parametrize("draw", [None, HELD, CLOSED])
def test_who_came_after_the_draw_or_where_none_is_keeps_the_number(draw):
    assert (drawn_as(draw, SIZE + 1), joined_as(draw, SIZE + 1)) == (SIZE + 1, SIZE + 1)
