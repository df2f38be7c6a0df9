"""The supervisor keeps the lines of the Procfile running, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from onsale.sandbox import supervisor as the
from onsale.sandbox.embedded import PartFailed, poll
from onsale.sandbox.supervisor import MARK, Line, Supervisor, end_left_overs

ROOT = Path(__file__).resolve().parents[2]
SECONDS_MAX = 20


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, {"PATH": os.environ["PATH"], "GREETING": "hello"}, said.append)
    yield made
    for line in made.lines.values():
        line.stop_seconds = 0
    made.stop(list(made.lines))


def wait_for(condition: Callable[[], bool]) -> None:
    assert poll(condition, seconds=SECONDS_MAX, every=0.01)


def log(supervisor: Supervisor, name: str) -> str:
    return supervisor.log_file(name).read_text()


def test_a_line_runs_in_a_shell_with_its_settings_and_writes_to_its_own_log(supervisor):
    supervisor.start(Line("one", "printf '%s %s' \"$GREETING\" ${MISSING:-there}", may_end=True))

    wait_for(lambda: log(supervisor, "one") == "hello there")


def test_our_own_programs_come_before_those_of_the_path(supervisor):
    supervisor.start(Line("one", "python -c 'import sys; print(sys.prefix)'", may_end=True))

    wait_for(lambda: log(supervisor, "one").strip() == sys.prefix)


def test_a_line_that_was_killed_starts_again(supervisor, said):
    line = Line("one", "sleep 600")
    supervisor.start(line)
    first = line.process

    os.kill(first.pid, signal.SIGKILL)
    wait_for(lambda: supervisor.look() or (line.process not in (None, first) and line.runs))

    assert said == [f"one ended with SIGKILL and starts again in 0.5 s; see {supervisor.log_file('one')}"]


def test_a_line_that_crashes_over_and_over_ends_the_run_with_the_end_of_its_log(supervisor, said, monkeypatch):
    monkeypatch.setattr(the, "RESTART_SECONDS", 0.01)
    supervisor.start(Line("one", "sh -c 'echo the reason; exit 3'"))

    with pytest.raises(PartFailed, match="one ended 6 times in a row, last with code 3") as failed:
        wait_for(lambda: supervisor.look() or False)

    assert "the reason" in str(failed.value)
    assert len(said) == the.CRASHES_MAX


def test_a_crash_after_a_long_time_counts_as_the_first(supervisor, monkeypatch):
    monkeypatch.setattr(the, "RESTART_SECONDS", 0.01)
    monkeypatch.setattr(the, "STEADY_SECONDS", 0)
    line = Line("one", "false")
    supervisor.start(line)
    ends = set()

    wait_for(lambda: supervisor.look() or ends.add(line.started_at) or len(ends) > the.CRASHES_MAX + 2)

    assert line.crashes == 1


def test_a_line_that_may_end_is_done_when_it_ends_well(supervisor, said):
    supervisor.start(Line("one", "true", may_end=True))

    wait_for(lambda: supervisor.look() or not supervisor.lines)

    assert said == []


def test_stopping_lets_a_line_finish_what_it_does(supervisor):
    supervisor.start(
        Line("one", "sh -c 'trap \"echo finished; exit 0\" TERM; echo begun; while :; do sleep 0.05; done'")
    )
    wait_for(lambda: "begun" in log(supervisor, "one"))

    supervisor.stop(["one"])

    assert log(supervisor, "one").splitlines()[-1] == "finished"
    assert supervisor.lines == {}


def test_a_line_that_does_not_listen_is_killed_with_its_children_when_its_time_is_over(supervisor, said):
    deaf = "sh -c 'trap \"\" TERM; sleep 601 & echo $!; while :; do sleep 0.05; done'"
    line = Line("one", deaf, stop_seconds=0.2)
    supervisor.start(line)
    wait_for(lambda: log(supervisor, "one").strip().isdecimal())
    child = int(log(supervisor, "one"))

    supervisor.stop(["one"])

    assert said == ["one did not end within 0.2 s and is killed"]
    wait_for(lambda: not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE)


def test_a_second_ctrl_c_does_not_wait(supervisor):
    supervisor.start(Line("one", "sh -c 'trap \"\" TERM; echo deaf; while :; do sleep 0.05; done'", stop_seconds=600))
    wait_for(lambda: "deaf" in log(supervisor, "one"))
    began = time.monotonic()

    supervisor.stop(["one"], hurry=lambda: True)

    assert time.monotonic() - began < SECONDS_MAX


def test_a_full_log_makes_room(supervisor, monkeypatch):
    monkeypatch.setattr(the, "LOG_BYTES_MAX", 3)
    supervisor.log_file("one").parent.mkdir()
    supervisor.log_file("one").write_text("long")

    supervisor.start(Line("one", "echo new", may_end=True))

    wait_for(lambda: log(supervisor, "one") == "new\n")
    assert supervisor.log_file("one").with_suffix(".log.1").read_text() == "long"


OWNER = """
import sys, time
from pathlib import Path
from onsale.sandbox.supervisor import Line, Supervisor
supervisor = Supervisor(Path(sys.argv[1]), {"PATH": "/usr/bin:/bin"}, print)
supervisor.start(Line("one", "sleep 602"))
print(supervisor.lines["one"].process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the kernel's leash is Linux'; others reap at next start"
)
def test_lines_die_with_a_supervisor_that_is_killed(tmp_path):
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    line = int(owner.stdout.readline())

    owner.kill()
    owner.wait()
    owner.stdout.close()

    wait_for(lambda: not psutil.pid_exists(line) or psutil.Process(line).status() == psutil.STATUS_ZOMBIE)


def test_what_an_earlier_run_left_in_this_folder_is_ended_and_nothing_else(tmp_path):
    ours = subprocess.Popen(["sleep", "603"], env={MARK: str(tmp_path), "PATH": os.environ["PATH"]})
    others = subprocess.Popen(["sleep", "603"], env={MARK: str(tmp_path / "other"), "PATH": os.environ["PATH"]})
    try:
        wait_for(lambda: psutil.Process(ours.pid).name() == psutil.Process(others.pid).name() == "sleep")

        left = end_left_overs(tmp_path)

        assert left == ["sleep"]
        assert not psutil.pid_exists(ours.pid)
        assert others.poll() is None
    finally:
        for process in (ours, others):
            process.kill()
            process.wait()
