"""A worker that is alive and deaf ends itself, with what it started; whoever runs the Procfile starts it again."""

from __future__ import annotations

from pathlib import Path

import psutil

from onsale.workers.hearing import EXIT_CODE
from tests.builders import until
from tests.worker_processes import running, said

ENDS_SECONDS_MAX = 60


def test_a_deaf_worker_beside_which_messages_wait_ends_itself_and_its_beat(
    settings: dict[str, str], tmp_path: Path
) -> None:
    # The sweeps' beat sends to the queue that its worker does not hear.
    with running("sweeps", settings, tmp_path, app="tests.deaf_worker") as process:
        until(lambda: psutil.Process(process.pid).children(), "its beat runs")
        beat = psutil.Process(process.pid).children()

        until(lambda: process.poll() is not None, "it ended", seconds=ENDS_SECONDS_MAX)

    assert process.returncode == EXIT_CODE
    assert "worker_deaf" in said(tmp_path / "sweeps.log")
    until(lambda: not any(map(is_running, beat)), "its beat ended")


def is_running(process: psutil.Process) -> bool:
    try:
        return process.status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False
