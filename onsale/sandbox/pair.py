"""A PostgreSQL that survives its own death: a primary, and a standby that has every acknowledged commit.

    with PostgresPair(Path(".onsale/postgres")) as pair:
        engine = make_engine(pair.ensure_database("onsale"))
        pair.failover()     # kill -9 the primary, promote the standby: the engine finds the new one by itself
        pair.rebuild()      # the old primary comes back as the new one's standby

It can take an EmbeddedPostgres' place: `start_again_if_ended` does both when the primary ended by itself, the second in
the background. What is given up while one of the two is missing: docs/decisions/0041.
"""

from __future__ import annotations

import shutil
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg2

from onsale.sandbox.embedded import Identity, PartFailed, poll, secret_in
from onsale.sandbox.ports import LOOPBACK
from onsale.sandbox.postgres import USER, usual_identity
from onsale.sandbox.standby import FOLLOW_SECONDS_MAX, PairedPostgres

NAMES = ("one", "two")
# For each of the two: a dead machine does not refuse, it is silent.
CONNECT_SECONDS = 2
ASK_SECONDS = 0.01


class PostgresPair:
    """Two clusters in a folder, on 127.0.0.1. Start it from a thread that lives as long as it should.

    `synchronous=False` acknowledges what only the primary has: the guard's negative control.
    """

    name = "PostgreSQL (a pair)"
    program = "postgres"

    def __init__(
        self, folder: Path, *, durable: bool = True, identity: Identity | None = None, synchronous: bool = True
    ) -> None:
        self.folder = folder.absolute()
        self.synchronous = synchronous
        # Whether every commit acknowledged so far is on the standby, so that it may be promoted.
        self.in_step = False
        who = identity or usual_identity()
        one, two = (
            PairedPostgres(self.folder / name, password_file=self.folder / "password", durable=durable, identity=who)
            for name in NAMES
        )
        self._servers = (one, two)
        self.primary, self.standby = one, two
        # Lives until `stop`: the kernel ends a server with the thread that started it.
        self._keeper: ThreadPoolExecutor | None = None
        self._rebuilding: Future[None] | None = None

    @property
    def port(self) -> int:
        return self.primary.port

    @property
    def pid(self) -> int | None:
        return self.primary.pid

    @property
    def log_file(self) -> Path:
        return self.primary.log_file

    @property
    def password(self) -> str:
        return secret_in(self.folder / "password")

    def url(self, database: str = "onsale") -> str:
        """The address of a database here, the same before and after a failover: of both, whichever takes writes."""
        hosts = "&".join(f"host={LOOPBACK}:{server.port}" for server in self._servers)
        wanted = f"target_session_attrs=read-write&connect_timeout={CONNECT_SECONDS}"
        return f"postgresql+psycopg2://{USER}:{self.password}@/{database}?{hosts}&{wanted}"

    def connect(self, database: str = "postgres") -> psycopg2.extensions.connection:
        """A plain connection to the primary that commits each statement."""
        return self.primary.connect(database)

    def ensure_database(self, name: str, *, template: str | None = None) -> str:
        """Make the database unless it is there, from a template if one is given; returns its address."""
        self.primary.ensure_database(name, template=template)
        standby, lsn = self.standby.folder.name, self.primary.lsn()
        # A client that asks the standby first would be told that there is no such database, and not ask further.
        if self.in_step:
            poll(lambda: self.primary.is_replayed(standby, lsn), seconds=FOLLOW_SECONDS_MAX, every=ASK_SECONDS)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop the database and cut off whoever uses it."""
        self.primary.drop_database(name)

    def answers(self) -> bool:
        """Whether the primary takes work now."""
        return self.primary.answers()

    def start(self) -> Self:
        """Start both, in the roles they had, and wait until the standby is in step."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        one, two = self._servers
        self.primary, self.standby = (one, two) if _rank(one) >= _rank(two) else (two, one)
        try:
            self._start_primary()
            self.standby.source = self.primary
            self.standby.start()
            self._get_in_step()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End both, quickly but without losing anything; harmless when they do not run."""
        # In this order the standby gets the last of what the primary wrote.
        self.primary.stop()
        self._end_rebuilding()
        self.in_step = False
        self.standby.stop()
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            keeper.shutdown()

    def kill(self) -> None:
        """`kill -9` the primary with all its processes."""
        self.primary.kill()

    def promote(self) -> None:
        """Let the standby take the place of a primary that is dead, alone until `rebuild`.

        PartFailed when the standby has not everything that was acknowledged: then the primary must come back itself.
        """
        if self.synchronous and not self.in_step:
            raise PartFailed("The standby is not in step: promoting it could lose what was acknowledged.")
        self.in_step = False
        # Two that take writes would be worse than none.
        self.primary.fence()
        self.standby.promote()
        self.primary, self.standby = self.standby, self.primary

    def failover(self) -> float:
        """Kill the primary and promote the standby; returns after how many seconds there was one again."""
        began = time.monotonic()
        self.kill()
        self.promote()
        return time.monotonic() - began

    def rebuild(self) -> None:
        """Bring the dead one back as the standby of the living one, and wait for it again before acknowledging."""
        self.standby.source = self.primary
        self.standby.start_again_if_ended()
        self._get_in_step()

    def start_again_if_ended(self) -> bool:
        """Mend what ended by itself; whether it was so.

        A dead primary's place is taken at once; a standby comes back in the background, as further calls see to.
        """
        if not self.primary.ended and not self._standby_is_missing():
            return False
        self._bring_a_primary()
        self._keeper = self._keeper or ThreadPoolExecutor(1, thread_name_prefix="standby")
        self._rebuilding = self._keeper.submit(self.rebuild)
        return True

    def mend(self) -> None:
        """Whatever ended: a primary that takes writes, and a standby in step with it."""
        self._bring_a_primary()
        self._end_rebuilding()
        if self.standby.ended or not self.in_step:
            self.rebuild()

    def discard(self) -> None:
        """Stop, and remove every file; for tests."""
        self.stop()
        for server in self._servers:
            server.discard()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _start_primary(self) -> None:
        if self.primary.is_standby:
            raise PartFailed(f"{self.folder} has a standby without its primary. Move the folder away to begin anew.")
        self.primary.source = None
        self.primary.start()

    def _bring_a_primary(self) -> None:
        if not self.primary.ended:
            return
        self._end_rebuilding()
        if self.in_step and not self.standby.ended:
            self.promote()
        else:
            # Nobody else has everything: it must be this one.
            self.primary.start_again_if_ended()

    def _standby_is_missing(self) -> bool:
        """Whether there is none to wait for, and nobody is bringing it back; PartFailed when that was tried in vain."""
        if self.pid is None or (self._rebuilding is not None and not self._rebuilding.done()):
            return False
        rebuilding, self._rebuilding = self._rebuilding, None
        if rebuilding is not None:
            # A primary that went away meanwhile is brought back first.
            with suppress(psycopg2.OperationalError):
                rebuilding.result()
        return self.standby.ended or (self.synchronous and not self.in_step)

    def _end_rebuilding(self) -> None:
        """Wait for its end, which is near when the primary is gone: without it no standby comes back."""
        rebuilding, self._rebuilding = self._rebuilding, None
        if rebuilding is not None:
            with suppress(PartFailed, psycopg2.OperationalError):
                rebuilding.result()

    def _get_in_step(self) -> None:
        """Wait until the standby follows, copy it anew if it cannot; then every commit waits for it."""
        if not self._follows():
            self.standby.copy_anew()
            if not self._follows():
                raise PartFailed(f"The standby does not follow. The end of its log:\n{self.standby.last_log_lines()}")
        if not self.synchronous:
            self.primary.wait_for("")
            return
        name = self.standby.folder.name
        lsn = self.primary.wait_for(name)
        if not poll(lambda: self.primary.is_confirmed(name, lsn), seconds=FOLLOW_SECONDS_MAX, every=ASK_SECONDS):
            raise PartFailed(f"The standby did not get in step. The end of its log:\n{self.standby.last_log_lines()}")
        self.in_step = True

    def _follows(self) -> bool:
        name = self.standby.folder.name
        return poll(lambda: self.primary.is_followed(name), seconds=FOLLOW_SECONDS_MAX, every=ASK_SECONDS)


def _rank(server: PairedPostgres) -> tuple[bool, int]:
    """Who is the primary: whose data is no standby's, and among those whoever was promoted last."""
    return (server.has_data and not server.is_standby, server.timeline)
