"""All that the simulator remembers, in one SQLite file: objects as JSON, answers by their key, unsent webhooks."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from onsale.sandbox.stripe_simulator.errors import Thing
from onsale.sandbox.stripe_simulator.ids import IdMaker, kind_of

# Stripe forgets a key no sooner than after a day.
KEYS_SECONDS = 24 * 3600
CACHE_KIBIBYTES = 64 * 1024
CHECKPOINT_PAGES = 8_000

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, body BLOB NOT NULL, hidden TEXT);
CREATE TABLE IF NOT EXISTS links (parent TEXT NOT NULL, child TEXT NOT NULL, PRIMARY KEY (parent, child)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS answers (
    seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, key TEXT NOT NULL, status INTEGER NOT NULL, body BLOB NOT NULL,
    request_id TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS keys (
    key TEXT PRIMARY KEY, fingerprint BLOB NOT NULL, path TEXT NOT NULL, answer INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (
    event TEXT PRIMARY KEY, due_ms INTEGER NOT NULL, tries INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS outbox_by_due ON outbox (due_ms);
CREATE TABLE IF NOT EXISTS later (
    due_ms INTEGER NOT NULL, id TEXT NOT NULL, deed TEXT NOT NULL, PRIMARY KEY (due_ms, id, deed)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered to the first request with an idempotency key."""

    status: int
    body: bytes
    request_id: str
    fingerprint: bytes
    path: str


@dataclass(frozen=True, slots=True)
class Due:
    """One webhook whose time has come."""

    event: str
    body: bytes
    tries: int


class Store:
    """The file. Every use is one short transaction under one lock: SQLite has a single writer anyway."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._ids = IdMaker()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # One process has the file: what it would lock and share with others at every call is most of a call's price.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        # A kill -9 loses nothing; a power cut may lose the last moments of play money.
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA cache_size = -{CACHE_KIBIBYTES}")
        # A page that changes at every call is copied back once in a while, and not every few hundred calls.
        self._db.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        self._db.executescript(SCHEMA)
        self.forget_keys(older_than=int(time.time()) - KEYS_SECONDS)

    @contextmanager
    def transaction(self) -> Iterator[Tx]:
        """All of it or nothing: an exception undoes everything."""
        with self._lock:
            self._db.execute("BEGIN")
            try:
                yield Tx(self._db, self._ids)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def answer(self, key: str) -> Answer | None:
        """What was answered under this idempotency key."""
        with self._lock:
            row = self._db.execute(
                "SELECT status, body, request_id, fingerprint, path FROM keys JOIN answers ON seq = answer "
                "WHERE keys.key = ?",
                (key,),
            ).fetchone()
        return Answer(*row) if row else None

    def forget_keys(self, *, older_than: int) -> None:
        """Drop the answers given before this time (Unix seconds)."""
        with self.transaction() as tx:
            tx.forget_keys(older_than)

    def reset(self) -> None:
        """Forget everything."""
        with self._lock:
            for table in ("objects", "links", "answers", "keys", "outbox", "later"):
                # Table names are this list's own; without WHERE, SQLite drops the pages at once.
                self._db.execute(f"DELETE FROM {table}")  # noqa: S608

    def close(self) -> None:
        with self._lock:
            self._db.close()


class Tx:
    """One transaction: objects are read and written whole."""

    def __init__(self, db: sqlite3.Connection, ids: IdMaker) -> None:
        self._db = db
        self._ids = ids
        self._hidden: dict[str, str | None] = {}
        self.now = int(time.time())

    def new_id(self, prefix: str) -> str:
        return self._ids.new(prefix)

    def get(self, identifier: str) -> Thing | None:
        """An object as it is now; changing the dictionary changes nothing before `put`."""
        row = self._db.execute("SELECT body FROM objects WHERE id = ?", (identifier,)).fetchone()
        return orjson.loads(row[0]) if row else None

    def hidden(self, identifier: str) -> str | None:
        """What the simulator knows about an object and the API does not show."""
        if identifier not in self._hidden:
            row = self._db.execute("SELECT hidden FROM objects WHERE id = ?", (identifier,)).fetchone()
            self._hidden[identifier] = row[0] if row else None
        return self._hidden[identifier]

    def add(self, thing: Thing, *, hidden: str | None = None, parents: tuple[str | None, ...] = ()) -> Thing:
        """Store a new object, listed under each parent."""
        self._db.execute(
            "INSERT INTO objects (id, body, hidden) VALUES (?, ?, ?)", (thing["id"], orjson.dumps(thing), hidden)
        )
        self._hidden[thing["id"]] = hidden
        for parent in parents:
            if parent is not None:
                self.link(parent, thing["id"])
        return thing

    def put(self, thing: Thing) -> Thing:
        """Store an object's new state."""
        self._db.execute("UPDATE objects SET body = ? WHERE id = ?", (orjson.dumps(thing), thing["id"]))
        return thing

    def hide(self, identifier: str, hidden: str | None) -> None:
        self._hidden[identifier] = hidden
        self._db.execute("UPDATE objects SET hidden = ? WHERE id = ?", (hidden, identifier))

    def link(self, parent: str, child: str) -> None:
        """List a child under a parent, once."""
        self._db.execute("INSERT OR IGNORE INTO links VALUES (?, ?)", (parent, child))

    def newest(self, low: str, high: str, limit: int) -> list[Thing]:
        """Objects with low < id < high, newest first."""
        rows = self._db.execute(
            "SELECT body FROM objects WHERE id > ? AND id < ? ORDER BY id DESC LIMIT ?", (low, high, limit)
        )
        return [orjson.loads(row[0]) for row in rows]

    def newest_of(self, parent: str, low: str, high: str, limit: int) -> list[Thing]:
        """The same among the children of one object."""
        rows = self._db.execute(
            "SELECT body FROM links JOIN objects ON id = child "
            "WHERE parent = ? AND child > ? AND child < ? ORDER BY child DESC LIMIT ?",
            (parent, low, high, limit),
        )
        return [orjson.loads(row[0]) for row in rows]

    def keep_answer(self, key: str, answer: Answer) -> None:
        """Remember an answer under its key, in the same transaction as the work."""
        added = self._db.execute(
            "INSERT INTO answers (at, key, status, body, request_id) VALUES (?, ?, ?, ?, ?)",
            (self.now, key, answer.status, answer.body, answer.request_id),
        )
        self._db.execute(
            "INSERT INTO keys VALUES (?, ?, ?, ?)", (key, answer.fingerprint, answer.path, added.lastrowid)
        )

    def forget_keys(self, older_than: int) -> None:
        # Answers are in order of time, so the old ones are the first; no index by time is needed.
        found = self._db.execute("SELECT seq FROM answers WHERE at >= ? ORDER BY seq LIMIT 1", (older_than,)).fetchone()
        first_kept = found[0] if found else 1 << 62
        self._db.execute("DELETE FROM keys WHERE key IN (SELECT key FROM answers WHERE seq < ?)", (first_kept,))
        self._db.execute("DELETE FROM answers WHERE seq < ?", (first_kept,))

    def send_later(self, event: str, *, due_ms: int) -> None:
        self._db.execute("INSERT INTO outbox VALUES (?, ?, 0)", (event, due_ms))

    def due(self, now_ms: int, limit: int) -> list[Due]:
        """The webhooks to send now, in the order in which they happened."""
        rows = self._db.execute(
            "SELECT event, body, tries FROM outbox JOIN objects ON id = event WHERE due_ms <= ? ORDER BY event LIMIT ?",
            (now_ms, limit),
        )
        return [Due(*row) for row in rows]

    def next_due_ms(self) -> int | None:
        row = self._db.execute("SELECT min(due_ms) FROM outbox").fetchone()
        return row[0] if row else None

    def sent(self, event: str) -> None:
        self._db.execute("DELETE FROM outbox WHERE event = ?", (event,))

    def try_again(self, event: str, *, due_ms: int) -> None:
        self._db.execute("UPDATE outbox SET due_ms = ?, tries = tries + 1 WHERE event = ?", (due_ms, event))

    def do_later(self, deed: str, identifier: str, *, due_ms: int) -> None:
        self._db.execute("INSERT OR IGNORE INTO later VALUES (?, ?, ?)", (due_ms, identifier, deed))

    def take_deeds(self, now_ms: int, limit: int) -> list[tuple[str, str]]:
        """The deeds whose time has come, each with the object it is done to; they are done in this transaction."""
        rows = self._db.execute(
            "SELECT due_ms, id, deed FROM later WHERE due_ms <= ? ORDER BY due_ms, id LIMIT ?", (now_ms, limit)
        ).fetchall()
        self._db.executemany("DELETE FROM later WHERE due_ms = ? AND id = ? AND deed = ?", rows)
        return [(deed, identifier) for _, identifier, deed in rows]

    def unsent(self) -> int:
        """How many webhooks wait; a small table, since what was sent leaves it."""
        return int(self._db.execute("SELECT count(*) FROM outbox").fetchone()[0])


def bounds(prefix: str, after: str | None = None, before: str | None = None) -> tuple[str, str]:
    """The range of ids of one kind: older than `after`, newer than `before` (as `starting_after`, `ending_before`)."""
    low = before if before and kind_of(before) == prefix else f"{prefix}_"
    high = after if after and kind_of(after) == prefix else f"{prefix}`"
    return low, high
