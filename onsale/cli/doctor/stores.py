"""Queue, cache and broker: whether they answer, keep what they were given, and never throw a place in a queue away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from kombu import Connection  # type: ignore[attr-defined]  # kombu exports by a lazy module
from kombu.exceptions import KombuError
from redis import Redis
from redis.exceptions import RedisError

from onsale.cli.doctor.examining import Part
from onsale.cli.doctor.finding import Seen, broken, not_checked, ok, warning, worst_for
from onsale.config import Config
from onsale.queue.broker import BROKER_SECONDS_MAX
from onsale.queue.client import connect

VERSION_MIN = 7
# Above the first share of maxmemory one good minute fills it, above the second it is full for a buyer.
MEMORY_SHARE_WARNING = 0.75
MEMORY_SHARE_BROKEN = 0.95
LOG = "a queue that outlives its server's restart"
# What each is, and whether losing a key of it is noticed by anybody.
ROLES = ("queue", "cache", "broker")
KEEPS = frozenset({"queue", "broker"})
ASPECTS = ("reachable", "version", "eviction", "memory", "append-only log", "persistence")


@dataclass(frozen=True, slots=True)
class Facts:
    """What one server says: INFO, and the settings it lets us read."""

    info: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        return str(self.info.get("run_id", ""))


def examine(config: Config) -> Iterator[tuple[str, Seen]]:
    """Each of the three, side by side (a silent one takes its time), then whether they are three."""
    sandbox = config.environment == "sandbox"
    urls = (config.queue_url, config.cache_url, config.broker_url)
    with ThreadPoolExecutor(len(ROLES)) as pool:
        read_each = list(pool.map(_read_role, ROLES, urls))
    found: dict[str, Facts] = {}
    for role, (facts, seen) in zip(ROLES, read_each, strict=True):
        if facts is not None:
            found[role] = facts
        for aspect, each in judged(role, facts, sandbox=sandbox) if facts else seen:
            yield f"{role} {aspect}", each
    yield "separate", separate(found, sandbox=sandbox)
    yield "queue replicas", replicas(found.get("queue"), sandbox=sandbox)


def _read_role(role: str, url: str) -> tuple[Facts | None, Iterable[tuple[str, Seen]]]:
    """What the server says of itself; or, of one that is away or no Redis, all that can be said."""
    try:
        if role == "broker" and url.startswith(("amqp", "amqps")):
            return None, _rabbitmq(url)
        return (read_sentinel(url) if url.startswith("sentinel") else read(url)), ()
    except (RedisError, KombuError, OSError) as error:
        return None, _away(role, error)


def read(url: str) -> Facts:
    """Ask a Redis or Valkey. Raises RedisError."""
    client = connect(url)
    try:
        return _read(client)
    finally:
        client.close()


def read_sentinel(url: str) -> Facts:
    """Ask the primary that the Sentinels name, as kombu finds it. Raises KombuError or OSError."""
    with _connection(url) as connection:
        return _read(connection.default_channel.client)


def judged(role: str, facts: Facts, *, sandbox: bool) -> Iterator[tuple[str, Seen]]:
    """All that can be said of one server in this role."""
    yield "reachable", reachable(facts)
    yield "version", server_version(facts)
    yield "eviction", eviction(role, facts)
    yield "memory", memory(facts, sandbox=sandbox)
    yield "append-only log", append_only_log(role, facts, sandbox=sandbox)
    yield "persistence", persistence(facts)


def reachable(facts: Facts) -> Seen:
    """Whether it answers and takes writes."""
    if facts.info.get("role") in ("slave", "replica"):
        return broken("It answers, and is a replica: it takes no writes.", "Name the primary in its URL.")
    if facts.info.get("loading"):
        return warning("It answers, and still loads its log.", "Wait until it is through.")
    return ok("It answers.")


def server_version(facts: Facts) -> Seen:
    """Whether it has what the scripts need. Valkey calls itself Redis 7.2 for those who ask."""
    valkey, redis = facts.info.get("valkey_version"), str(facts.info.get("redis_version", "0"))
    saw = f"Valkey {valkey}." if valkey else f"Redis {redis}."
    if int(redis.partition(".")[0]) < VERSION_MIN:
        return broken(saw, f"Upgrade to Redis {VERSION_MIN} or newer, or to Valkey.")
    return ok(saw)


def eviction(role: str, facts: Facts) -> Seen:
    """Whether it throws away what it was told to keep when it is full."""
    policy = str(facts.info.get("maxmemory_policy", "noeviction"))
    if policy == "noeviction":
        return ok("Nothing is thrown away (noeviction).")
    if role not in KEEPS:
        return ok(f"What is oldest goes when it is full ({policy}), which a cache may.")
    lost = "places in queues" if role == "queue" else "wake-ups"
    return broken(
        f"maxmemory-policy is {policy}: when it is full, it throws {lost} away without a word.",
        "CONFIG SET maxmemory-policy noeviction, and in its file; a cache that evicts wants a server of its own.",
    )


def memory(facts: Facts, *, sandbox: bool) -> Seen:
    """Whether it is about to be full."""
    used, limit = int(facts.info.get("used_memory", 0)), int(facts.info.get("maxmemory", 0))
    if not limit:
        machine = int(facts.info.get("total_system_memory", 0))
        saw = f"{_mib(used)} MiB used, without a limit but the machine's {_mib(machine)}."
        return worst_for(sandbox, saw, "Set maxmemory below the machine's: an error is better than a killed server.")
    saw = f"{_mib(used)} of {_mib(limit)} MiB used."
    do = "Raise maxmemory (a waiting person takes 60 bytes), or find what else lives there: `redis-cli --bigkeys`."
    if used > limit * MEMORY_SHARE_BROKEN:
        return broken(saw, do)
    if used > limit * MEMORY_SHARE_WARNING:
        return warning(saw, do)
    return ok(saw)


def append_only_log(role: str, facts: Facts, *, sandbox: bool) -> Seen:
    """Whether a restarted server remembers; the record has a journal of the queue, but restoring it takes a while."""
    if not facts.info.get("aof_enabled"):
        if role not in KEEPS:
            return ok("Off. A cache needs none.")
        if role == "broker":
            return ok("Off: a restart forgets wake-ups, which are sent again from the record.")
        return worst_for(
            sandbox,
            "Off: after a restart the queue is restored from the record, and meanwhile nobody joins or enters.",
            "CONFIG SET appendonly yes, and in its configuration file.",
            lacks=LOG,
        )
    fsync = facts.settings.get("appendfsync")
    if fsync is None:
        return not_checked("On; appendfsync cannot be read here.", "See that it is everysec, or always.")
    if fsync == "no" and role in KEEPS:
        return warning(
            "On, with appendfsync no: a power cut loses what the system had not written, half a minute or more.",
            "CONFIG SET appendfsync everysec, and in its configuration file.",
            lacks=LOG,
        )
    return ok(f"On (appendfsync {fsync}).")


def persistence(facts: Facts) -> Seen:
    """Whether its last writes to disk worked."""
    failed = [
        what
        for name, what in (
            ("aof_last_write_status", "writing the log"),
            ("aof_last_bgrewrite_status", "rewriting the log"),
            ("rdb_last_bgsave_status", "saving a snapshot"),
        )
        if facts.info.get(name, "ok") != "ok"
    ]
    if not failed:
        return ok("The last writes to its disk worked.")
    return broken(
        f"The last time, {' and '.join(failed)} failed.",
        "Look at its log, its disk and vm.overcommit_memory: it may refuse every write until that works.",
    )


def separate(found: Mapping[str, Facts], *, sandbox: bool) -> Seen:
    """Whether a full cache can stop the queue."""
    if len(found) < 2:
        return not_checked("Only one of them was seen.")
    runs = {role: facts.run_id for role, facts in found.items()}
    together = [role for role, run in runs.items() if list(runs.values()).count(run) > 1]
    if not together:
        return ok("Each is a server of its own.")
    return worst_for(
        sandbox,
        f"{', '.join(together[:-1])} and {together[-1]} share a server: what fills one of them stops the others.",
        "Give each a server of its own (ONSALE_QUEUE_URL, ONSALE_CACHE_URL, ONSALE_BROKER_URL).",
    )


def replicas(queue: Facts | None, *, sandbox: bool) -> Seen:
    """Whether another server can take over from the queue's."""
    if queue is None:
        return not_checked("It does not answer.")
    known = [one for name, one in queue.info.items() if name.startswith("slave") and isinstance(one, dict)]
    following = sum(one.get("state") == "online" for one in known)
    if following:
        return ok(f"{following} follow{'s' if following == 1 else ''}.")
    return worst_for(
        sandbox,
        "No replica follows: while this server is away nobody joins or enters.",
        "Let one follow, under Sentinel or in a Cluster, so that it takes over; the record restores what it lacks.",
    )


def rabbitmq(properties: Mapping[str, Any]) -> Seen:
    """What an AMQP broker says it is."""
    product, number = str(properties.get("product", "?")), str(properties.get("version", "?"))
    saw = f"{product} {number}."
    if product != "RabbitMQ":
        return warning(f"{saw} Onsale knows RabbitMQ.", "Use RabbitMQ, or Redis.")
    return ok(saw)


def _read(client: Redis) -> Facts:
    info = client.info()
    settings: dict[str, str] = {}
    # A rented Redis often has no CONFIG.
    with suppress(RedisError):
        settings = {_text(name): _text(value) for name, value in client.config_get("append*").items()}
    return Facts(info, settings)


def _rabbitmq(url: str) -> list[tuple[str, Seen]]:
    with _connection(url) as connection:
        properties = dict(connection.connection.server_properties)
    elsewhere = not_checked(
        "RabbitMQ keeps durable queues by itself.", "See its management page: alarms, and quorum queues."
    )
    known = [("reachable", ok("It answers.")), ("version", rabbitmq(properties))]
    return [*known, *((aspect, elsewhere) for aspect in ASPECTS[2:])]


def _connection(url: str) -> Any:
    """A broker's connection that was made, or KombuError or OSError within a few seconds."""
    connection: Any = Connection(url, connect_timeout=BROKER_SECONDS_MAX)  # type: ignore[no-untyped-call]  # as above
    return connection.ensure_connection(max_retries=1, timeout=BROKER_SECONDS_MAX)


def _away(role: str, error: Exception) -> list[tuple[str, Seen]]:
    without = {
        "queue": "Until then nobody joins or enters, and everybody keeps their place.",
        "cache": "Until then a taken seat is refused later, by the record.",
        "broker": "Until then nothing is decided or paid; no booking is lost.",
    }
    # The kind alone: a driver's text may quote the address with its password.
    saw = f"It does not answer ({type(error).__name__})."
    away = broken(saw, f"Start it, or mend ONSALE_{role.upper()}_URL. {without[role]}")
    return [("reachable", away), *((aspect, not_checked("It does not answer.")) for aspect in ASPECTS[1:])]


def _mib(count: int) -> str:
    return f"{count / (1 << 20):,.0f}"


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


PART = Part(
    "queue",
    "Queue, cache and broker (Redis)",
    (*(f"{role} {aspect}" for role in ROLES for aspect in ASPECTS), "separate", "queue replicas"),
    examine,
)
