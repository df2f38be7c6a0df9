"""Processes a row starts for itself, and the CPU they took: of a whole tree, as the system counted it."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

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


def cpu_seconds(pid: int) -> float:
    """User and system time of a process, its threads, and its descendants, living or waited for."""
    total = 0.0
    root = psutil.Process(pid)
    for process in (root, *root.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total
