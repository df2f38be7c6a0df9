"""Keeps the lines of the Procfile running: starts them, restarts what crashes, stops them in order.

One thread, no magic: every line is a process in a session of its own, on a leash to us, writing to a log file of its
own. Every process carries a mark in its environment by which a later run finds what a kill -9 left behind.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from onsale.sandbox.embedded import PartFailed, launch, poll
from onsale.sandbox.screen import shown_path

MARK = "ONSALE_RUN_FOLDER"
# A line that crashed starts again after this long, doubled each time; after so many crashes the run ends.
RESTART_SECONDS = 0.5
CRASHES_MAX = 5
# After this long a crash counts as the first one again.
STEADY_SECONDS = 60
LOG_BYTES_MAX = 5_000_000
LOG_LINES_SHOWN = 15
KILLED_SECONDS_MAX = 5


@dataclass
class Line:
    """One line of the Procfile and the process that runs it now."""

    name: str
    command: str
    # How long its warm shutdown may take.
    stop_seconds: float = 5
    # A line that ends by itself with 0 has done its work; any other is started again.
    may_end: bool = False
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0
    crashes: int = 0
    start_again_at: float | None = None

    @property
    def runs(self) -> bool:
        return self.process is not None and self.process.poll() is None


@dataclass
class Supervisor:
    """The lines that run, their logs, and what to tell the person watching."""

    folder: Path
    env: Mapping[str, str]
    say: Callable[[str], None]
    lines: dict[str, Line] = field(default_factory=dict)

    def log_file(self, name: str) -> Path:
        return self.folder / "logs" / f"{name}.log"

    def start(self, line: Line) -> None:
        """Start the line; call it from the main thread, whose end ends the line."""
        self.lines[line.name] = line
        log_file = self.log_file(line.name)
        log_file.parent.mkdir(parents=True, exist_ok=True)
        if log_file.exists() and log_file.stat().st_size > LOG_BYTES_MAX:
            log_file.replace(log_file.with_suffix(".log.1"))
        with log_file.open("ab") as log:
            # `exec`: the shell reads the words and goes away, so that signals reach the program.
            line.process = launch(
                ["/bin/sh", "-c", f"exec {line.command}"],
                stop_signal=signal.SIGTERM,
                log=log,
                env={**self.env, MARK: str(self.folder), "PATH": path_with_our_programs(self.env)},
            )
        line.started_at = time.monotonic()
        line.start_again_at = None

    def look(self) -> None:
        """See who has ended, and start again whose time has come; PartFailed when one crashes over and over."""
        now = time.monotonic()
        for line in list(self.lines.values()):
            if line.start_again_at is not None:
                if now >= line.start_again_at:
                    self.start(line)
            elif line.process is not None and line.process.poll() is not None:
                self._ended(line, line.process.returncode, now)

    def stop(self, names: Iterable[str], *, hurry: Callable[[], bool] = lambda: False) -> None:
        """Ask these lines to end, all at once, and wait; kill what takes too long, or all of it once in a hurry."""
        stopping = [self.lines.pop(name) for name in list(names) if name in self.lines]
        for line in stopping:
            line.start_again_at = None
            if line.process is not None and line.runs:
                line.process.terminate()
        for line in stopping:
            self._wait_for_end(line, hurry)

    def last_log_lines(self, name: str) -> str:
        file = self.log_file(name)
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.exists() else []
        return "\n".join(f"  {each}" for each in lines[-LOG_LINES_SHOWN:])

    def _wait_for_end(self, line: Line, hurry: Callable[[], bool]) -> None:
        deadline = line.stop_seconds
        poll(lambda: not line.runs or hurry(), seconds=deadline)
        if line.process is None:
            return
        if line.runs and not hurry():
            self.say(f"{line.name} did not end within {deadline:g} s and is killed")
        # The whole session: a worker's children too, even when their parent ended without them.
        with suppress(ProcessLookupError):
            os.killpg(line.process.pid, signal.SIGKILL)
        line.process.wait(KILLED_SECONDS_MAX)

    def _ended(self, line: Line, code: int, now: float) -> None:
        process, line.process = line.process, None
        assert process is not None
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if line.may_end and code == 0:
            del self.lines[line.name]
            return
        line.crashes = 1 if now - line.started_at > STEADY_SECONDS else line.crashes + 1
        log = shown_path(self.log_file(line.name))
        if line.crashes > CRASHES_MAX:
            if line.may_end:
                self.say(f"{line.name} gave up; see {log}")
                del self.lines[line.name]
                return
            raise PartFailed(
                f"{line.name} ended {line.crashes} times in a row, last with {ending(code)}. The end of {log}:\n"
                + self.last_log_lines(line.name)
            )
        wait = RESTART_SECONDS * 2 ** (line.crashes - 1)
        line.start_again_at = now + wait
        self.say(f"{line.name} ended with {ending(code)} and starts again in {wait:g} s; see {log}")


def ending(code: int) -> str:
    return f"code {code}" if code >= 0 else signal.Signals(-code).name


def path_with_our_programs(env: Mapping[str, str]) -> str:
    """The search path with this interpreter's programs first: `celery` must be ours, activated or not."""
    return os.pathsep.join([str(Path(sys.executable).parent), env.get("PATH", os.defpath)])


def end_left_overs(folder: Path) -> list[str]:
    """End the lines of an earlier run of this folder that nobody watches any more; returns their names."""
    left = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if process.pid != os.getpid() and process.environ().get(MARK) == str(folder):
                process.terminate()
                left.append(process)
    names = sorted({_name(process) for process in left})
    _, stubborn = psutil.wait_procs(left, timeout=KILLED_SECONDS_MAX)
    for process in stubborn:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(stubborn, timeout=KILLED_SECONDS_MAX)
    return names


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.name()
    return "a process"
