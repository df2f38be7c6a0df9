"""Is the chained log of a sale what it was when it was chained, and does it still tell what is on record (I12)?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection

from onsale.db import chain_lines, handovers, sale_chain
from onsale.db.chain_lines import Batch
from onsale.db.ids import BuyerId, EventId
from onsale.db.sale_chain import Chained, Fact, Row
from onsale.verify import sql

# The chainer looks every two seconds; a minute of a record that was away, and as long again to catch up, is no news.
CHAIN_SECONDS = 120


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Rows that should have a line by now; `damaged`: no chainer that was merely away leaves a record like this."""

    says: str
    damaged: bool


def broken(connection: Connection, event_id: EventId) -> Iterator[str]:
    """What is wrong with the chain: batches that do not follow, lines that were changed, rows whose line says
    something else, or that were passed over, and reports of a chain that is another one now.
    """
    before: Batch | None = None
    while page := sale_chain.batches(connection, event_id, after=before.seq if before else 0):
        for batch in page:
            lines = list(sale_chain.lines(connection, event_id, first=batch.first, last=batch.last))
            yield from _of_batch(batch, [each.line for each in lines], before)
            yield from _of_record(connection, event_id, lines)
            before = batch
    asked = {"event_id": event_id, "last": before.last if before else 0, "seen": sale_chain.seen(connection)}
    yield from connection.execute(sql.load("i12_passed_over"), asked).scalars()


def left_out(connection: Connection, event_id: EventId) -> LeftOut | None:
    """What is older than CHAIN_SECONDS and in no line.

    The chainer takes the oldest rows first. So where the newest are left it is behind; where it has lines of later ones
    and not of these, or has none at all, lines are gone or were never made.
    """
    asked = {"event_id": event_id, "chain_seconds": CHAIN_SECONDS}
    row = connection.execute(sql.load("i12_not_chained"), asked).one_or_none()
    if row is None:
        return None
    first = f"the first is a {row.source} ({row.id}, {row.number}) of {row.at:%Y-%m-%d %H:%M:%S}"
    many = f"{row.rows} rows older than {CHAIN_SECONDS} s are"
    if not row.any_line:
        why = "nothing is chained at all: the chain was emptied, or no `sweeps` worker ever ran"
        return LeftOut(f"{many} in no line of the chain: {first}; {why}", damaged=True)
    if row.passed_by:
        why = f"{row.passed_by} of them are older than rows that have one; is the `sweeps` worker running?"
        return LeftOut(f"{many} in no line of the chain: {first}; {why}", damaged=True)
    return LeftOut(f"{many} not chained yet: {first}; start a `sweeps` worker, and verify again", damaged=False)


def is_past_comparing(connection: Connection, event_id: EventId) -> bool:
    """Whether there are lines, and no key any more by which they could be made anew from the record."""
    return sale_chain.known_key(connection, event_id) is None and bool(
        sale_chain.batches(connection, event_id, after=0)
    )


def _of_batch(batch: Batch, lines: Sequence[str], before: Batch | None) -> Iterator[str]:
    again = chain_lines.close(batch.event_id, lines, after=before, at=batch.at)
    if again == batch:
        return
    size = chain_lines.MARK_CHARACTERS
    marks = [batch.marks[size * number :][:size] for number in range(len(lines))]
    other = [number for number, line in enumerate(lines) if chain_lines.mark(line) != marks[number]]
    for number in other:
        yield f"line {batch.first + number} in batch {batch.seq} of the chained log is not the one that was chained"
    if not other:
        yield f"batch {batch.seq} of the chained log does not have its hash, or does not follow the one before"


def _of_record(connection: Connection, event_id: EventId, lines: Sequence[Chained]) -> Iterator[str]:
    """Every line, made anew from its row."""
    key = sale_chain.known_key(connection, event_id)
    facts = sale_chain.facts(connection, [each.row for each in lines])
    other: list[Chained] = []
    for each in lines:
        fact = facts.get(each.row)
        if fact is None:
            yield f"what {_what(each)}, tells of is not on record"
        elif key is not None and not _tells(each, fact, key):
            other.append(each)
    if key is not None and other:
        before = _as_before_handovers(connection, event_id, {each.row: facts[each.row] for each in other})
        for each in other:
            if not any(_tells(each, fact, key) for fact in before.get(each.row, ())):
                yield f"{_what(each)}, says something else than the record"


def _what(chained: Chained) -> str:
    return f"line {chained.position} of the chained log, a {chained.row.source}"


def _tells(chained: Chained, fact: Fact, key: bytes) -> bool:
    return sale_chain.line_of(chained.row, fact, position=chained.position, key=key) == chained.line


def _as_before_handovers(
    connection: Connection, event_id: EventId, facts: Mapping[Row, Fact]
) -> dict[Row, tuple[Fact, ...]]:
    """What these rows told while their booking was still the guest's who signed in later: it was chained as it was."""
    takers = {row: BuyerId(UUID(str(fact.facts["buyer"]))) for row, fact in facts.items() if "buyer" in fact.facts}
    givers = handovers.givers(connection, event_id, tuple(set(takers.values())))
    return {
        row: tuple(Fact(facts[row].at, {**facts[row].facts, "buyer": str(giver)}) for giver in givers.get(taker, ()))
        for row, taker in takers.items()
    }
