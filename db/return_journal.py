"""Who took which return number, copied from Redis into the record; and the numbers no recovery knows an owner of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, TextClause, text

from onsale.db.ids import EventId

PAGE_MAX = 10_000
# A recovery leaves one gap of each kind; joins that were lost with it may leave a few more.
GAPS_MAX = 10_000
RECOVERIES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Return:
    """A number took a return number; of several the highest counts."""

    return_number: int
    number: int


@dataclass(frozen=True, slots=True)
class Skipped:
    """A recovery knew nobody with these numbers, nor with these return numbers; empty where the last is below."""

    numbers: tuple[int, int]
    returns: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What earlier recoveries did, 0 for nothing: the last numbers they went on behind, and the lowest that they let
    in again within the time to enter.
    """

    issued: int
    return_issued: int
    first_lately: int
    return_first_lately: int


def record_returns(connection: Connection, event_id: EventId, returns: Sequence[Return]) -> int:
    """Write return numbers, any number of times; returns how many were new."""
    arguments = {
        "event_id": event_id,
        "return_numbers": [one.return_number for one in returns],
        "numbers": [one.number for one in returns],
    }
    return connection.execute(_RECORD, arguments).rowcount


def returns_after(
    connection: Connection, event_id: EventId, return_number: int, *, limit: int = PAGE_MAX
) -> tuple[Return, ...]:
    """Return numbers above this one, in order: page through them to rebuild the queue."""
    arguments = {"event_id": event_id, "return_number": return_number, "limit": min(limit, PAGE_MAX)}
    return tuple(Return(*row) for row in connection.execute(_AFTER, arguments))


def recovered_before(connection: Connection, event_id: EventId) -> Recovered:
    """What the sale log tells of the event's recoveries."""
    return Recovered(*connection.execute(_RECOVERED, {"event_id": event_id}).one())


def skipped(connection: Connection, event_id: EventId) -> tuple[Skipped, ...]:
    """What the event's recoveries went on behind, as each wrote it into the sale log; the first RECOVERIES_MAX."""
    rows = connection.execute(_SKIPPED, {"event_id": event_id, "limit": RECOVERIES_MAX})
    return tuple(Skipped((row.first, row.last), (row.return_first, row.return_last)) for row in rows)


def number_gaps(
    connection: Connection, event_id: EventId, first: int, last: int, *, limit: int | None = GAPS_MAX
) -> tuple[tuple[int, int], ...]:
    """The ranges of `first` to `last` that nobody joined with, as far as the journal knows; `limit` None: all."""
    return _gaps(connection, _NUMBER_GAPS, {"event_id": event_id, "first": first, "last": last, "limit": limit})


def return_gaps(connection: Connection, event_id: EventId, first: int, last: int) -> tuple[tuple[int, int], ...]:
    """The ranges of return numbers from `first` to `last` that nobody took, as far as the journal knows."""
    asked = {"event_id": event_id, "first": first, "last": last, "limit": GAPS_MAX}
    return _gaps(connection, _RETURN_GAPS, asked)


def _gaps(
    connection: Connection, statement: TextClause, asked: Mapping[str, int | None]
) -> tuple[tuple[int, int], ...]:
    return tuple((row.first, row.last) for row in connection.execute(statement, asked))


_RECORD = text("""
    INSERT INTO return_journal (event_id, return_number, number)
    SELECT :event_id, * FROM unnest(CAST(:return_numbers AS bigint[]), CAST(:numbers AS bigint[]))
    ON CONFLICT DO NOTHING
""")
_AFTER = text("""
    SELECT return_number, number FROM return_journal
     WHERE event_id = :event_id AND return_number > :return_number ORDER BY return_number LIMIT :limit
""")
_RECOVERED = text("""
    SELECT coalesce(max(issued), 0),
           coalesce(max(return_issued), 0),
           coalesce(min(first) FILTER (WHERE at > since), 0),
           coalesce(min(return_first) FILTER (WHERE at > since), 0)
      FROM (SELECT at, clock_timestamp() - q.enter_seconds * interval '1 second' AS since, r.*
              FROM sale_log l JOIN queue_settings q ON q.event_id = l.event_id,
                   jsonb_to_record(l.body)
                       AS r (issued bigint, return_issued bigint, first bigint, return_first bigint)
             WHERE l.event_id = :event_id AND l.kind = 'queue_recovered') AS recovered
""")
# Recoveries of earlier releases did not say where they skipped from.
_SKIPPED = text("""
    SELECT r.unknown_first AS first, r.issued AS last,
           r.return_unknown_first AS return_first, r.return_issued AS return_last
      FROM sale_log l, jsonb_to_record(l.body)
           AS r (unknown_first bigint, issued bigint, return_unknown_first bigint, return_issued bigint)
     WHERE l.event_id = :event_id AND l.kind = 'queue_recovered' AND l.body ? 'unknown_first'
     ORDER BY l.seq LIMIT :limit
""")
# Of some numbers that are known in between. The further ones of a weight in a draw are their holder's.
_GAPS = """
    WITH known AS (
        SELECT :first - 1 AS number
        UNION ALL
        {known}
    ), followed AS (
        SELECT number, lead(number, 1, :last + 1) OVER (ORDER BY number) AS next FROM known
    )
    SELECT number + 1 AS first, next - 1 AS last FROM followed WHERE next > number + 1 ORDER BY number LIMIT :limit
"""
_NUMBER_GAPS = text(
    _GAPS.format(
        known="""
        SELECT number FROM join_journal WHERE event_id = :event_id AND number BETWEEN :first AND :last
        UNION ALL
        SELECT further FROM draw_lots, generate_series(first_number + 1, first_number + weight - 1) AS further
         WHERE event_id = :event_id AND further BETWEEN :first AND :last"""
    )
)
_RETURN_GAPS = text(
    _GAPS.format(
        known="SELECT return_number FROM return_journal"
        " WHERE event_id = :event_id AND return_number BETWEEN :first AND :last"
    )
)
