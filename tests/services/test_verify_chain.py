"""What a superuser changes behind the triggers is caught by the chain: `onsale verify` finds it in I12."""

from __future__ import annotations

import pytest

from onsale.workers import chaining
from tests.builders import an_event

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


AGED = [
    f"UPDATE {table} SET at = at - interval '10 minutes'"
    for table in ("booking_history", "captures", "admission_log", "sale_log", "refund_history")
]
EMPTIED = [f"DELETE FROM sale_chain_{table}" for table in ("lines", "batches", "keys", "reader")]
A_LOG_LINE = """
    INSERT INTO sale_log (event_id, seq, at, actor, kind, body)
    SELECT :event_id, max(seq) + 1, now() - interval '{}', 'test', 'word', '{{}}'
      FROM sale_log WHERE event_id = :event_id
"""
A_RUN = """
    INSERT INTO admission_log (event_id, seq, first, last, return_first, return_last, admitted, passed, at)
    SELECT :event_id, {0}, {0}, {0}, 0, 0, 1, '[]', now() - interval '20 minutes'
"""


@pytest.fixture
def old(sale):
    """A sale of ten minutes ago, chained to its end."""
    sale.damage(*AGED)
    while chaining.chain(sale.engine):
        pass
    return sale


def test_an_old_sale_that_is_chained_holds(old):
    assert old.finding("I12").ok, old.finding("I12")


def test_a_chain_that_was_emptied_as_a_whole_is_found(old):
    old.damage(*EMPTIED)

    finding = old.finding("I12")

    assert finding.ok is False
    assert any("rows older than 120 s are in no line of the chain: the first is a" in one for one in finding.examples)
    assert any("nothing is chained at all" in one for one in finding.examples)


def test_one_sale_that_was_emptied_out_of_a_chain_that_goes_on_is_found(old):
    an_event(old.engine)
    while chaining.chain(old.engine):
        pass
    old.damage(*(f"{one} WHERE event_id = :event_id" for one in EMPTIED[:3]), EMPTIED[3])

    finding = old.finding("I12")

    assert finding.ok is False
    assert any("are older than rows that have one" in one for one in finding.examples), finding.examples


def test_a_chain_that_was_emptied_and_made_anew_is_found_by_a_report_of_the_one_before(old):
    a_report = """
        INSERT INTO sale_reports
               (id, event_id, asked_by, asked_at, state, attempt, lines_done, lines_all, head, ended_at)
        SELECT gen_random_uuid(), event_id, 'staff', now(), 'ready', 1, last, last, encode(hash, 'hex'), now()
          FROM sale_chain_batches WHERE event_id = :event_id ORDER BY seq DESC LIMIT 1
    """
    old.damage(a_report)
    before = old.finding("I12")
    old.damage(*EMPTIED)
    while chaining.chain(old.engine):
        pass

    finding = old.finding("I12")

    assert before.ok, before
    assert finding.ok is False
    assert [one for one in finding.examples if "which the chained log does not have" in one], finding.examples


def test_rows_of_seconds_ago_need_no_line_yet(sale):
    assert sale.finding("I12").ok


def test_a_chain_that_is_behind_is_not_said_to_hold_and_says_what_to_do(old):
    old.damage(A_LOG_LINE.format("3 minutes"))

    finding = old.finding("I12")

    assert finding.ok is None
    assert "1 rows older than 120 s are not chained yet: the first is a log" in finding.note
    assert "start a `sweeps` worker" in finding.note


def test_a_row_that_was_left_out_although_later_ones_have_lines_is_found(old):
    old.damage(EMPTIED[3], A_LOG_LINE.format("20 minutes"))

    assert old.finding("I12").ok is False


def test_a_run_that_was_written_down_late_is_behind_and_one_before_a_chained_run_was_left_out(old):
    old.damage(A_RUN.format(9))
    behind = old.finding("I12").ok
    while chaining.chain(old.engine):
        pass
    old.damage(EMPTIED[3], A_RUN.format(8))

    assert behind is None
    assert old.finding("I12").ok is False
