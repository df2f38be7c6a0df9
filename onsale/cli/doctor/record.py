"""The record: whether PostgreSQL keeps what it acknowledged, also when a machine is lost, and has room for all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text
from sqlalchemy.exc import ArgumentError

from onsale.cli.doctor import reads
from onsale.cli.doctor.connecting import LIMITS, addresses, limits
from onsale.cli.doctor.examining import Part
from onsale.cli.doctor.finding import Seen, broken, not_checked, ok, warning, worst_for
from onsale.cli.doctor.pools import need, pools
from onsale.cli.doctor.rooms import room
from onsale.config import Config
from onsale.db.engine import make_engine, newest_revision, reading
from onsale.errors import RecordUnavailable

VERSION_MIN = 140_000
# A slot nobody reads keeps the log for ever: first a nuisance, then a full disk.
SLOT_BYTES_WARNING = 1 << 30
SLOT_BYTES_BROKEN = 16 << 30
# A transaction nobody ends holds its locks, and keeps dead rows of every table.
IDLE_SECONDS_WARNING = 30.0
IDLE_SECONDS_BROKEN = 600.0
STANDBY = "a synchronous standby: the last commits would be lost with the primary"
_SETTINGS = (
    "data_directory",
    "fsync",
    "full_page_writes",
    *LIMITS,
    "max_connections",
    # From PostgreSQL 16.
    "reserved_connections",
    "server_encoding",
    "server_version_num",
    "superuser_reserved_connections",
    "synchronous_commit",
    "synchronous_standby_names",
    "wal_level",
)


@dataclass(frozen=True, slots=True)
class Standby:
    """A server that follows; `sync_state` is None where this user may not see it."""

    name: str
    state: str | None
    sync_state: str | None


@dataclass(frozen=True, slots=True)
class Slot:
    """A replication slot, and how much of the log it keeps."""

    name: str
    active: bool
    bytes: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What the record says of itself to the user that Onsale connects with."""

    settings: Mapping[str, str]
    in_recovery: bool
    revision: str | None
    standbys: tuple[Standby, ...]
    slots: tuple[Slot, ...]
    connected: int
    # The longest that somebody sits in a transaction and does nothing, and who.
    idle_seconds: float
    idle_who: str


def examine(config: Config) -> Iterator[tuple[str, Seen]]:
    """Read everything in a few statements, then judge."""
    try:
        facts = _read(config.database_url)
    except (RecordUnavailable, ArgumentError, ValueError) as error:
        yield (
            "reachable",
            broken(
                f"It does not answer: {_why(error)}",
                "Start PostgreSQL, or mend ONSALE_DATABASE_URL. Until then nothing is sold, and no place is lost.",
            ),
        )
        for check in CHECKS[1:]:
            yield check, not_checked("The record does not answer.")
        return
    sandbox = config.environment == "sandbox"
    yield "reachable", ok("It answers.")
    yield "version", server_version(facts)
    yield "schema", schema(facts, newest=newest_revision())
    yield "primary", primary(facts)
    yield "commits", commits(facts)
    yield "disk writes", disk_writes(facts, sandbox=sandbox)
    yield "standby", standby(facts, sandbox=sandbox)
    yield "reads", reads.examine(config)
    yield "log level", log_level(facts)
    yield "slots", slots(facts)
    yield "idle transactions", idle_transactions(facts)
    yield "limits", limits(facts.settings)
    yield "addresses", _addresses(config, facts)
    yield "connections", _connections(config, facts)
    yield "disk", disk(facts)


def read(connection: Connection) -> Facts:
    """What is, in five short statements."""
    rows = connection.execute(_READ_SETTINGS, {"names": list(_SETTINGS)})
    settings = {str(name): str(value) for name, value in rows}
    standbys = tuple(Standby(*row) for row in connection.execute(_READ_STANDBYS))
    kept = tuple(Slot(*row) for row in connection.execute(_READ_SLOTS))
    now = connection.execute(_READ_NOW).one()
    return Facts(
        settings=settings,
        in_recovery=now.in_recovery,
        revision=MigrationContext.configure(connection).get_current_revision(),
        standbys=standbys,
        slots=kept,
        connected=now.connected,
        idle_seconds=now.idle_seconds or 0.0,
        idle_who=now.idle_who or "",
    )


def server_version(facts: Facts) -> Seen:
    """Whether it has what the statements need."""
    number = int(facts.settings["server_version_num"])
    saw = f"PostgreSQL {number // 10_000}.{number % 10_000}."
    if number < VERSION_MIN:
        return broken(saw, f"Upgrade to PostgreSQL {VERSION_MIN // 10_000} or newer.")
    if (encoding := facts.settings["server_encoding"]) != "UTF8":
        return broken(
            f"{saw} Its database is in {encoding}.", "Make one in UTF8: names are searched by Unicode's rules."
        )
    return ok(saw)


def schema(facts: Facts, *, newest: str) -> Seen:
    """Whether the tables are those this code was written for."""
    if facts.revision == newest:
        return ok(f"At {newest}, which this version wants.")
    if facts.revision is None:
        return broken("The database is empty.", "Run `onsale migrate`.")
    return broken(
        f"At {facts.revision}; this version wants {newest}.",
        "Run `onsale migrate`, with the newest version of Onsale that runs anywhere.",
    )


def primary(facts: Facts) -> Seen:
    """Whether it takes writes."""
    if facts.in_recovery:
        return broken(
            "This is a standby: it takes no writes.",
            "Name every server in ONSALE_DATABASE_URL with target_session_attrs=read-write, or promote this one.",
        )
    return ok("It takes writes.")


def commits(facts: Facts) -> Seen:
    """Whether an acknowledged commit outlives a crash of the server."""
    level = facts.settings["synchronous_commit"]
    if level == "off":
        return broken(
            "synchronous_commit is off: a crash of PostgreSQL forgets what was just acknowledged.",
            "Set synchronous_commit to on, for the server and for Onsale's user (ALTER ROLE ... SET).",
        )
    return ok(f"Acknowledged when they are written (synchronous_commit = {level}).")


def disk_writes(facts: Facts, *, sandbox: bool) -> Seen:
    """Whether what is written outlives a power cut."""
    off = [name for name in ("fsync", "full_page_writes") if facts.settings[name] != "on"]
    if not off:
        return ok("A power cut loses nothing (fsync and full_page_writes are on).")
    saw = f"{' and '.join(off)} off: a power cut can ruin the record."
    if sandbox:
        return ok(f"{saw} Fine for a laptop.", lacks="a record that outlives a power cut")
    return broken(saw, f"Set {' and '.join(off)} to on and restart PostgreSQL.")


def standby(facts: Facts, *, sandbox: bool) -> Seen:
    """Whether promises 1 to 3 outlive the primary."""
    names, level = facts.settings["synchronous_standby_names"], facts.settings["synchronous_commit"]
    following = ", ".join(f"{one.name} ({one.sync_state or 'state hidden'})" for one in facts.standbys)
    if not names:
        without = f"; {following} follows" if following else ""
        saw = f"Commits wait for no standby{without}: the last ones die with the primary."
        return worst_for(
            sandbox,
            saw,
            "Let a standby follow and name it in synchronous_standby_names; two, so that one may be away.",
            lacks=STANDBY,
        )
    if level in ("off", "local"):
        return warning(
            f"synchronous_standby_names is {names!r}, but Onsale's commits do not wait (synchronous_commit = {level}).",
            "Set synchronous_commit to on for Onsale's user.",
            lacks=STANDBY,
        )
    waited_for = [one.name for one in facts.standbys if one.sync_state in ("sync", "quorum")]
    if waited_for:
        return ok(f"Every commit waits for {', '.join(waited_for)}: promises 1 to 3 outlive the primary.")
    if facts.standbys and all(one.sync_state is None for one in facts.standbys):
        return not_checked(
            f"synchronous_standby_names is {names!r}; this user may not see who follows.",
            "GRANT pg_read_all_stats TO Onsale's user.",
        )
    return broken(
        f"Commits wait for {names!r} and nobody of that name follows: each hangs until it is cut off.",
        "Bring the standby back. If it is lost: take it out of synchronous_standby_names, and know what you give up.",
    )


def log_level(facts: Facts) -> Seen:
    """Whether a standby, a backup and the change stream can be had at all."""
    level = facts.settings["wal_level"]
    if level == "minimal":
        return warning(
            "wal_level is minimal: no standby and no continuous backup can follow.",
            "Set wal_level to replica, or to logical for a change stream, and restart PostgreSQL.",
            lacks=STANDBY,
        )
    return ok(f"wal_level is {level}.")


def slots(facts: Facts) -> Seen:
    """Whether a reader that went away keeps the log until the disk is full."""
    if not facts.slots:
        return ok("Nobody keeps the log.")
    worst = max(facts.slots, key=lambda one: one.bytes)
    who = "has a reader" if worst.active else "has no reader"
    saw = f"{len(facts.slots)}; {worst.name} keeps {worst.bytes / (1 << 20):,.0f} MiB of the log and {who}."
    do = f"Start its reader, or pg_drop_replication_slot('{worst.name}'); max_slot_wal_keep_size sets a limit."
    if worst.bytes > SLOT_BYTES_BROKEN:
        return broken(saw, do)
    if worst.bytes > SLOT_BYTES_WARNING or not worst.active:
        return warning(saw, do)
    return ok(saw)


def idle_transactions(facts: Facts) -> Seen:
    """Whether somebody holds locks and does nothing."""
    if facts.idle_seconds < IDLE_SECONDS_WARNING:
        return ok("Nobody sits in a transaction.")
    saw = f"{facts.idle_who} has sat in a transaction for {facts.idle_seconds:,.0f} s, and its locks with it."
    do = "End it: pg_terminate_backend, or by itself with idle_in_transaction_session_timeout."
    return broken(saw, do) if facts.idle_seconds > IDLE_SECONDS_BROKEN else warning(saw, do)


def disk(facts: Facts) -> Seen:
    """Whether there is room for what is to be written."""
    folder = facts.settings.get("data_directory")
    if folder is None or not Path(folder).exists():
        return not_checked("Its data is not to be seen from here.", "Look at the disk of PostgreSQL's own machine.")
    used = shutil.disk_usage(folder)
    return room("The data's disk", free=used.free, total=used.total)


def _read(url: str) -> Facts:
    """Over a connection with a lane's limits. ArgumentError or ValueError when SQLAlchemy cannot read the address."""
    engine = make_engine(
        url,
        application_name="onsale doctor",
        pool_size=1,
        max_overflow=0,
        lock_timeout_ms=LIMITS["lock_timeout"],
        statement_timeout_ms=LIMITS["statement_timeout"],
        idle_in_transaction_ms=LIMITS["idle_in_transaction_session_timeout"],
    )
    try:
        with reading(engine) as connection:
            return read(connection)
    finally:
        engine.dispose()


def _addresses(config: Config, facts: Facts) -> Seen:
    followers = [one.name for one in facts.standbys]
    return addresses(config.database_url, standbys=followers, waits_for=facts.settings["synchronous_standby_names"])


def _connections(config: Config, facts: Facts) -> Seen:
    reserved = ("superuser_reserved_connections", "reserved_connections")
    return pools(
        need(config),
        allowed=int(facts.settings["max_connections"]),
        reserved=sum(int(facts.settings.get(name, 0)) for name in reserved),
        connected=facts.connected,
    )


def _why(error: Exception) -> str:
    """The driver's first line: it names host and user; passwords are hidden by whoever prints it."""
    if not isinstance(error, RecordUnavailable):
        # Not its words: they quote the address. SQLAlchemy wants the ports of several hosts in the query.
        return "its address cannot be read (several hosts: ?host=one:5432&host=two:5432)."
    cause = error.__cause__
    spoken = str(getattr(cause, "orig", "") or error).strip().splitlines()
    return spoken[0] if spoken else str(error)


_READ_SETTINGS = text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names)")
# Whoever reads the change stream follows as well, and is no standby.
_READ_STANDBYS = text("""
    SELECT application_name, state, sync_state
      FROM pg_stat_replication
     WHERE pid NOT IN (SELECT active_pid FROM pg_replication_slots WHERE slot_type = 'logical' AND active)
     ORDER BY application_name
""")
_READ_SLOTS = text("""
    SELECT slot_name, active,
           coalesce(CASE WHEN pg_is_in_recovery() THEN 0
                         ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn) END, 0)::bigint
      FROM pg_replication_slots ORDER BY slot_name
""")
# Without pg_read_all_stats other users' states are hidden; Onsale's processes are all of this one.
_READ_NOW = text("""
    SELECT pg_is_in_recovery() AS in_recovery,
           (SELECT count(*) FROM pg_stat_activity WHERE datid IS NOT NULL) AS connected,
           idle.seconds AS idle_seconds, idle.who AS idle_who
      FROM (SELECT 1) AS one LEFT JOIN LATERAL (
           SELECT extract(epoch FROM clock_timestamp() - state_change)::float AS seconds,
                  coalesce(nullif(application_name, ''), 'Process ' || pid) AS who
             FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'
            ORDER BY state_change LIMIT 1) AS idle ON true
""")

CHECKS = (
    "reachable",
    "version",
    "schema",
    "primary",
    "commits",
    "disk writes",
    "standby",
    "reads",
    "log level",
    "slots",
    "idle transactions",
    "limits",
    "addresses",
    "connections",
    "disk",
)
PART = Part("record", "The record (PostgreSQL)", CHECKS, examine)
