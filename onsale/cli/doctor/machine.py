"""This machine: room for open files, and room on the disk that mail and logs go to."""

from __future__ import annotations

import resource
import shutil
from collections.abc import Iterator
from pathlib import Path

from onsale.cli.doctor.examining import Part
from onsale.cli.doctor.finding import Seen, ok, worst_for
from onsale.cli.doctor.rooms import room
from onsale.config import Config

# A web process: the buyers of a crowd, each with a connection, and those to the parts.
OPEN_FILES_MIN = 8_192


def examine(config: Config) -> Iterator[tuple[str, Seen]]:
    """What this process was given; started the same way, the others were given as much."""
    sandbox = config.environment == "sandbox"
    yield "open files", open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0], sandbox=sandbox)
    used = shutil.disk_usage(existing(config.outbox_dir))
    yield "disk", room("The disk for mail and logs", free=used.free, total=used.total)


def open_files(limit: int, *, sandbox: bool) -> Seen:
    """Whether a crowd's connections fit."""
    if limit == resource.RLIM_INFINITY or limit >= OPEN_FILES_MIN:
        return ok("No limit." if limit == resource.RLIM_INFINITY else f"{limit:,} at once.")
    return worst_for(
        sandbox,
        f"{limit:,} at once: a web process turns the next buyer away.",
        f"Raise the limit to {OPEN_FILES_MIN:,} (LimitNOFILE, ulimit -n), if the web starts the same way as this did.",
    )


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(one for one in (folder, *folder.parents) if one.exists())


PART = Part("machine", "This machine", ("open files", "disk"), examine)
