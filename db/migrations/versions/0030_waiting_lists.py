"""Waiting lists: who is offered tickets that come back after sold out, what was offered, and who was passed over."""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

# No row: the defaults. `released`: of the free tickets so many are for everybody; the rest is for the list.
LISTS = """
CREATE TABLE waiting_lists (
    event_id bigint NOT NULL,
    enabled boolean NOT NULL DEFAULT true,
    claim_seconds integer NOT NULL DEFAULT 600,
    began_at timestamptz,
    taken_up_to bigint NOT NULL DEFAULT 0,
    released integer NOT NULL DEFAULT 0,
    asked_to bigint NOT NULL DEFAULT 0,
    changes bigint NOT NULL DEFAULT -1,
    free integer NOT NULL DEFAULT 0,
    rounds integer NOT NULL DEFAULT 0,
    version integer NOT NULL DEFAULT 1,
    CONSTRAINT pk_waiting_lists PRIMARY KEY (event_id),
    CONSTRAINT fk_waiting_lists_event_id_events FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT ck_waiting_lists_claim_seconds CHECK (claim_seconds > 0)
)"""
ENTRIES = """
CREATE TABLE waiting_list_entries (
    event_id bigint NOT NULL,
    buyer_id uuid NOT NULL,
    number bigint NOT NULL,
    quantity integer NOT NULL DEFAULT 1,
    section_ids integer[] NOT NULL DEFAULT '{}',
    max_price_minor bigint,
    tell boolean NOT NULL DEFAULT false,
    joined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at timestamptz,
    asked_at timestamptz,
    asleep boolean NOT NULL DEFAULT false,
    told_at timestamptz,
    missed_at timestamptz,
    offer_id uuid,
    ended_at timestamptz,
    end_reason text,
    CONSTRAINT pk_waiting_list_entries PRIMARY KEY (event_id, buyer_id),
    CONSTRAINT fk_waiting_list_entries_buyer_id_buyers FOREIGN KEY (buyer_id) REFERENCES buyers (id),
    CONSTRAINT ck_waiting_list_entries_quantity CHECK (quantity > 0)
)"""
# Who is in line, in the order of the numbers; who sleeps is not looked through.
LINE = """
CREATE INDEX waiting_list_line ON waiting_list_entries (event_id, number)
 WHERE ended_at IS NULL AND offer_id IS NULL AND NOT asleep"""
OFFERED = """
CREATE INDEX waiting_list_offered ON waiting_list_entries (event_id)
 WHERE ended_at IS NULL AND offer_id IS NOT NULL"""
OFFERS = """
CREATE TABLE waiting_list_offers (
    event_id bigint NOT NULL,
    booking_id uuid NOT NULL,
    buyer_id uuid NOT NULL,
    number bigint NOT NULL,
    round integer NOT NULL,
    quantity integer NOT NULL,
    claim_seconds integer NOT NULL,
    offered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    window_at timestamptz,
    outcome text,
    CONSTRAINT pk_waiting_list_offers PRIMARY KEY (event_id, booking_id),
    CONSTRAINT fk_waiting_list_offers_booking FOREIGN KEY (event_id, booking_id) REFERENCES bookings (event_id, id)
)"""
# A round that offered something: who stood before somebody it offered a ticket to, and why they were passed over.
ROUNDS = """
CREATE TABLE waiting_list_rounds (
    event_id bigint NOT NULL,
    round integer NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    absent bigint[] NOT NULL,
    unfit bigint[] NOT NULL,
    CONSTRAINT pk_waiting_list_rounds PRIMARY KEY (event_id, round)
)"""
# What a buyer asked to be written, once: that it opens, that the turn is near.
REMINDERS = """
CREATE TABLE reminders (
    event_id bigint NOT NULL,
    buyer_id uuid NOT NULL,
    kind text NOT NULL,
    number bigint,
    asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at timestamptz,
    CONSTRAINT pk_reminders PRIMARY KEY (event_id, buyer_id, kind),
    CONSTRAINT fk_reminders_event_id_events FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT fk_reminders_buyer_id_buyers FOREIGN KEY (buyer_id) REFERENCES buyers (id),
    CONSTRAINT ck_reminders_kind CHECK (kind IN ('sale_opens', 'turn_near'))
)"""
REMINDERS_DUE = "CREATE INDEX reminders_due ON reminders (event_id, kind, number) WHERE done_at IS NULL"
REMINDERS_OF_BUYER = "CREATE INDEX reminders_of_buyer ON reminders (buyer_id) WHERE done_at IS NULL"
# Letters about no booking: to a buyer about an event. `occasion` tells the second "a ticket came back" from the first.
LETTERS = """
ALTER TABLE letters
    ALTER COLUMN booking_id DROP NOT NULL,
    ADD COLUMN buyer_id uuid,
    ADD COLUMN occasion text,
    DROP CONSTRAINT ck_letters_kind,
    ADD CONSTRAINT ck_letters_kind CHECK (kind IN ('needs_buyer', 'tickets', 'event_cancelled', 'refunded',
        'ticket_back', 'turn_near', 'sale_opens')) NOT VALID,
    ADD CONSTRAINT ck_letters_about CHECK ((booking_id IS NULL) = (buyer_id IS NOT NULL AND occasion IS NOT NULL))
        NOT VALID"""
LETTERS_VALID = "ALTER TABLE letters VALIDATE CONSTRAINT ck_letters_kind, VALIDATE CONSTRAINT ck_letters_about"
LETTERS_ONCE = """
CREATE UNIQUE INDEX letters_of_buyer ON letters (event_id, buyer_id, kind, occasion) WHERE booking_id IS NULL"""
LETTERS_BY_ADDRESS = """
CREATE INDEX letters_by_address ON letters (lower(address), created_at) WHERE booking_id IS NULL"""


def upgrade() -> None:
    tables = (LISTS, ENTRIES, LINE, OFFERED, OFFERS, ROUNDS, REMINDERS, REMINDERS_DUE, REMINDERS_OF_BUYER)
    # The indexes not CONCURRENTLY, as in 0014 and 0021: no letter is in them yet, so each is one reading of the table.
    for statement in (*tables, LETTERS, LETTERS_VALID, LETTERS_ONCE, LETTERS_BY_ADDRESS):
        op.execute(statement)
