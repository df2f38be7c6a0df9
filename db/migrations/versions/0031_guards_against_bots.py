"""What stands against bots at an event, where places were taken from, which were revoked, and whose became whose."""

from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None

# No row: nothing is asked of anybody. `work_bits`: how much a newcomer's browser must compute; 0 is nothing.
QUEUE_GUARDS = """
CREATE TABLE queue_guards (
    event_id bigint NOT NULL,
    work_bits integer NOT NULL DEFAULT 0,
    device_required boolean NOT NULL DEFAULT false,
    contact text NOT NULL DEFAULT '',
    version integer NOT NULL DEFAULT 1,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_by text NOT NULL,
    CONSTRAINT pk_queue_guards PRIMARY KEY (event_id),
    CONSTRAINT fk_queue_guards_event_id_events FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT ck_queue_guards_work_bits CHECK (work_bits BETWEEN 0 AND 26)
)"""

# Written by `onsale admit` with the journal, forgotten some days after the show. An IPv6 address is kept as its /64.
JOIN_ADDRESSES = """
CREATE TABLE join_addresses (
    event_id bigint NOT NULL,
    number bigint NOT NULL,
    address inet NOT NULL,
    CONSTRAINT pk_join_addresses PRIMARY KEY (event_id, number)
)"""
JOIN_ADDRESSES_BY_ADDRESS = "CREATE INDEX join_addresses_by_address ON join_addresses (event_id, address)"

# One place, or a block of addresses; undone ones stay, so that the list says what was done.
REVOCATIONS = """
CREATE TABLE revocations (
    id uuid NOT NULL,
    event_id bigint NOT NULL,
    number bigint,
    network cidr,
    reason text NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    made_by text NOT NULL,
    undone_at timestamptz,
    undone_by text,
    CONSTRAINT pk_revocations PRIMARY KEY (id),
    CONSTRAINT fk_revocations_event_id_events FOREIGN KEY (event_id) REFERENCES events (id),
    CONSTRAINT ck_revocations_what CHECK (num_nonnulls(number, network) = 1),
    CONSTRAINT ck_revocations_undone CHECK ((undone_at IS NULL) = (undone_by IS NULL))
)"""
REVOCATIONS_OF_EVENT = "CREATE INDEX revocations_of_event ON revocations (event_id, made_at)"

# `pending`: the queue has not been told yet, of the revocation or of its end.
REVOKED_PLACES = """
CREATE TABLE revoked_places (
    event_id bigint NOT NULL,
    number bigint NOT NULL,
    revocation_id uuid NOT NULL,
    pending boolean NOT NULL DEFAULT true,
    CONSTRAINT pk_revoked_places PRIMARY KEY (event_id, number, revocation_id),
    CONSTRAINT fk_revoked_places_revocation_id_revocations FOREIGN KEY (revocation_id) REFERENCES revocations (id)
)"""
REVOKED_PLACES_PENDING = "CREATE INDEX revoked_places_pending ON revoked_places (event_id, number) WHERE pending"

# The numbers that are revoked now, once for each revocation that has not been undone.
REVOKED_NOW = """
CREATE VIEW revoked_now AS
SELECT p.event_id, p.number FROM revoked_places p JOIN revocations r ON r.id = p.revocation_id
 WHERE r.undone_at IS NULL"""

# A guest signed in: the number is the account's now. `number` is the one that counts, `given_up` the other's, if any.
PLACE_HANDOVERS = """
CREATE TABLE place_handovers (
    event_id bigint NOT NULL,
    from_buyer uuid NOT NULL,
    to_buyer uuid NOT NULL,
    number bigint NOT NULL,
    given_up bigint,
    joined_at timestamptz NOT NULL,
    made_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT pk_place_handovers PRIMARY KEY (event_id, from_buyer)
)"""


def upgrade() -> None:
    for statement in (
        QUEUE_GUARDS,
        JOIN_ADDRESSES,
        JOIN_ADDRESSES_BY_ADDRESS,
        REVOCATIONS,
        REVOCATIONS_OF_EVENT,
        REVOKED_PLACES,
        REVOKED_PLACES_PENDING,
        REVOKED_NOW,
        PLACE_HANDOVERS,
    ):
        op.execute(statement)
