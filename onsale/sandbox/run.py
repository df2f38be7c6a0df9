"""`onsale run`: everything on one machine, from nothing to a screen that says where to look.

It brings PostgreSQL, Valkey and a Stripe simulator (each replaced by the real one whose address you set), fills the
record, starts the lines of the Procfile, and keeps them running until Ctrl-C.
"""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO
from urllib.error import URLError
from urllib.request import urlopen

import click
import sqlalchemy

from onsale.config import Config
from onsale.db.engine import make_engine, migrate, transaction
from onsale.sandbox import settings
from onsale.sandbox.embedded import EmbeddedServer, PartFailed, poll
from onsale.sandbox.environment import RUN_ENV, read_env, sandbox_secrets, write_env
from onsale.sandbox.passwords import passwords
from onsale.sandbox.ports import LOOPBACK, first_free
from onsale.sandbox.postgres import EmbeddedPostgres
from onsale.sandbox.procfile import procfile
from onsale.sandbox.screen import Facts, screen, shown_path
from onsale.sandbox.seed import seed
from onsale.sandbox.settings import Addresses, Wanted
from onsale.sandbox.signals import StopAsked, StopSignals
from onsale.sandbox.supervisor import Line, Supervisor, end_left_overs
from onsale.sandbox.valkey import EmbeddedValkey

READY_SECONDS_MAX = 90
LOOK_SECONDS = 0.2
# A part that fell over starts again so often; then something is wrong that starting does not mend.
PART_RESTARTS_MAX = 5
WORKERS = ("lanes", "payments", "sweeps", "admit")
# Who ends before whom: nobody new comes in, then what is begun is ended, then the parts it needed.
STOP_ORDER = (("crowd",), ("web",), WORKERS, ("simulator",))
STOP_SECONDS = {"web": 12, "lanes": 10, "payments": 30, "sweeps": 10}


@click.command("run")
@click.option("--crowd/--no-crowd", envvar="CROWD", default=True, show_default=True, help="Send a demo crowd (CROWD).")
@click.pass_obj
def run(folder: Path, crowd: bool) -> None:
    """Start everything on this machine, print where to look, and stop it all at Ctrl-C.

    \b
    Brings what it is not given. Give the address of a real part to use that instead:
      ONSALE_DATABASE_URL       PostgreSQL 14 or newer
      ONSALE_QUEUE_URL          Redis 7 or Valkey; also ONSALE_CACHE_URL, ONSALE_BROKER_URL
      ONSALE_STRIPE_SECRET_KEY  a Stripe test key, with ONSALE_STRIPE_PUBLISHABLE_KEY

    Data, secrets and logs stay in .onsale/ and are used again by the next run; remove the folder to begin anew.
    """
    with StopSignals() as signals:
        running = Run(folder.absolute(), crowd=crowd, signals=signals)
        try:
            running.start()
            running.watch()
        except StopAsked:
            running.say("Stopping ...")
        finally:
            signals.only_hurry()
            running.stop()
    running.say("Stopped. Nothing is left running.")


@dataclass
class Run:
    """One run of the whole house in a folder."""

    folder: Path
    crowd: bool
    signals: StopSignals
    commands: dict[str, str] = field(default_factory=procfile)
    began: float = field(default_factory=time.monotonic)
    parts: list[EmbeddedServer] = field(default_factory=list)
    supervisor: Supervisor | None = None
    settings: dict[str, str] = field(default_factory=dict)
    part_restarts: int = 0
    _lock: IO[str] | None = None

    def say(self, what: str) -> None:
        # A closed terminal must not keep us from stopping in order.
        with suppress(OSError):
            click.echo(f"{time.monotonic() - self.began:6.1f} s  {what}")

    def start(self) -> None:
        """Bring everything up, in the order in which one needs the other, and print the screen."""
        self._take_folder()
        given = settings.given_settings(os.environ)
        wanted = settings.wanted_parts(given)
        self._check(given, wanted)
        database_url, valkey_urls = self._start_parts(wanted)
        addresses = self._choose_ports(given, wanted, Addresses(database_url=database_url, valkey_urls=valkey_urls))
        self.settings = self._settings(given, addresses)
        self._fill_record(own=wanted.postgres)
        write_env(self.folder / RUN_ENV, self.settings, comment="The settings of the last onsale run in this folder.")
        self._start_lines(wanted)
        self._wait_until_ready()
        if self.crowd:
            self._start_line("crowd")
        self._print_screen(wanted)

    def watch(self) -> None:
        """Keep everything running until a signal or a part that fails for good."""
        while True:
            time.sleep(LOOK_SECONDS)
            self._look()

    def stop(self) -> None:
        """End everything in order; a second Ctrl-C ends it at once."""
        supervisor, self.supervisor = self.supervisor, None
        if supervisor is not None:
            for names in STOP_ORDER:
                supervisor.stop(names, hurry=self.signals.hurried)
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

    def _check(self, given: dict[str, str], wanted: Wanted) -> None:
        """Refuse a wrong setting before anything starts."""
        some_url = f"redis://{LOOPBACK}/0"
        trial = Addresses(
            database_url=f"postgresql://{LOOPBACK}/onsale" if wanted.postgres else "",
            valkey_urls=(some_url, some_url, some_url) if wanted.valkey else ("", "", ""),
        )
        Config.from_env({**self._settings(given, trial), **given})

    def _settings(self, given: dict[str, str], addresses: Addresses) -> dict[str, str]:
        return settings.sandbox_settings(
            given, folder=self.folder, secrets=sandbox_secrets(self.folder), addresses=addresses
        )

    def _start_parts(self, wanted: Wanted) -> tuple[str, tuple[str, str, str]]:
        database_url, valkey_urls = "", ("", "", "")
        if wanted.postgres:
            postgres = EmbeddedPostgres(self.folder / "postgres")
            self._start_part(postgres)
            database_url = postgres.ensure_database("onsale")
        if wanted.valkey:
            valkey = EmbeddedValkey(self.folder / "valkey")
            self._start_part(valkey)
            valkey_urls = (valkey.url(0), valkey.url(1), valkey.url(2))
        return database_url, valkey_urls

    def _start_part(self, part: EmbeddedServer) -> None:
        self.parts.append(part)
        part.start()
        self.say(f"{part.name} answers on {LOOPBACK}:{part.port}")

    def _choose_ports(self, given: dict[str, str], wanted: Wanted, addresses: Addresses) -> Addresses:
        host = given.get("ONSALE_WEB_HOST", LOOPBACK)
        web = self._port("the web", settings.web_port_wanted(given), host=host)
        # Beside the web, which 8000 and 8001 usually are.
        simulator = self._port("the simulator", web + 1) if wanted.simulator else 0
        return Addresses(addresses.database_url, addresses.valkey_urls, web_port=web, simulator_port=simulator)

    def _port(self, whose: str, preferred: int, *, host: str = LOOPBACK) -> int:
        port = first_free(preferred, host=host)
        if port != preferred:
            self.say(f"Port {preferred} is in use, so {whose} goes to {port}")
        return port

    def _fill_record(self, *, own: bool) -> None:
        """Bring the schema up to date, fill an empty record, and put the demo's shows on sale anew in our own."""
        url = Config.from_env(self.settings).database_url
        migrate(url)
        engine = make_engine(url, application_name="onsale run")
        try:
            with transaction(engine) as connection:
                empty = not connection.scalar(sqlalchemy.text("SELECT EXISTS (SELECT FROM events)"))
                if own or empty:
                    known = passwords(self.folder / "passwords")
                    filled = seed(connection, now=datetime.now(UTC), passwords=known, rearm=not empty)
                    self.say(f"The record is ready: {filled.new_events} new events")
        finally:
            engine.dispose()

    def _start_lines(self, wanted: Wanted) -> None:
        # A terminal's Ctrl-C and colours are ours; everything else of the environment goes on to the lines.
        env = {**os.environ, **self.settings, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}
        self.supervisor = Supervisor(self.folder, env, self.say)
        names = [name for name in self.commands if name != "crowd" and (name != "simulator" or wanted.simulator)]
        for name in names:
            self._start_line(name)
        self.say(f"Started {', '.join(names)}")

    def _start_line(self, name: str) -> None:
        assert self.supervisor is not None
        line = Line(name, self.commands[name], stop_seconds=STOP_SECONDS.get(name, 5), may_end=name == "crowd")
        self.supervisor.start(line)

    def _wait_until_ready(self) -> None:
        address = f"http://{LOOPBACK}:{self.settings['ONSALE_WEB_PORT']}/readyz"

        def ready() -> bool:
            self._look()
            # A line about to be started again may be in a crash loop: no screen before that is known.
            return self._all_lines_run() and answers(address)

        if not poll(ready, seconds=READY_SECONDS_MAX, every=LOOK_SECONDS):
            assert self.supervisor is not None
            raise PartFailed(
                f"The web was not ready after {READY_SECONDS_MAX} s ({address}). The end of its log:\n"
                + self.supervisor.last_log_lines("web")
            )
        self.say("The web answers")

    def _all_lines_run(self) -> bool:
        assert self.supervisor is not None
        return all(line.runs for line in self.supervisor.lines.values())

    def _look(self) -> None:
        assert self.supervisor is not None
        for part in self.parts:
            if part.start_again_if_ended():
                self.part_restarts += 1
                self.say(f"{part.name} had ended and was started again; see {shown_path(part.log_file)}")
        if self.part_restarts > PART_RESTARTS_MAX:
            raise PartFailed(f"PostgreSQL or Valkey ended {self.part_restarts} times; see the logs in {self.folder}.")
        self.supervisor.look()

    def _print_screen(self, wanted: Wanted) -> None:
        facts = Facts(
            web=self.settings["ONSALE_PUBLIC_URL"],
            simulator=self.settings["ONSALE_STRIPE_API_BASE"] if wanted.simulator else "",
            folder=self.folder,
            passwords=self.folder / "passwords",
            crowd=self.crowd,
            seconds=time.monotonic() - self.began,
        )
        with suppress(OSError):
            click.echo(screen(facts))


def answers(address: str) -> bool:
    """Whether a web address answers 200."""
    try:
        with urlopen(address, timeout=5) as answer:  # noqa: S310 - the address is our own
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
