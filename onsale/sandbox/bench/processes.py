"""Processes a row starts for itself, ended with its block."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from onsale.sandbox.embedded import PartFailed, end, launch

STOP_SECONDS = 10
LOG_LINES_SHOWN = 12


@contextmanager
def running(command: list[str], *, env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process, on a leash to this thread, until the end of the block; PartFailed when it ends before."""
    with log.open("ab") as file:
        process = launch(command, stop_signal=signal.SIGTERM, log=file, env=dict(env))
    try:
        yield process
        if process.poll() is not None:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            raise PartFailed(f"{command[0]} ended by itself:\n" + "\n".join(lines[-LOG_LINES_SHOWN:]))
    finally:
        end(process, signal.SIGTERM, seconds=STOP_SECONDS)
