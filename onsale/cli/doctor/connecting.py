"""How Onsale's processes connect to the record: whether their limits hold, and whether they find the next primary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import make_url

from onsale.cli.doctor.finding import Seen, broken, ok, warning
from onsale.workers.shop import LANE_IDLE_IN_TRANSACTION_MS, LANE_LOCK_TIMEOUT_MS, LANE_STATEMENT_TIMEOUT_MS

# What a lane's connection asks for; the doctor's own asks for the same.
LIMITS = {
    "lock_timeout": LANE_LOCK_TIMEOUT_MS,
    "statement_timeout": LANE_STATEMENT_TIMEOUT_MS,
    "idle_in_transaction_session_timeout": LANE_IDLE_IN_TRANSACTION_MS,
}
# Both mean that a standby is left alone.
WRITES = frozenset({"read-write", "primary"})
FIND_IT = "Name every server: ...@/onsale?host=one:5432&host=two:5432&target_session_attrs=read-write"


def limits(settings: Mapping[str, str]) -> Seen:
    """Whether a worker that stops in the middle loses its lane, as it must."""
    ignored = [name for name, milliseconds in LIMITS.items() if settings.get(name) != str(milliseconds)]
    if ignored:
        return broken(
            f"Asked for and not in force: {', '.join(ignored)}. A worker that stands still keeps its lane for ever.",
            "Connect past the pooler, or let it pass what a connection asks for (its startup `options`).",
        )
    return ok("What a connection asks for is in force: lock, statement and idle timeouts.")


def addresses(url: str, *, standbys: Sequence[str], waits_for: str) -> Seen:
    """Whether the processes find the new primary by themselves when the old one is gone."""
    hosts = hosts_of(url)
    wanted = make_url(url).query.get("target_session_attrs", "any")
    if len(hosts) > 1 and wanted not in WRITES:
        return broken(
            f"{len(hosts)} servers are named, and a standby is taken as gladly as the primary ({wanted}).",
            "Add target_session_attrs=read-write to ONSALE_DATABASE_URL.",
        )
    if len(hosts) > 1:
        return ok(f"{len(hosts)} servers are named; whichever takes writes is used.")
    if standbys or waits_for:
        return warning(
            "A standby follows, and one server is named: after a failover it is still looked for at the old place.",
            f"{FIND_IT}; or see that this one name leads to whoever is primary.",
        )
    return ok("One server, and none that follows it.")


def hosts_of(url: str) -> list[str]:
    """The servers that a database URL names; none for a socket."""
    parts = make_url(url)
    named = parts.query.get("host", ())
    given = [named] if isinstance(named, str) else [*named]
    return [host for each in ([parts.host] if parts.host else given) for host in each.split(",") if host]
