"""A whole Onsale in a folder: the parts it was not given an address of, and the lines of the Procfile, kept running.

    with Stack(folder, say=print) as stack:
        stack.start_parts()
        migrate(stack.settings["ONSALE_DATABASE_URL"])
        stack.start_lines()
        stack.wait_until_ready()

`onsale run`, rehearsals and benchmarks all start one of these; whoever does calls `look` now and then, or `watch`.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from urllib.error import URLError
from urllib.request import urlopen

from onsale.config import Config
from onsale.sandbox import settings
from onsale.sandbox.elasticsearch import EmbeddedElasticsearch
from onsale.sandbox.embedded import PartFailed, poll
from onsale.sandbox.environment import RUN_ENV, read_env, sandbox_secrets
from onsale.sandbox.pair import PostgresPair
from onsale.sandbox.ports import LOOPBACK, first_free
from onsale.sandbox.postgres import EmbeddedPostgres
from onsale.sandbox.procfile import procfile
from onsale.sandbox.screen import shown_path
from onsale.sandbox.settings import Addresses, Wanted
from onsale.sandbox.supervisor import Line, Supervisor, end_left_overs
from onsale.sandbox.valkey import EmbeddedValkey

READY_SECONDS_MAX = 90
LOOK_SECONDS = 0.2
# A part that fell over starts again so often; then something is wrong that starting does not mend.
PART_RESTARTS_MAX = 5
WORKERS = ("lanes", "payments", "mail", "sweeps", "admit", "changes")
CHANGES = "changes"
CROWD = "crowd"
EMPTIED, OLDER = "valkey-emptied", "valkey-older"
# How far a replica may be behind that is made the server.
OLDER_SECONDS = 3.0
SIMULATOR = "simulator"
# Who ends before whom: nobody new comes in, then what is begun is ended, then the parts it needed.
STOP_ORDER = ((CROWD,), ("web", "seats"), WORKERS, (SIMULATOR,))
STOP_SECONDS = {"web": 12, "seats": 7, "lanes": 10, "payments": 30, "mail": 30, "sweeps": 10}
Part = EmbeddedPostgres | PostgresPair | EmbeddedValkey | EmbeddedElasticsearch


def _never() -> bool:
    return False


@dataclass
class Stack:
    """One Onsale. Start it from the main thread: the kernel ends what it started with the thread that did."""

    folder: Path
    say: Callable[[str], None]
    given: Mapping[str, str] = field(default_factory=dict)
    # A second Ctrl-C: no more patience.
    hurried: Callable[[], bool] = _never
    # How PostgreSQL is brought, where no address is given.
    postgres: Callable[[Path], EmbeddedPostgres | PostgresPair] = EmbeddedPostgres
    # An Elasticsearch of one's own, where no address of one is given: it needs Java and Maven.
    elasticsearch: bool = False
    commands: dict[str, str] = field(default_factory=procfile)
    settings: dict[str, str] = field(default_factory=dict)
    parts: list[Part] = field(default_factory=list)
    supervisor: Supervisor | None = None
    part_restarts: int = 0
    wanted: Wanted = field(init=False)
    _lock: IO[str] | None = None

    def __post_init__(self) -> None:
        self.folder = self.folder.absolute()
        self.wanted = settings.wanted_parts(self.given)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start_parts(self) -> None:
        """Take the folder, check the settings, start the parts; `settings` is what every process here is given."""
        self._take_folder()
        self._check()
        database_url, valkey_urls = self._bring_parts()
        search_url = self._bring_search()
        addresses = self._choose_ports(
            Addresses(database_url=database_url, valkey_urls=valkey_urls, search_url=search_url)
        )
        self.settings = self._settings(addresses)

    def start_lines(self) -> None:
        """Start every line of the Procfile that this run needs, but the demo's crowd."""
        # A terminal's Ctrl-C and colours are ours; everything else of the environment goes on to the lines.
        env = {**os.environ, **self.settings, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
        self.supervisor = Supervisor(self.folder, env, self.say)
        left_out = {
            CROWD: True,
            SIMULATOR: not self.wanted.simulator,
            # A PostgreSQL that was given may have no logical decoding; without it only an index cannot do.
            CHANGES: not (self.wanted.postgres or self.settings.get("ONSALE_SEARCH_URL")),
        }
        names = [name for name in self.commands if not left_out.get(name)]
        for name in names:
            self.start_line(name)
        self.say(f"Started {', '.join(names)}")

    def start_line(self, name: str) -> None:
        """Start one line of the Procfile."""
        assert self.supervisor is not None
        line = Line(name, self.commands[name], stop_seconds=STOP_SECONDS.get(name, 5), may_end=name == CROWD)
        self.supervisor.start(line)

    def wait_until_ready(self) -> None:
        """Wait for the web's own word that it is; PartFailed with the end of its log when it does not come."""
        address = f"http://{LOOPBACK}:{self.settings['ONSALE_WEB_PORT']}/readyz"

        def ready() -> bool:
            self.look()
            # A line about to be started again may be in a crash loop: no word before that is known.
            return self._all_lines_run() and answers(address)

        if not poll(ready, seconds=READY_SECONDS_MAX, every=LOOK_SECONDS):
            assert self.supervisor is not None
            raise PartFailed(
                f"The web was not ready after {READY_SECONDS_MAX} s ({address}). The end of its log:\n"
                + self.supervisor.last_log_lines("web")
            )
        self.say("The web answers")

    def watch(self) -> None:
        """Keep everything running until an exception: a signal's, or a part that fails for good."""
        while True:
            time.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Start again what ended by itself; PartFailed for what ends over and over."""
        for part in self.parts:
            if part.start_again_if_ended():
                self.part_restarts += 1
                self.say(f"{part.name} had ended and was started again; see {shown_path(part.log_file)}")
        if self.part_restarts > PART_RESTARTS_MAX:
            raise PartFailed(f"Parts ended {self.part_restarts} times; see the logs in {self.folder}.")
        if self.supervisor is not None:
            self.supervisor.look()

    def kill(self, name: str) -> None:
        """`kill -9` a line or a part (`postgres`, `valkey`), children and all; `look` starts it again.

        `valkey-emptied` and `valkey-older` come back with nothing, or as they were a few seconds before.
        """
        for part in self.parts:
            if isinstance(part, EmbeddedValkey) and name == EMPTIED:
                part.empty()
                return
            if isinstance(part, EmbeddedValkey) and name == OLDER:
                part.go_back(OLDER_SECONDS, now=time.time())
                return
            if part.program.startswith(name):
                part.kill()
                return
        line = self.supervisor.lines.get(name) if self.supervisor else None
        if line is None or line.process is None:
            raise PartFailed(f"There is no {name} to kill.")
        # A line is a session of its own: what it started dies with it, as when a machine does.
        with suppress(ProcessLookupError):
            os.killpg(line.process.pid, signal.SIGKILL)

    def stop(self) -> None:
        """End everything in order; once hurried, at once."""
        supervisor, self.supervisor = self.supervisor, None
        if supervisor is not None:
            for names in STOP_ORDER:
                supervisor.stop(names, hurry=self.hurried)
        for part in reversed(self.parts):
            part.stop()
        self.parts.clear()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _take_folder(self) -> None:
        """Make the folder ours alone, and end what a killed run left in it."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.chmod(0o700)
        lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise PartFailed(f"Onsale already runs in {self.folder}{self._where()}. Stop it there first.") from None
        self._lock = lock
        left = end_left_overs(self.folder)
        if left:
            self.say(f"Ended what an earlier run left behind: {', '.join(left)}")

    def _where(self) -> str:
        with suppress(OSError):
            return f", at {read_env(self.folder / RUN_ENV)['ONSALE_PUBLIC_URL']}/demo"
        return ""

    def _check(self) -> None:
        """Refuse a wrong setting before anything starts."""
        some_url = f"redis://{LOOPBACK}/0"
        trial = Addresses(
            database_url=f"postgresql://{LOOPBACK}/onsale" if self.wanted.postgres else "",
            valkey_urls=(some_url, some_url, some_url) if self.wanted.valkey else ("", "", ""),
        )
        Config.from_env({**self._settings(trial), **self.given})

    def _settings(self, addresses: Addresses) -> dict[str, str]:
        return settings.sandbox_settings(
            self.given, folder=self.folder, secrets=sandbox_secrets(self.folder), addresses=addresses
        )

    def _bring_parts(self) -> tuple[str, tuple[str, str, str]]:
        database_url, valkey_urls = "", ("", "", "")
        if self.wanted.postgres:
            postgres = self.postgres(self.folder / "postgres")
            self._start_part(postgres)
            database_url = postgres.ensure_database("onsale")
        if self.wanted.valkey:
            valkey = EmbeddedValkey(self.folder / "valkey")
            self._start_part(valkey)
            valkey_urls = (valkey.url(0), valkey.url(1), valkey.url(2))
        return database_url, valkey_urls

    def _bring_search(self) -> str:
        if not self.elasticsearch or "ONSALE_SEARCH_URL" in self.given:
            return ""
        # Known before it is built: the first time, that takes a minute.
        self.say("Elasticsearch from Maven Central; the first time takes a minute")
        node = EmbeddedElasticsearch(self.folder / "elasticsearch")
        self._start_part(node)
        return node.url()

    def _start_part(self, part: Part) -> None:
        self.parts.append(part)
        part.start()
        self.say(f"{part.name} answers on {LOOPBACK}:{part.port}")

    def _choose_ports(self, addresses: Addresses) -> Addresses:
        host = self.given.get("ONSALE_WEB_HOST", LOOPBACK)
        web = self._port("the web", settings.web_port_wanted(self.given), host=host)
        # Beside the web: 8000, 8001 and 8002 usually.
        simulator = self._port("the simulator", web + 1) if self.wanted.simulator else 0
        seats = self._port("live seats", web + 2)
        return replace(addresses, web_port=web, simulator_port=simulator, seats_port=seats)

    def _port(self, whose: str, preferred: int, *, host: str = LOOPBACK) -> int:
        port = first_free(preferred, host=host)
        if port != preferred:
            self.say(f"Port {preferred} is in use, so {whose} goes to {port}")
        return port

    def _all_lines_run(self) -> bool:
        assert self.supervisor is not None
        return all(line.runs for line in self.supervisor.lines.values())


def answers(address: str) -> bool:
    """Whether a web address answers 200."""
    try:
        with urlopen(address, timeout=5) as answer:  # noqa: S310 - the address is our own
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
