"""What a superuser changes behind the triggers is caught by the chain: `onsale verify` finds it in I12."""

from __future__ import annotations

import pytest

from onsale.workers import chaining

DAMAGE = {
    "a line that was rewritten": (
        """UPDATE sale_chain_lines SET line = replace(line, '"expired"', '"cancelled"')
            WHERE line LIKE '%"expired"%'""",
        "is not the one that was chained",
    ),
    "a line that is gone": ("DELETE FROM sale_chain_lines WHERE position = 5", "is not the one that was chained"),
    "the last line gone": (
        "DELETE FROM sale_chain_lines WHERE position = (SELECT max(position) FROM sale_chain_lines)",
        "does not have its hash",
    ),
    "a line added at the end": (
        """INSERT INTO sale_chain_lines SELECT event_id, max(position) + 1, 'log', gen_random_uuid(), 1, '{}'
             FROM sale_chain_lines GROUP BY event_id""",
        "is in no batch",
    ),
    "a batch that is gone": ("DELETE FROM sale_chain_batches WHERE seq = 2", "does not follow the one before"),
    "a batch at another time": (
        "UPDATE sale_chain_batches SET at = replace(at, '20', '19') WHERE seq = 2",
        "does not have its hash",
    ),
    "a move that was chained and changed": (
        "UPDATE booking_history SET reason = 'friend' WHERE booking_id = :paid AND to_state = 'held'",
        "says something else than the record",
    ),
    "a capture that was chained and changed": (
        "UPDATE captures SET at = at - interval '1 hour' WHERE booking_id = :paid",
        "says something else than the record",
    ),
    "a decision made up anew": (
        "UPDATE bookings SET batch_snapshot = '5:5:' WHERE id = :paid",
        "says something else than the record",
    ),
    "a run that was chained and removed": ("DELETE FROM admission_log WHERE seq = 7", "is not on record"),
    "an act that was chained and changed": (
        "UPDATE sale_log SET actor = 'nobody' WHERE event_id = :event_id",
        "says something else than the record",
    ),
    "a row put in where it looks old": (
        """INSERT INTO captures (event_id, booking_id, amount_minor, written_in)
           SELECT event_id, id, 0, 3 FROM bookings WHERE id = :late""",
        "was passed over",
    ),
}


@pytest.fixture
def chained(sale):
    while chaining.chain(sale.engine, lines_max=9):
        pass
    return sale


def test_a_chained_sale_holds(chained):
    assert chained.finding("I12").ok, chained.finding("I12").examples


def test_a_log_whose_key_is_gone_is_not_said_to_hold(chained):
    chained.damage("DELETE FROM sale_chain_keys")

    finding = chained.finding("I12")

    assert finding.ok is None
    assert "the key of the chained log is deleted" in finding.note


@pytest.mark.parametrize("damage", DAMAGE)
def test_each_kind_of_damage_is_found_in_i12(chained, damage):
    statement, says = DAMAGE[damage]
    chained.damage(statement)

    finding = chained.finding("I12")

    assert finding.ok is False
    assert any(says in example for example in finding.examples), finding.examples


@pytest.mark.parametrize("table", ["sale_chain_lines", "sale_chain_batches", "refund_history"])
def test_a_log_that_can_be_rewritten_is_found(chained, table):
    chained.damage(f"ALTER TABLE {table} DISABLE TRIGGER append_only")

    assert "I12" in chained.broken()


def test_refunds_that_are_not_written_down_are_found(chained):
    chained.damage("DROP TRIGGER refund_moved ON refunds")

    assert "I12" in chained.broken()
