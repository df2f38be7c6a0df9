"""Writes a sale report: the whole chained log of an event as JSON lines, its totals, and a signature over all of it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import orjson
from sqlalchemy import Connection

from onsale.db import queue_settings, sale_chain, sale_log
from onsale.db.catalogue import Event
from onsale.db.chain_lines import Batch, canonical
from onsale.errors import NothingToReport
from onsale.report.signing import ReportKey
from onsale.report.totals import Tally
from onsale.report.verify_report import FORMAT
from onsale.verify.verdict import Verdict

WORDS = {True: "holds", False: "broken", None: "not checked"}
# The dials that decide how many may be let in and whether anybody waits, as the log calls them.
DIALS = ("rate_per_minute", "phase", "opens_at", "enabled")
# Settings changed since the log was last chained: seconds.
FRESH_MAX = 1_000
Progress = Callable[[int, int], None]


@dataclass
class Written:
    """What a report says, for the page beside it; complete when its last line was taken."""

    header: Mapping[str, object]
    tally: Tally = field(default_factory=Tally)
    totals: Mapping[str, object] = field(default_factory=dict)
    head: Batch | None = None
    key: str = ""


@dataclass(frozen=True)
class About:
    """What a report is of, besides the log: the event, what `onsale verify` found, when, and who signs."""

    event: Event
    verdict: Verdict
    at: datetime
    key: ReportKey


def report(
    connection: Connection, about: About, *, told: Progress = lambda _, __: None
) -> tuple[Written, Iterator[bytes]]:
    """The report's lines, each with its newline, read as they are taken; the connection must stay in one snapshot.

    Raises NothingToReport when nothing of the event was chained yet.
    """
    head = sale_chain.head(connection, about.event.id)
    if head is None:
        raise NothingToReport
    written = Written(_header(connection, about), head=head, key=about.key.public)
    return written, _signed(_body(connection, about, written, told), about.key)


def _signed(body: Iterator[bytes], key: ReportKey) -> Iterator[bytes]:
    """All lines, and one with the signature of their bytes."""
    digest = hashlib.sha256()
    for line in body:
        digest.update(line)
        yield line
    # Of the digest: a log of a million lines need not be in memory at once.
    signature = key.sign(f"{FORMAT}\n{digest.hexdigest()}".encode())
    yield canonical({"t": "signature", "algorithm": "Ed25519", "key": key.public, "signature": signature}) + b"\n"


def _body(connection: Connection, about: About, written: Written, told: Progress) -> Iterator[bytes]:
    yield canonical(written.header) + b"\n"
    event_id, head, after, batches = about.event.id, written.head, 0, 0
    assert head is not None
    while page := sale_chain.batches(connection, event_id, after=after, up_to=head.seq):
        for batch in page:
            for line in sale_chain.lines(connection, event_id, first=batch.first, last=batch.last):
                written.tally.add(orjson.loads(line.line))
                yield line.line.encode() + b"\n"
            yield batch.line + b"\n"
            told(batch.last, head.last)
        after, batches = page[-1].seq, batches + len(page)
    written.totals = _totals(about.verdict, written, batches)
    yield canonical(written.totals) + b"\n"


def _header(connection: Connection, about: About) -> dict[str, object]:
    event = about.event
    return {
        "t": "header",
        "format": FORMAT,
        "made_at": _moment(about.at),
        "event": {
            "id": event.id,
            "name": event.name,
            "starts_at": _moment(event.starts_at),
            "venue": event.venue.name,
            "city": event.venue.city,
        },
        "tickets": about.verdict.numbers["tickets"],
        "dials": _dials(connection, about),
    }


def _dials(connection: Connection, about: About) -> dict[str, object]:
    """How the dials stood at the last line that is chained: what was turned since is turned back."""
    settings = queue_settings.get(connection, about.event.id)
    assert settings is not None
    dials: dict[str, object] = {
        "rate_per_minute": settings.rate_per_minute,
        "phase": settings.phase.value,
        "opens_at": settings.opens_at.isoformat(),
        "enabled": settings.enabled,
    }
    chained = sale_chain.log_lines(connection, about.event.id)
    for line in reversed(sale_log.read(connection, about.event.id, after=chained, limit=FRESH_MAX)):
        # A release before did not say from where it opened.
        body: Mapping[str, object] = {"phase": {"from": "scheduled"}} | dict(line.body)
        for name in DIALS if line.kind in ("queue_opened", "queue_changed") else ():
            turned = body.get(name)
            if isinstance(turned, dict):
                dials[name] = turned["from"]
    return dials


def _totals(verdict: Verdict, written: Written, batches: int) -> dict[str, object]:
    assert written.head is not None
    return {
        "t": "totals",
        "head": written.head.hash.hex(),
        "sale": {"lines": written.head.last, "batches": batches, **written.tally.sale()},
        "verify": {one.invariant: WORDS[one.ok] for one in verdict.findings},
        "inversions": verdict.numbers["inversions"],
        "rate_error": verdict.numbers["rate_error"],
    }


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
