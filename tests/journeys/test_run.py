"""A newcomer types `onsale run`: the screen appears, a page is there, Ctrl-C leaves no process, and again."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import psutil
import pytest

from onsale.sandbox.embedded import poll
from onsale.sandbox.supervisor import MARK

ONSALE = Path(sys.executable).with_name("onsale")
GONE_SECONDS_MAX = 30
# The reconciler charges the sample's 75 cards ten seconds after the seed; a crowded machine takes longer.
SOLD_SECONDS_MAX = 60


def processes_of(folder: Path) -> list[str]:
    """Whatever runs for a folder: lines by their mark, the supervisor by its arguments, parts by where they work."""
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(MARK) == str(folder)
            named = str(folder) in " ".join(process.cmdline()) or process.cwd().startswith(str(folder))
            if (marked or named) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {process.name()}")
        except (psutil.Error, OSError):
            continue
    return found


def test_run_shows_its_screen_serves_pages_and_leaves_nothing_then_does_it_again(start_house, tmp_path, capsys):
    folder = tmp_path / ".onsale"
    took = []
    for _ in range(2):
        began = time.monotonic()
        with start_house(folder) as house:
            took.append(time.monotonic() - began)

            assert httpx.get(f"{house.address}/healthz").status_code == 200
            assert httpx.get(f"{house.address}/readyz").status_code == 200
            assert f"{house.address}/demo" in house.screen
            assert [line for line in house.screen.splitlines() if len(line) > 120] == []
        assert house.process.returncode == 0, house.screen
        assert "Nothing is left running" in house.screen
        assert processes_of(folder) == []

    # Measured, not asserted by a stopwatch: .ci/first_run.py says when it is more than the promised 60 s and 10 s.
    with capsys.disabled():
        print(f"\nonsale run: first screen after {took[0]:.1f} s, second after {took[1]:.1f} s")


def test_every_address_on_the_screen_answers(stack):
    addresses = set(re.findall(r"http://\S+", stack.screen))

    answered = {address: httpx.get(address, follow_redirects=True).status_code for address in addresses}

    assert len(answered) == 4, "the demo, the console, the API's documentation, the simulator"
    assert set(answered.values()) == {200}, answered


def test_the_sample_show_that_is_sold_out_was_paid_for_and_everything_holds(stack):
    event_id = httpx.get(f"{stack.address}/v1/event=Last%20Train%20to%20Larkfield").json()["event_ids"][0]
    status = f"{stack.address}/v1/events/{event_id}/queue"
    assert poll(lambda: httpx.get(status).json()["phase"] == "sold_out", seconds=SOLD_SECONDS_MAX)

    audit = subprocess.run(
        [str(ONSALE), "verify", str(event_id), "--json"],
        env={**os.environ, **stack.settings},
        capture_output=True,
        check=False,
    )
    verdict = json.loads(audit.stdout)

    assert verdict["ok"], verdict


def test_only_its_owner_reads_the_folder(stack):
    assert stack.folder.stat().st_mode & 0o077 == 0
    for name in ("run.env", "secrets.env", "passwords"):
        assert (stack.folder / name).stat().st_mode & 0o077 == 0, name


def test_a_second_run_in_the_folder_says_where_the_first_one_is(stack, start_house):
    screen = stack.screen

    with pytest.raises(AssertionError, match="Onsale already runs in"), start_house(stack.folder):
        pass

    (stack.folder / "screen").write_text(screen)
    assert httpx.get(f"{stack.address}/healthz").status_code == 200


def test_a_wrong_setting_stops_the_start_with_one_sentence_before_anything_runs(start_house, tmp_path):
    with (
        pytest.raises(
            AssertionError, match="ONSALE_PAYMENT_CONCURRENCY wants a whole number from 1 to 256, not 'many'"
        ),
        start_house(tmp_path / ".onsale", ONSALE_PAYMENT_CONCURRENCY="many"),
    ):
        pass

    assert not (tmp_path / ".onsale" / "postgres").exists()


def test_after_a_kill_9_nothing_is_left_or_the_next_run_cleans_up(start_house, tmp_path):
    folder = tmp_path / ".onsale"
    with start_house(folder) as house:
        os.kill(house.process.pid, signal.SIGKILL)
        house.process.wait()

    with start_house(folder) as again:
        assert httpx.get(f"{again.address}/readyz").status_code == 200

    assert poll(lambda: processes_of(folder) == [], seconds=GONE_SECONDS_MAX)


def test_a_part_that_is_killed_comes_back_while_the_house_runs(start_house, tmp_path):
    with start_house(tmp_path / ".onsale") as house:
        pid = int((house.folder / "postgres" / "data" / "postmaster.pid").read_text().splitlines()[0])

        os.kill(pid, signal.SIGKILL)

        assert poll(lambda: "PostgreSQL had ended and was started again" in house.screen, seconds=GONE_SECONDS_MAX)
        assert poll(lambda: httpx.get(f"{house.address}/readyz").status_code == 200, seconds=GONE_SECONDS_MAX)
