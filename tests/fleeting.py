"""Folders for servers whose data goes with them: in memory where there is room, for what they write is thrown away.

A database copied for one test is six hundred small files. On a disk they take 0.1 to 0.5 seconds of a processor,
in memory 0.02 to 0.05.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from onsale.sandbox.postgres import MEMORY, OPEN_MEMORY, WHOSE

# A test process' servers take a tenth of it. A container's own /dev/shm is often of 64 MB.
ROOM_BYTES = 3 << 30
SUFFIX = ".fleeting"
# Between making a folder and locking it.
YOUNG_SECONDS = 60.0


@contextmanager
def fleeting_folder(prefix: str = "onsale-test-", *, memory: Path = MEMORY) -> Iterator[Path]:
    """A folder that is gone at the end of the block, with everything in it."""
    where = memory if has_room(memory) else None
    if where is not None:
        remove_left_behind(where)
    with tempfile.TemporaryDirectory(prefix=prefix, suffix=SUFFIX, dir=where) as name:
        lock = os.open(name, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield Path(name)
        finally:
            os.close(lock)


def remove_left_behind(memory: Path) -> None:
    """Remove what tests that were killed left: folders whose lock nobody holds, and data that stood for such a folder.

    In memory nothing else ever would.
    """
    for folder in memory.glob(f"*{SUFFIX}"):
        try:
            if time.time() - folder.stat().st_mtime < YOUNG_SECONDS:
                continue
            lock = os.open(folder, os.O_RDONLY)
        except OSError:
            # Somebody else's, or gone meanwhile.
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            pass
        finally:
            os.close(lock)
    for whose in (memory / OPEN_MEMORY.name).glob(f"*/{WHOSE}"):
        with suppress(OSError):
            if not Path(whose.read_text()).exists():
                shutil.rmtree(whose.parent, ignore_errors=True)


def has_room(memory: Path) -> bool:
    """Whether there is such a folder for us, and memory for what tests put there."""
    try:
        free = shutil.disk_usage(memory).free
    except OSError:
        return False
    return min(free, psutil.virtual_memory().available) >= ROOM_BYTES and os.access(memory, os.W_OK)
