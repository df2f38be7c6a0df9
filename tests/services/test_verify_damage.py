"""Each way in which a record can be damaged, and the invariant of `onsale verify` that finds it."""

from __future__ import annotations

import pytest

from tests.services.small_sale import Sale

MOVE = "UPDATE booking_history SET to_state = 'held' WHERE booking_id = :paid AND to_state = 'confirmed'"
TWO_LIVE_SALES = """
    INSERT INTO booking_tickets (event_id, booking_id, ticket_id, price_minor, hold_version)
    SELECT event_id, :other, ticket_id, price_minor, 99 FROM booking_tickets WHERE booking_id = :paid
"""
ONE_SEAT_TWICE = """
    UPDATE tickets t SET row_name = o.row_name, seat_name = o.seat_name FROM tickets o
     WHERE t.booking_id = :other AND o.booking_id = :paid AND t.section_id = o.section_id
"""
ANOTHER_HOLD = """
    UPDATE bookings SET admission_id = (SELECT admission_id FROM bookings WHERE id = :other) WHERE id = :paid
"""
ONE_BUYER = "UPDATE bookings SET buyer_id = (SELECT buyer_id FROM bookings WHERE id = :other) WHERE id = :paid"
SAME_KEY = """
    UPDATE bookings SET buyer_id = (SELECT buyer_id FROM bookings WHERE id = :other),
           idempotency_key = (SELECT idempotency_key FROM bookings WHERE id = :other) WHERE id = :paid
"""
ALL_IN_ONE_MOMENT = """
    INSERT INTO admission_log (event_id, seq, first, last, return_first, return_last, admitted, passed, at)
    SELECT :event_id, 8, 8, 400, 0, 0, 393, '[]', max(at) FROM admission_log WHERE event_id = :event_id
"""
CALLED_TWICE = "UPDATE admission_log SET first = 2, last = 2 WHERE seq = 7 AND event_id = :event_id"
# As if the lane had seen number 1 and left it for later.
OVERTAKEN = """
    UPDATE bookings SET decided_at = decided_at + interval '1 hour',
           batch_snapshot = format('%s:%s:', pg_snapshot_xmax(batch_snapshot),
                                   pg_snapshot_xmax(batch_snapshot))::pg_snapshot
     WHERE id = :paid
"""
NOBODYS_PAYMENT = """
    WITH gone AS (DELETE FROM payments WHERE booking_id = :paid),
         sold AS (DELETE FROM captures WHERE booking_id = :paid),
         free AS (DELETE FROM booking_tickets WHERE booking_id = :paid),
         told AS (DELETE FROM booking_history WHERE booking_id = :paid),
         back AS (UPDATE tickets SET state = 'free', booking_id = NULL WHERE booking_id = :paid)
    DELETE FROM bookings WHERE id = :paid
"""

NEVER_CAPTURED = [
    "DELETE FROM captures WHERE booking_id = :paid",
    "DELETE FROM booking_history WHERE booking_id = :paid AND to_state = 'confirmed'",
    "UPDATE booking_history SET at = at - interval '1 hour' WHERE booking_id = :paid",
    "UPDATE bookings SET state = 'committed', version = version - 1, ended_at = NULL WHERE id = :paid",
]
BEFORE_THEIR_TURN = [
    """
    INSERT INTO queue_checkpoints VALUES (:event_id, 7, 0, 7, 0, now())
    ON CONFLICT (event_id) DO UPDATE SET serving = 7
    """,
    "UPDATE bookings SET number = 900, decided_at = now() - interval '1 minute' WHERE id = :held",
]
PAUSED = [
    "UPDATE sale_log SET at = at - interval '2 hours' WHERE event_id = :event_id",
    """
    INSERT INTO sale_log (event_id, seq, at, actor, kind, body)
    SELECT event_id, max(seq) + 1, now() - interval '1 hour', 'test', 'queue_changed',
           '{"phase": {"from": "open", "to": "paused"}}' FROM sale_log WHERE event_id = :event_id GROUP BY event_id
    """,
    "UPDATE queue_settings SET phase = 'paused' WHERE event_id = :event_id",
]

SWAPPED = """
    UPDATE bookings b SET buyer_id = o.buyer_id FROM bookings o
     WHERE (b.id = :paid AND o.id = :other) OR (b.id = :other AND o.id = :paid)
"""
NO_RUNS = [
    "INSERT INTO queue_checkpoints VALUES (:event_id, 7, 0, 7, 0, now()) ON CONFLICT (event_id) DO UPDATE "
    "SET serving = 7, issued = 7",
    "DELETE FROM admission_log WHERE event_id = :event_id",
]
NOT_LOGGED = "UPDATE queue_settings SET rate_per_minute = 600000 WHERE event_id = :event_id"
KEEPS_NOTHING = """
    CREATE OR REPLACE FUNCTION booking_history_is_kept() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RETURN NULL; END $$
"""
BACKWARDS = "UPDATE booking_history SET at = at - interval '1 hour' WHERE booking_id = :paid AND to_state = 'confirmed'"
# The sale is over in less than the second that clocks may differ.
ENDED_LATER = "UPDATE bookings SET ended_at = ended_at + interval '2 seconds' WHERE id = :late"
FOR_EVER = [
    f"UPDATE {table} SET {until} = {until} + interval '10 years' WHERE {booking} = :held"
    for table, until, booking in [("bookings", "hold_until", "id"), ("tickets", "held_until", "booking_id")]
]

DAMAGE: dict[str, tuple[str, list[str]]] = {
    "a ticket with two live sales": ("I1", ["DROP INDEX sale_index", TWO_LIVE_SALES]),
    "a sale of a free ticket": (
        "I1",
        ["UPDATE tickets SET state = 'free', booking_id = NULL WHERE booking_id = :paid"],
    ),
    "another index by the name of the sale index": (
        "I1",
        [
            "DROP INDEX sale_index",
            "CREATE UNIQUE INDEX sale_index ON booking_tickets (event_id, ticket_id, booking_id)",
        ],
    ),
    "two tickets of one seat": ("I1", [ONE_SEAT_TWICE]),
    "no sale index": ("I1", ["DROP INDEX sale_index"]),
    "a ticket sold for nobody's booking": ("I1", ["DELETE FROM booking_tickets WHERE booking_id = :paid"]),
    "a section with more tickets than it holds": (
        "I1",
        ["UPDATE sections SET capacity = 9 WHERE event_id = :event_id"],
    ),
    "a confirmed booking without a capture": ("I2", ["DELETE FROM captures WHERE booking_id = :paid"]),
    "a capture of another amount": ("I2", ["UPDATE captures SET amount_minor = 1 WHERE booking_id = :paid"]),
    "money taken for a booking that ran out": (
        "I2",
        ["INSERT INTO captures (event_id, booking_id, amount_minor) VALUES (:event_id, :late, 4500)"],
    ),
    "a payment only the provider knows": ("I2", [NOBODYS_PAYMENT]),
    "a payment that says it took nothing": ("I2", ["UPDATE payments SET captured_minor = 0 WHERE booking_id = :paid"]),
    "a payment that says it was cancelled": (
        "I2",
        ["UPDATE payments SET status = 'canceled' WHERE booking_id = :paid"],
    ),
    "a payment the provider does not know": ("I2", ["UPDATE payments SET intent_id = 'pi_x' WHERE booking_id = :paid"]),
    "a booking queued for an hour": (
        "I3",
        ["UPDATE bookings SET state = 'queued', queued_at = now() - interval '1 hour' WHERE id = :held"],
    ),
    "a booking that is gone": ("I3", ["DELETE FROM bookings WHERE event_id = :event_id AND state = 'unavailable'"]),
    "a hold that nobody ends": (
        "I3",
        [
            "UPDATE bookings SET hold_until = now() - interval '1 hour' WHERE id = :held",
            "UPDATE tickets SET held_until = now() - interval '1 hour' WHERE booking_id = :held",
        ],
    ),
    "a capture that never comes": ("I3", NEVER_CAPTURED),
    "two bookings of one key": ("I4", ["ALTER TABLE bookings DROP CONSTRAINT uq_bookings_key", SAME_KEY]),
    "no constraint on keys": ("I4", ["ALTER TABLE bookings DROP CONSTRAINT uq_bookings_key"]),
    "another constraint by the name of the keys'": (
        "I4",
        [
            "ALTER TABLE bookings DROP CONSTRAINT uq_bookings_key",
            "ALTER TABLE bookings ADD CONSTRAINT uq_bookings_key CHECK (true)",
        ],
    ),
    "a booking overtaken": ("I5", [OVERTAKEN]),
    "two bookings with each other's buyers": ("I5", [SWAPPED]),
    "a join of another moment": (
        "I5",
        ["UPDATE join_journal SET joined_at = joined_at + interval '1 minute' WHERE number = 3"],
    ),
    "a join after the queue had counted it": (
        "I5",
        [
            "INSERT INTO queue_checkpoints VALUES (:event_id, 7, 0, 7, 0, now() - interval '1 minute') "
            "ON CONFLICT (event_id) DO UPDATE SET at = excluded.at, issued = 7",
        ],
    ),
    "a join before its number was reserved": (
        "I5",
        ["UPDATE join_journal SET joined_at = joined_at - interval '1 hour' WHERE event_id = :event_id AND number = 1"],
    ),
    "a join after its number was called": (
        "I5",
        [
            # The last number: no higher one tells.
            "UPDATE join_journal SET joined_at = joined_at - interval '1 minute' WHERE event_id = :event_id",
            "UPDATE number_blocks SET reserved_at = reserved_at - interval '1 hour' WHERE event_id = :event_id",
            "UPDATE admission_log SET at = at - interval '1 minute' WHERE event_id = :event_id",
            "UPDATE sale_log SET at = at - interval '90 seconds' WHERE event_id = :event_id",
            "UPDATE join_journal SET joined_at = joined_at + interval '30 seconds' WHERE number = 7",
        ],
    ),
    "a join that is to come": (
        "I5",
        ["UPDATE join_journal SET joined_at = now() + interval '1 hour' WHERE event_id = :event_id AND number = 7"],
    ),
    "a join under a number that was never reserved": (
        "I5",
        ["INSERT INTO join_journal SELECT :event_id, max(last) + 1, gen_random_uuid(), now() FROM number_blocks"],
    ),
    "a join under a number that the queue had not given": (
        "I5",
        [
            "INSERT INTO queue_checkpoints VALUES (:event_id, 7, 0, 7, 0, now() + interval '1 minute') "
            "ON CONFLICT (event_id) DO UPDATE SET at = excluded.at, issued = 7",
            "INSERT INTO join_journal VALUES (:event_id, 8, gen_random_uuid(), now())",
        ],
    ),
    "a join that is gone": ("I5", ["DELETE FROM join_journal WHERE event_id = :event_id AND number = 5"]),
    "a booking under another buyer's number": ("I5", ["UPDATE bookings SET number = 2 WHERE id = :held"]),
    "a booking of someone who never joined": (
        "I5",
        ["UPDATE bookings SET buyer_id = gen_random_uuid() WHERE id = :held"],
    ),
    "no journal of joins": (
        "I5",
        [
            "DELETE FROM join_journal WHERE event_id = :event_id",
            "UPDATE bookings SET created_at = created_at - interval '1 minute' WHERE event_id = :event_id",
            "UPDATE admission_log SET at = at - interval '1 minute' WHERE event_id = :event_id",
            "UPDATE sale_log SET at = at - interval '2 minutes' WHERE event_id = :event_id",
        ],
    ),
    "no runs of the queue": ("I5", NO_RUNS),
    "a run missing at the end": (
        "I5",
        [NO_RUNS[0], "DELETE FROM admission_log WHERE event_id = :event_id AND seq = 7"],
    ),
    "a run missing": ("I5", ["DELETE FROM admission_log WHERE event_id = :event_id AND seq = 4"]),
    "the first run missing": ("I5", ["DELETE FROM admission_log WHERE event_id = :event_id AND seq = 1"]),
    "neither runs nor a checkpoint": (
        "I5",
        [
            "DELETE FROM admission_log WHERE event_id = :event_id",
            "DELETE FROM queue_checkpoints WHERE event_id = :event_id",
            "UPDATE bookings SET decided_at = decided_at - interval '1 minute' WHERE id = :held",
        ],
    ),
    "a hold that no batch gave": ("I5", ["UPDATE bookings SET batch_snapshot = NULL WHERE id = :held"]),
    "tickets for a number not called yet": ("I5", BEFORE_THEIR_TURN),
    "a number called twice": ("I5", [CALLED_TWICE]),
    "a number never called": ("I5", ["UPDATE admission_log SET first = 9, last = 9 WHERE seq = 7"]),
    "a number called and not let in": ("I5", ["UPDATE admission_log SET admitted = 0 WHERE seq = 7"]),
    "a crowd let in at once": ("I6", [ALL_IN_ONE_MOMENT]),
    "people let in through a paused queue": ("I6", PAUSED),
    "one admission, two holds": ("I6", ["DROP INDEX admission_index", ANOTHER_HOLD]),
    "no admission index": ("I6", ["DROP INDEX admission_index"]),
    "another index by the name of the admission index": (
        "I6",
        ["DROP INDEX admission_index", "CREATE UNIQUE INDEX admission_index ON bookings (id)"],
    ),
    "an admission that is no number's": ("I6", ["UPDATE bookings SET admission_id = 'forged' WHERE id = :held"]),
    "an admission of a return number that was not taken": (
        "I6",
        ["UPDATE bookings SET admission_id = 'r' || number WHERE id = :held"],
    ),
    "tickets without an admission": ("I6", ["UPDATE bookings SET admission_id = NULL WHERE id = :held"]),
    "a rate that nobody set": ("I6", [NOT_LOGGED]),
    "a rate that was set otherwise": (
        "I6",
        [
            """UPDATE sale_log SET body = jsonb_set(body, '{rate_per_minute,to}', '700')
                WHERE event_id = :event_id AND body ? 'rate_per_minute'"""
        ],
    ),
    "no sale log": ("I6", ["DELETE FROM sale_log WHERE event_id = :event_id"]),
    "a sale log with a gap": ("I6", ["UPDATE sale_log SET seq = seq + 1 WHERE event_id = :event_id"]),
    "a ticket held for a booking that ended": (
        "I7",
        ["UPDATE tickets SET state = 'held', held_until = now() + interval '1 hour' WHERE booking_id = :paid"],
    ),
    "a ticket held past its time": (
        "I7",
        ["UPDATE tickets SET held_until = now() - interval '1 hour' WHERE booking_id = :held"],
    ),
    "a hold let go early": (
        "I7",
        ["UPDATE bookings SET hold_until = now() + interval '1 hour' WHERE state = 'expired'"],
    ),
    "a ticket kept for a booking that ran out": (
        "I7",
        ["UPDATE booking_tickets SET released_at = NULL WHERE booking_id = :late"],
    ),
    "a ticket let go while its booking lives": (
        "I7",
        ["UPDATE booking_tickets SET released_at = now() WHERE booking_id = :held"],
    ),
    "a ticket let go at once": (
        "I7",
        ["UPDATE booking_tickets SET released_at = taken_at WHERE booking_id = :late", ENDED_LATER],
    ),
    "a hold for ten years": ("I7", FOR_EVER),
    "a hold moved more often than one may": ("I7", ["UPDATE bookings SET hold_extensions = 11 WHERE id = :held"]),
    "a ticket with another deadline than its booking": (
        "I7",
        ["UPDATE bookings SET hold_until = hold_until + interval '1 hour' WHERE id = :held"],
    ),
    "an amount that is not its tickets'": ("I8", ["UPDATE bookings SET amount_minor = 1 WHERE id = :held"]),
    "another currency": ("I8", ["UPDATE bookings SET currency = 'usd' WHERE id = :held"]),
    "a payment of another amount": ("I8", ["UPDATE payments SET amount_minor = 9999 WHERE booking_id = :paid"]),
    "a price that changed after the hold": (
        "I8",
        ["UPDATE sections SET price_minor = 1 WHERE event_id = :event_id"],
    ),
    "a fee that no terms ask for": (
        "I8",
        [
            "UPDATE bookings SET fees_minor = 100, price_terms = '{\"tax_bp\": 0}' WHERE id = :held",
        ],
    ),
    "a booking priced without its event's fees": (
        "I8",
        ["UPDATE events SET price_terms = '{\"booking_fee_minor\": 100}' WHERE id = :event_id"],
    ),
    "a ticket of another price": ("I8", ["UPDATE booking_tickets SET price_minor = 1 WHERE booking_id = :paid"]),
    "a buyer with too many": ("I9", ["UPDATE events SET tickets_per_buyer = 1", ONE_BUYER]),
    "an event nobody finds": ("I10", ["DELETE FROM search_documents WHERE event_id = :event_id"]),
    "an event found by its old name": ("I10", ["UPDATE events SET name = 'Other' WHERE id = :event_id"]),
    "a history that ends elsewhere": ("I12", [MOVE]),
    "a history with a move from elsewhere": (
        "I12",
        ["UPDATE booking_history SET to_state = 'waiting' WHERE booking_id = :paid AND from_state = 'new'"],
    ),
    "a booking without a history": ("I12", ["DELETE FROM booking_history WHERE booking_id = :held"]),
    "a history with a gap": (
        "I12",
        [
            "UPDATE booking_history SET version = 99 WHERE booking_id = :paid AND to_state = 'confirmed'",
            "UPDATE bookings SET version = 99 WHERE id = :paid",
        ],
    ),
    "a version that its history does not know": ("I12", ["UPDATE bookings SET version = 99 WHERE id = :held"]),
    "a move the database was taught": ("I12", ["INSERT INTO booking_moves VALUES ('expired', 'held')"]),
    "an illegal move": (
        "I12",
        ["DELETE FROM booking_moves WHERE from_state = 'committed' AND to_state = 'confirmed'"],
    ),
    "a function that keeps no history": ("I12", [KEEPS_NOTHING]),
    "a trigger that fires on nothing": (
        "I12",
        [
            "DROP TRIGGER booking_moved ON bookings",
            """CREATE TRIGGER booking_moved AFTER UPDATE OF reason ON bookings
                   FOR EACH STATEMENT EXECUTE FUNCTION booking_history_is_kept()""",
        ],
    ),
    "a log that can be rewritten": ("I12", ["ALTER TABLE sale_log DISABLE TRIGGER append_only"]),
    "a history that runs backwards": ("I12", [BACKWARDS]),
    "histories no longer kept": ("I12", ["ALTER TABLE bookings DISABLE TRIGGER booking_moved"]),
}
# What must be said of it, where another rule of the same invariant finds something too.
SAID = {
    "a ticket with two live sales": "is taken for 2 bookings",
    "two bookings of one key": "has 2 bookings with the key",
    "one admission, two holds": "was spent by 2 bookings",
    "a ticket held for a booking that ended": "which is confirmed",
    "a ticket held past its time": "is held although its time was over",
    "two bookings with each other's buyers": "under number 1 is buyer",
    "a booking under another buyer's number": "and the number was given to",
    "a join of another moment": "and a lower one at",
    "a join after the queue had counted it": "and the queue had counted it at",
    "a join before its number was reserved": "and the block of it was reserved at",
    "a join after its number was called": "number 7 was called at",
    "a join that is to come": "which is to come",
    "a join under a number that was never reserved": "and the block of it was never reserved",
    "a join under a number that the queue had not given": "and the queue had given 7",
    "a join that is gone": "numbers 5 to 5 are in no line of the journal of joins",
    "an admission that is no number's": "under number 7 has the admission forged",
    "no journal of joins": "nobody is on record as having joined under it",
    "no runs of the queue": "its runs end with 0",
    "a run missing at the end": "its runs end with 6",
    "a run missing": "runs 4 to 4 are not in the journal",
    "the first run missing": "runs 1 to 1 are not in the journal",
    "a rate that nobody set": "rate_per_minute is 600000, and was last set to 6000",
    "a rate that was set otherwise": "rate_per_minute is 6000, and was last set to 700",
    "no sale log": "the queue was set 1 times, and the sale log tells of 0",
    "a ticket let go at once": "before the booking ended",
    "a hold for ten years": "0 extensions and 0 cards of 600 seconds do not give",
    "a function that keeps no history": "the function booking_history_is_kept is not the one",
    "a history that runs backwards": "and had moved to committed at",
    "a move the database was taught": "the database allows the move from expired to held",
}
# What else is wrong by itself once this is.
ALSO = {
    "a ticket with two live sales": {"I2", "I8"},
    "a ticket sold for nobody's booking": {"I2", "I8"},
    "a sale of a free ticket": {"I2", "I10"},
    "a hold that nobody ends": {"I7"},
    "a ticket kept for a booking that ran out": {"I1"},
    "a ticket let go while its booking lives": {"I1"},
    "a booking queued for an hour": {"I7", "I12"},
    "a ticket held for a booking that ended": {"I2", "I10"},
    "a payment only the provider knows": {"I10"},
    "two bookings of one key": {"I5"},
    "a buyer with too many": {"I5"},
    # The hour-old rows of a sale of which nothing was ever chained.
    "people let in through a paused queue": {"I12"},
    "a capture that never comes": {"I12"},
    "no journal of joins": {"I12"},
    # A number that is another one's is not its admission's either.
    "a booking under another buyer's number": {"I6"},
    # What is decided a minute earlier has a minute more than it may.
    "tickets for a number not called yet": {"I6", "I7"},
    "neither runs nor a checkpoint": {"I7"},
}


@pytest.mark.parametrize("what", list(DAMAGE))
def test_each_damage_breaks_its_invariant_and_no_other(sale: Sale, what: str) -> None:
    invariant, statements = DAMAGE[what]

    sale.damage(*statements)

    found = {finding.invariant: finding.examples for finding in sale.verified().findings if finding.ok is False}
    assert invariant in found
    assert SAID.get(what, "") in " ".join(found[invariant])
    assert set(found) <= {invariant} | ALSO.get(what, set())
