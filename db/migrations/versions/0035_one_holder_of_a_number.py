"""A number is one person's: whose each is after guests signed in, and one entry of a waiting list for each."""

from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None

# A guest whose number went along to an account may join anew: a second line of theirs, under another number. Not
# CONCURRENTLY, as in 0014: a second a million joins, which wait in Redis meanwhile.
BY_BUYER = "CREATE INDEX join_journal_by_buyer ON join_journal (event_id, buyer_id)"
MANY_NUMBERS = "ALTER TABLE join_journal DROP CONSTRAINT uq_join_journal_buyer"
GIVEN_UP = "CREATE INDEX place_handovers_given_up ON place_handovers (event_id, given_up)"

# Every number that somebody has, and whose it is now; one that was given up is nobody's.
NUMBERS_HELD = """
CREATE VIEW numbers_held AS
SELECT j.event_id, j.number, coalesce(h.to_buyer, j.buyer_id) AS buyer_id, j.joined_at
  FROM join_journal j
  LEFT JOIN place_handovers h ON h.event_id = j.event_id AND h.from_buyer = j.buyer_id AND h.number = j.number
 WHERE NOT EXISTS (SELECT FROM place_handovers g WHERE g.event_id = j.event_id AND g.given_up = j.number)"""

# Several people under one number: only who is offered something, or was first, stays.
TWINS_END = """
UPDATE waiting_list_entries w SET ended_at = clock_timestamp(), end_reason = 'left'
  FROM (SELECT event_id, buyer_id, row_number() OVER (PARTITION BY event_id, number
                                                          ORDER BY offer_id IS NULL, joined_at, buyer_id) AS nth
          FROM waiting_list_entries WHERE ended_at IS NULL) AS twin
 WHERE twin.nth > 1 AND w.event_id = twin.event_id AND w.buyer_id = twin.buyer_id"""
ONE_ENTRY = """
CREATE UNIQUE INDEX waiting_list_one_a_number ON waiting_list_entries (event_id, number) WHERE ended_at IS NULL"""


def upgrade() -> None:
    for statement in (BY_BUYER, MANY_NUMBERS, GIVEN_UP, NUMBERS_HELD, TWINS_END, ONE_ENTRY):
        op.execute(statement)
