"""What a restored queue leaves in the journal of joins is no damage: `onsale verify` (I5) knows where one went on."""

from __future__ import annotations

import pytest

# As workers/recovery.py writes it down: the queue went on behind number 20.
RESTORED = """
    INSERT INTO sale_log (event_id, seq, at, actor, kind, body)
    SELECT :event_id, max(seq) + 1, now() - interval '30 seconds', 'recovery', 'queue_recovered',
           '{"issued": 20, "unknown_first": 5, "serving": 4}' FROM sale_log WHERE event_id = :event_id
"""
# Two that were lost; one of them came back with a token.
LOST = "DELETE FROM join_journal WHERE event_id = :event_id AND number IN (5, 6)"
WITH_A_TOKEN = """
    INSERT INTO join_journal SELECT :event_id, 6, buyer_id, now() FROM bookings
     WHERE event_id = :event_id AND number = 6
"""
BEFORE = [
    f"UPDATE {table} SET {at} = {at} - interval '1 minute' WHERE event_id = :event_id"
    for table, at in (
        ("join_journal", "joined_at"),
        ("admission_log", "at"),
        ("number_blocks", "reserved_at"),
        ("queue_checkpoints", "at"),
    )
]
AFTER = """
    INSERT INTO join_journal SELECT :event_id, number, gen_random_uuid(), now() FROM generate_series(21, 22) AS number
"""


def of_joins(sale) -> list[str]:
    """What I5 says of joins alone: a run that was moved breaks other rules."""
    said = sale.finding("I5").examples
    return [one for one in said if "given at" in one or "journal of joins" in one]


def test_who_comes_with_a_token_of_a_number_that_was_lost_is_no_finding(sale):
    sale.damage(*BEFORE, RESTORED, LOST, WITH_A_TOKEN, AFTER)

    assert of_joins(sale) == []


def test_without_a_restored_queue_the_same_is_found(sale):
    sale.damage(*BEFORE, LOST, WITH_A_TOKEN, AFTER)

    said = " ".join(of_joins(sale))
    assert "number 6 was called at" in said
    assert "numbers 5 to 5 are in no line" in said
    assert "numbers 8 to 20 are in no line" in said


@pytest.mark.parametrize("number", [21, 22])
def test_behind_what_a_restored_queue_skipped_none_may_be_missing(sale, number):
    sale.damage(*BEFORE, RESTORED, LOST, AFTER)
    sale.damage(f"DELETE FROM join_journal WHERE event_id = :event_id AND number = {number}")

    assert ("numbers 21 to 21" in " ".join(of_joins(sale))) is (number == 21)


def test_a_draws_entry_of_more_numbers_is_one_line(sale):
    sale.damage(
        "INSERT INTO draw_lots (event_id, buyer_id, code_id, weight, first_number) "
        "VALUES (:event_id, gen_random_uuid(), 1, 5, 7)",
        "INSERT INTO join_journal VALUES (:event_id, 12, gen_random_uuid(), now())",
    )

    assert of_joins(sale) == []
