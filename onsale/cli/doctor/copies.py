"""The copies of the record: who keeps them fresh, whether they may be believed, whether the index says what it says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

from redis.exceptions import RedisError
from sqlalchemy import Engine
from sqlalchemy.exc import ArgumentError

from onsale.cli.changes import outbox_words, slot_words
from onsale.cli.doctor.examining import Part
from onsale.cli.doctor.finding import Seen, broken, not_checked, ok, warning
from onsale.config import Config
from onsale.db import change_outbox, change_stream
from onsale.db.change_outbox import OutboxState
from onsale.db.change_stream import Kept, Slot
from onsale.db.engine import make_engine, reading
from onsale.errors import RecordUnavailable, SearchUnavailable
from onsale.queue.client import connect
from onsale.queue.followed import ANSWER_SECONDS, Followed
from onsale.search.comparing import differences
from onsale.search.event_index import ALIAS, EventIndex

# What changed a moment ago has so long to arrive.
AGREE_SECONDS = 2.0
# Comparing more takes longer than anybody waits for a doctor.
COMPARED_MAX = 20_000
FOLLOW = "Start `onsale changes run` beside the web; a second one waits for its turn."
ALONE = "each web process reads an event from the record twice a second: right, only more work."


def examine(config: Config) -> Iterator[tuple[str, Seen]]:
    """The stream, then what it keeps fresh."""
    try:
        engine = make_engine(config.database_url, application_name="onsale doctor", pool_size=1, max_overflow=0)
    except (ArgumentError, ValueError):
        yield from _unanswered()
        return
    try:
        yield from _examine(config, engine)
    finally:
        engine.dispose()


def _unanswered() -> Iterator[tuple[str, Seen]]:
    return ((check, not_checked("The record does not answer.")) for check in CHECKS)


def _examine(config: Config, engine: Engine) -> Iterator[tuple[str, Seen]]:
    indexed = bool(config.search_url)
    try:
        with reading(engine) as connection:
            slot = change_stream.slot(connection)
            box = change_outbox.state(connection)
    except RecordUnavailable:
        yield from _unanswered()
        return
    yield "stream", stream(slot, indexed=indexed) if box is None else outbox(box, indexed=indexed)
    with closing(connect(config.cache_url, answer_seconds=ANSWER_SECONDS)) as client:
        try:
            yield "caches", caches(vouched=Followed(client).is_vouched_for(), sandbox=config.environment == "sandbox")
        except RedisError:
            yield "caches", not_checked(f"The cache's Redis does not answer; {ALONE}")
    if not indexed:
        yield "index", ok("Searches run on the record.")
        return
    with EventIndex(config.search_url) as events:
        yield "index", _index(engine, events)


def stream(slot: Slot | None, *, indexed: bool) -> Seen:
    """Whether what changes is told to anybody, and will be."""
    if slot is None:
        if indexed:
            return broken("There is neither slot nor outbox: the index does not hear of changes.", FOLLOW)
        return ok("There is neither slot nor outbox: searches and events are read from the record.")
    words = slot_words(slot)
    if slot.kept in (Kept.LOST, Kept.UNRESERVED) or (indexed and not slot.followed):
        return broken(words or "Nobody follows the changes: the index says what was.", FOLLOW)
    if not slot.followed:
        return warning("Nobody follows the changes, and the record keeps its log for whoever should.", FOLLOW)
    if slot.keep_bytes_max is None:
        return warning("Followed. " + words, "Set max_slot_wal_keep_size to what the disk can spare.")
    return ok("Followed, and the log it may keep has a limit.")


def outbox(state: OutboxState, *, indexed: bool) -> Seen:
    """The same of the outbox."""
    words = outbox_words(state)
    if state.is_full:
        return broken(words, FOLLOW)
    if not state.followed:
        saw = f"Nobody follows the changes, and the outbox has {state.rows:,} rows for whoever should."
        return broken(saw, FOLLOW) if indexed else warning(saw, FOLLOW)
    if words:
        return warning(words, "See that Elasticsearch answers, and what the log of `onsale changes run` says.")
    return ok("Followed by the outbox, and nearly nothing waits.")


def caches(*, vouched: bool, sandbox: bool) -> Seen:
    """Whether the copies in Redis are told at all."""
    if vouched:
        return ok("Vouched for: the record is asked once for an event, however many look.")
    saw = f"Nobody vouches for the copies; {ALONE}"
    return ok(f"{saw} Fine for a laptop.") if sandbox else warning(saw, FOLLOW)


def _index(engine: Engine, events: EventIndex) -> Seen:
    try:
        if not events.named(ALIAS):
            return broken("There is no index; searches run on the record.", "`onsale changes run` makes one.")
        if (count := events.count(ALIAS)) > COMPARED_MAX:
            return ok(f"It holds {count:,} events; `onsale index check` compares them all.")
        found = differences(engine, events, ALIAS, agree_seconds=AGREE_SECONDS)
    except SearchUnavailable:
        return broken(
            "Elasticsearch does not answer; searches run on the record, slower.",
            "Start it, or take ONSALE_SEARCH_URL away and start the web anew.",
        )
    except RecordUnavailable:
        return not_checked("The record does not answer.")
    if found:
        return broken(
            f"{len(found):,} events differ from the record, the first is {found[0].event_id}.",
            "See that `onsale changes run` runs; if they stay, `onsale index rebuild` makes a new index beside it.",
        )
    return ok(f"It equals the record: {count:,} events.")


CHECKS = ("stream", "caches", "index")
PART = Part("copies", "Copies: caches and index", CHECKS, examine)
