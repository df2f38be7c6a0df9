"""Real worker processes for tests: the lines of the Procfile, on a test's parts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.builders import until

ROOT = Path(__file__).resolve().parents[1]
START_SECONDS_MAX = 40
STOP_SECONDS_MAX = 20
LAST_WORDS_CHARS = 6_000
# What a process says when it works; Celery's say "ready".
READY = {"admit": "admitting", "changes": "following"}


def procfile() -> dict[str, str]:
    """The lines by their names."""
    lines = (ROOT / "Procfile").read_text(encoding="utf-8").splitlines()
    return dict(line.split(": ", 1) for line in lines if line and not line.startswith("#"))


@contextmanager
def running(
    name: str, settings: dict[str, str], folder: Path, *, app: str = "onsale.workers.app"
) -> Iterator[subprocess.Popen[bytes]]:
    """The Procfile's line as a process (a group of its own) until the end of the block; what it logs is in `folder`.

    `app`: another Celery app for a worker.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ONSALE_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    log = folder / f"{name}.log"
    # One that ran before has said that it was ready, too.
    said_before = len(said(log))
    with log.open("ab") as file:
        process = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {procfile()[name].replace('onsale.workers.app', app)}"],
            env={**ours, **settings, "PATH": path},
            cwd=ROOT,
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
    try:
        ready = READY.get(name, " ready.")
        until(
            lambda: process.poll() is not None or ready in said(log)[said_before:],
            f"{name} is up",
            seconds=START_SECONDS_MAX,
        )
        assert process.poll() is None, said(log)
        yield process
    except BaseException:
        print(f"--- {name}'s last words:\n{said(log)[-LAST_WORDS_CHARS:]}")  # pytest shows them beside a failure
        raise
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                kill(process)
                raise AssertionError(f"{name} does not stop:\n{said(log)}") from None


def kill(process: subprocess.Popen[bytes]) -> None:
    """`kill -9`, with everything it started."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS_MAX)


def said(log: Path) -> str:
    """What a process has logged so far."""
    return log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
