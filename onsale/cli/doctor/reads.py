"""ONSALE_READ_URL: whether it leads to a standby of this record, and how far behind that is."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.exc import ArgumentError

from onsale.cli.doctor.finding import Seen, broken, ok, warning
from onsale.config import Config
from onsale.db.engine import make_engine, reading
from onsale.errors import RecordUnavailable

# By then most of what everybody asks for is read from the primary all the same.
BEHIND_BYTES_MAX = 16 << 20
BEHIND_SECONDS_MAX = 10.0
MEBIBYTE = 1 << 20
INSTEAD = "the primary is read instead"


@dataclass(frozen=True, slots=True)
class Server:
    """One PostgreSQL: of which cluster, which process, how far its log can be seen, and how old the last of it is."""

    cluster: int
    database: str
    started: float
    in_recovery: bool
    lsn: int
    old_seconds: float


def examine(config: Config) -> Seen:
    """Ask both, the primary first: a standby that is in step seems to be no further behind than it is."""
    if not config.read_url:
        return ok("ONSALE_READ_URL is not set: everything is read from the primary.")
    primary = _ask(config.database_url)
    try:
        standby = _ask(config.read_url)
    except (RecordUnavailable, ArgumentError, ValueError):
        return reads(primary, None)
    return reads(primary, standby)


def reads(primary: Server, standby: Server | None) -> Seen:
    """What is read from there, and whether it could be wrong."""
    if standby is None:
        return warning(
            f"Nobody answers at ONSALE_READ_URL; {INSTEAD}, after a try every five seconds.",
            "Start the standby, mend ONSALE_READ_URL, or take it away and start the web anew.",
        )
    if (standby.cluster, standby.database) != (primary.cluster, primary.database):
        return broken(
            "ONSALE_READ_URL leads to another record: what it says of events may be anything.",
            "Take it away and start the web anew; then mend it.",
        )
    if not standby.in_recovery:
        if standby.started == primary.started:
            return warning(
                "ONSALE_READ_URL leads to the primary itself: nothing is saved, and each reading asks once more.",
                "Name a standby (target_session_attrs=prefer-standby), or take it away and start the web anew.",
            )
        return broken(
            "ONSALE_READ_URL leads to a server that was promoted, and goes on by itself beside the primary.",
            "Take it away and start the web anew; make that server a standby of the primary again.",
        )
    return _behind(max(0, primary.lsn - standby.lsn), standby.old_seconds)


def _behind(count: int, seconds: float) -> Seen:
    """By the log, and where there is more of it, by the clock: on a quiet primary the last commit may be old."""
    saw = f"The standby is {count / MEBIBYTE:.1f} MiB behind"
    late = count > 0 and seconds > BEHIND_SECONDS_MAX
    if count > BEHIND_BYTES_MAX or late:
        return warning(
            f"{saw}, {seconds:,.0f} s: until it is in step {INSTEAD}.",
            "Look for a long query on it (max_standby_streaming_delay), a paused replay, a slow disk or network.",
        )
    return ok(f"{saw}: events and lists are read from it.")


def _ask(url: str) -> Server:
    engine = make_engine(url, application_name="onsale doctor", pool_size=1, max_overflow=0)
    try:
        with reading(engine) as connection:
            return Server(**connection.execute(_ASK).one()._mapping)
    finally:
        engine.dispose()


_ASK = text("""
    SELECT (SELECT system_identifier FROM pg_control_system()) AS cluster, current_database()::text AS database,
           extract(epoch FROM pg_postmaster_start_time())::float AS started, pg_is_in_recovery() AS in_recovery,
           coalesce(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END
                    - '0/0'::pg_lsn, 0)::bigint AS lsn,
           coalesce(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0)::float
               AS old_seconds""")
