"""The folder of a rehearsal that was killed is removed by the next one, and nothing else is."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from onsale.sandbox.rehearsal import leftovers

PREFIX = "onsale-rehearsal-"


def left(among: Path, name: str = "one", *, lock: bool = True) -> Path:
    """What a killed rehearsal leaves."""
    folder = among / f"{PREFIX}{name}"
    (folder / "logs").mkdir(parents=True)
    if lock:
        (folder / "lock").touch()
    return folder


def test_the_folder_of_a_rehearsal_that_is_gone_is_removed(tmp_path: Path) -> None:
    folder = left(tmp_path)

    assert leftovers.remove(tmp_path, prefix=PREFIX) == [folder]
    assert not folder.exists()


def test_a_folder_whose_lock_is_held_stays(tmp_path: Path) -> None:
    folder = left(tmp_path)

    with (folder / "lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert leftovers.remove(tmp_path, prefix=PREFIX) == []

    assert folder.exists()


def test_a_folder_that_has_no_lock_yet_stays(tmp_path: Path) -> None:
    folder = left(tmp_path, lock=False)

    assert leftovers.remove(tmp_path, prefix=PREFIX) == []
    assert folder.exists()


@pytest.mark.parametrize("how", ["cwd", "argument", "environment"])
def test_a_folder_that_a_process_works_in_stays(tmp_path: Path, how: str) -> None:
    folder = left(tmp_path)
    given = {"cwd": folder} if how == "cwd" else {"env": {"DATA": f"{folder}/data"}} if how == "environment" else {}
    words = [f"--data={folder}/data"] if how == "argument" else []
    code = "print(flush=True); input()"

    with subprocess.Popen(
        [sys.executable, "-c", code, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, **given
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        removed = leftovers.remove(tmp_path, prefix=PREFIX)
        process.kill()

    assert removed == []
    assert folder.exists()


def test_what_is_no_folder_of_a_rehearsal_stays(tmp_path: Path) -> None:
    elsewhere = left(tmp_path / "elsewhere", "target")
    (tmp_path / f"{PREFIX}link").symlink_to(elsewhere)
    (tmp_path / f"{PREFIX}file").touch()
    other = left(tmp_path, "other").rename(tmp_path / "another-program-1")

    assert leftovers.remove(tmp_path, prefix=PREFIX) == []
    assert elsewhere.exists()
    assert other.exists()


@pytest.mark.parametrize("more", [0, 1])
def test_at_most_so_many_are_removed_at_once(tmp_path: Path, more: int) -> None:
    for n in range(leftovers.REMOVED_MAX + more):
        left(tmp_path, f"{n:03}")

    assert len(leftovers.remove(tmp_path, prefix=PREFIX)) == leftovers.REMOVED_MAX
    assert len(list(tmp_path.iterdir())) == more
