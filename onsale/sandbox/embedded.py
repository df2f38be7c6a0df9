"""What PostgreSQL and Valkey share when they run from a wheel's files, in a folder of ours, on 127.0.0.1.

One process at a time may run the server of a folder (a lock file says so); what a kill -9 left behind is found by the
folder it works in, and ended before a new one starts.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self

import psutil

from onsale.errors import OnsaleError
from onsale.sandbox.ports import free_port

Identity = Literal["same", "namespace", "nobody"]
START_SECONDS_MAX = 60
STOP_SECONDS_MAX = 15
# A free port may be taken by somebody else between asking and listening.
PORT_TRIES_MAX = 5
LOG_LINES_SHOWN = 12
_LEASH = str(Path(__file__).with_name("leash.py"))


class PartFailed(OnsaleError):
    """A part of the sandbox did not start or stop. Its log says why."""


class PartMissing(PartFailed):
    """A wheel the sandbox needs is not installed. Run `make setup`."""


class EmbeddedServer(ABC):
    """A server that lives in `folder` and ends with this process; use it as a context, or start() and stop().

    Start it from a thread that lives as long as the server should (the main one): the kernel ends it with its thread.
    """

    name: str
    # What the system calls its processes.
    program: str
    # What ends it quickly without losing anything.
    stop_signal: signal.Signals

    def __init__(self, folder: Path, *, port: int | None = None, durable: bool = True) -> None:
        self.folder = folder.absolute()
        self.port = port or 0
        # False is for tests: faster, and everything may be lost at a power cut.
        self.durable = durable
        self._preferred_port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    # What differs between the two.

    @abstractmethod
    def prepare(self) -> None:
        """Make what the server needs in the folder; may be called again."""

    @abstractmethod
    def command(self) -> list[str]:
        """The program and its arguments, for the port chosen."""

    @abstractmethod
    def answers(self) -> bool:
        """Whether the server takes work now."""

    @property
    @abstractmethod
    def data_folder(self) -> Path:
        """The folder the server works in, by which its processes are recognised."""

    @property
    def identity(self) -> Identity:
        return "same"

    # What is the same.

    @property
    def log_file(self) -> Path:
        return self.folder / "log"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process and self._process.poll() is None else None

    def start(self) -> Self:
        """Start the server and wait until it answers; PartFailed with the end of its log when it does not."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock_folder()
        try:
            self.end_left_overs()
            self.prepare()
            self._launch_on_a_free_port()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self, *, seconds: float = STOP_SECONDS_MAX) -> None:
        """End the server, quickly but without losing anything; harmless when it does not run."""
        if self._process is not None:
            end(self._process, self.stop_signal, seconds=seconds)
            self._process = None
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """`kill -9` the server with all its processes: what a power cut looks like to everybody else."""
        if self._process is None or self._process.poll() is not None:
            return
        with suppress(psutil.Error):
            # Each of PostgreSQL's is a session of its own, so no group has them all.
            children = psutil.Process(self._process.pid).children(recursive=True)
            self._process.kill()
            for child in children:
                with suppress(psutil.Error):
                    child.kill()
        self._process.wait()

    def start_again_if_ended(self) -> bool:
        """Start a server that ended by itself, under its old address; whether that was needed."""
        if self._process is None or self._process.poll() is None:
            return False
        address = self.port
        self.end_left_overs()
        self.prepare()
        self._launch_on_a_free_port()
        if self.port != address:
            raise PartFailed(f"{self.name} ended, and its port {address} was taken before it could start again.")
        return True

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def end_left_overs(self) -> list[int]:
        """End servers that still work in our folder although nobody holds its lock; returns their ids."""
        left = list(working_in(self.data_folder, self.program))
        ids = {process.pid for process in left}
        for process in left:
            with suppress(psutil.NoSuchProcess):
                # Only the first of them: told to stop, it stops the others in order.
                if process.ppid() not in ids:
                    process.send_signal(self.stop_signal)
        _, stubborn = psutil.wait_procs(left, timeout=STOP_SECONDS_MAX)
        for process in stubborn:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(stubborn, timeout=STOP_SECONDS_MAX)
        return sorted(ids)

    def last_log_lines(self) -> str:
        with suppress(OSError):
            lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
            return "\n".join(lines[-LOG_LINES_SHOWN:])
        return "(no log)"

    def _lock_folder(self) -> None:
        lock = (self.folder / "lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise PartFailed(f"{self.name} in {self.folder} is in use by another process.") from None
        self._lock = lock

    def _launch_on_a_free_port(self) -> None:
        port_file = self.folder / "port"
        last = int(port_file.read_text()) if port_file.exists() else None
        self.port = free_port(self._preferred_port or last)
        for _ in range(PORT_TRIES_MAX):
            self._process = self._launch()
            if self._wait():
                port_file.write_text(str(self.port))
                return
            if not self._port_was_taken():
                break
            self.port = free_port()
        raise PartFailed(f"{self.name} did not start. The end of {self.log_file}:\n{self.last_log_lines()}")

    def _launch(self) -> subprocess.Popen[bytes]:
        with self.log_file.open("ab") as log:
            return launch(
                self.command(),
                stop_signal=self.stop_signal,
                identity=self.identity,
                log=log,
                # PostgreSQL and Valkey go there themselves; by this folder left-overs are recognised.
                cwd=self.data_folder,
            )

    def _wait(self) -> bool:
        """True when the server answers, False when it ended before; PartFailed when it does neither in time."""
        ended = self._process
        assert ended is not None

        def settled() -> bool:
            return ended.poll() is not None or self.answers()

        if not poll(settled, seconds=START_SECONDS_MAX, every=0.02):
            raise PartFailed(
                f"{self.name} did not answer within {START_SECONDS_MAX} s. The end of {self.log_file}:\n"
                f"{self.last_log_lines()}"
            )
        return ended.poll() is None

    def _port_was_taken(self) -> bool:
        return "address already in use" in self.last_log_lines().lower()


def launch(
    command: list[str],
    *,
    stop_signal: signal.Signals,
    log: IO[bytes],
    identity: Identity = "same",
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own (a Ctrl-C in the terminal is not for it), on a leash to this thread."""
    return subprocess.Popen(
        [sys.executable, "-I", "-S", _LEASH, str(os.getpid()), str(int(stop_signal)), identity, *command],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        env=env,
        cwd=cwd,
    )


def working_in(folder: Path, program: str) -> Iterator[psutil.Process]:
    """Processes of a program whose working folder is this one, as it is for each of PostgreSQL's and Valkey's."""
    if not folder.exists():
        return
    real = str(folder.resolve())
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.name() == program and process.cwd() == real:
                yield process


def end(process: subprocess.Popen[bytes], how: signal.Signals, *, seconds: float) -> None:
    """Send `how`, wait, and kill what does not listen."""
    process.send_signal(how)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def poll(condition: Callable[[], bool], *, seconds: float, every: float = 0.05) -> bool:
    """Ask until it is true or the time is over; whether it became true."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def secret_in(file: Path) -> str:
    """The secret in a file that only its owner can read, made at the first call."""
    if not file.exists():
        fresh = file.with_name(file.name + ".new")
        fresh.unlink(missing_ok=True)
        with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as writing:
            writing.write(secrets.token_urlsafe(24))
        fresh.rename(file)
    return file.read_text().strip()
