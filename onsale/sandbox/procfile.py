"""Reads the Procfile: one `name: command` per line, as a shell would run it."""

from __future__ import annotations

import re
from importlib.resources import files

LINE = re.compile(r"^(?P<name>[a-z][a-z0-9_-]*):\s*(?P<command>\S.*)$")


def procfile() -> dict[str, str]:
    """The commands of this checkout's Procfile by name, in its order."""
    return parse((files("onsale.sandbox") / "Procfile").read_text(encoding="utf-8"))


def parse(text: str) -> dict[str, str]:
    """The commands by name; ValueError names the first line that is not one."""
    commands = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        found = LINE.match(line)
        if found is None:
            raise ValueError(f"Procfile, line {number}: wants `name: command`, not {line!r}")
        commands[found["name"]] = found["command"].strip()
    return commands
