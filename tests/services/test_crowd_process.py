"""The crowd of a rehearsal is a process of its own, and goes with whoever conducts it."""

from __future__ import annotations

import subprocess
import sys

import psutil

from tests.builders import until

# Starts a crowd at a shop that never answers, says which process it is, and waits.
CONDUCTOR = """
import multiprocessing, time
from onsale.sandbox.rehearsal.generating import generate
from onsale.sandbox.rehearsal.plan import Plan

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    crowd = context.Process(target=generate, args=(Plan(buyers=1), "http://127.0.0.1:9", 1, (), theirs))
    crowd.start()
    ours.recv()
    print(crowd.pid, flush=True)
    time.sleep(60)
"""


def test_a_crowd_does_not_outlive_a_killed_conductor(tmp_path) -> None:
    script = tmp_path / "conductor.py"
    script.write_text(CONDUCTOR)
    conductor = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    assert conductor.stdout is not None
    crowd = psutil.Process(int(conductor.stdout.readline()))

    conductor.kill()
    conductor.wait()

    until(lambda: not crowd.is_running() or crowd.status() == psutil.STATUS_ZOMBIE, "the crowd is gone")
    conductor.stdout.close()
