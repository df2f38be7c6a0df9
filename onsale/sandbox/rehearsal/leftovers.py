"""Removes the temporary folders of rehearsals that were killed, and could not do it themselves."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path

import psutil

LOCK = "lock"
REMOVED_MAX = 20


def remove(among: Path, *, prefix: str) -> list[Path]:
    """Remove at most REMOVED_MAX of our own folders that begin so and that nobody uses any more; returns them.

    In use is one whose lock is held, one without a lock (its rehearsal has not got so far yet), and one that a process
    works in or was started with: servers outlive a killed rehearsal for a moment.
    """
    removed: list[Path] = []
    for folder in sorted(among.glob(f"{prefix}*")):
        if len(removed) == REMOVED_MAX:
            break
        with suppress(OSError):
            if _is_ours(folder) and _remove(folder):
                removed.append(folder)
    return removed


def _is_ours(folder: Path) -> bool:
    return not folder.is_symlink() and folder.is_dir() and folder.stat().st_uid == os.geteuid()


def _remove(folder: Path) -> bool:
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_NOFOLLOW)
    try:
        # Held until all is gone, so that no two rehearsals remove one folder.
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _somebody_works_in(folder):
            return False
        shutil.rmtree(folder, ignore_errors=True)
        return not folder.exists()
    finally:
        os.close(lock)


def _somebody_works_in(folder: Path) -> bool:
    place = str(folder)
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if any(place in word for word in (process.cwd(), *process.cmdline(), *process.environ().values())):
                return True
    return False
