"""Folders for servers whose data goes with them: in memory where there is room, for what they write is thrown away.

A database copied for one test is six hundred small files. On a disk they take 0.1 to 0.5 seconds of a processor,
more than most tests; in memory a fiftieth of one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from onsale.sandbox.postgres import MEMORY

# A test process' servers take a tenth of it. A container's own /dev/shm is often of 64 MB.
ROOM_BYTES = 3 << 30


@contextmanager
def fleeting_folder(prefix: str = "onsale-test-", *, memory: Path = MEMORY) -> Iterator[Path]:
    """A folder that is gone at the end of the block, with everything in it."""
    with tempfile.TemporaryDirectory(prefix=prefix, dir=memory if has_room(memory) else None) as name:
        yield Path(name)


def has_room(memory: Path) -> bool:
    """Whether there is such a folder for us, and memory for what tests put there."""
    try:
        free = shutil.disk_usage(memory).free
    except OSError:
        return False
    return min(free, psutil.virtual_memory().available) >= ROOM_BYTES and os.access(memory, os.W_OK)
