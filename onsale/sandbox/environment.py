"""What `onsale run` writes down for the next run and for a second terminal: its secrets and its settings.

Both are files of `NAME=value` lines that only their owner can read.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

RUN_ENV = "run.env"
SECRETS = "secrets.env"


def load_run_env(folder: Path) -> bool:
    """Add the last run's settings to the environment, where they are not set; whether there are any."""
    file = folder / RUN_ENV
    if not file.exists():
        return False
    for name, value in read_env(file).items():
        os.environ.setdefault(name, value)
    return True


def read_env(file: Path) -> dict[str, str]:
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if "=" in line and not line.startswith("#"))
    return {name.strip(): value.strip() for name, _, value in pairs}


def write_env(file: Path, values: Mapping[str, str], *, comment: str) -> None:
    """Replace the file in one step, readable by its owner alone from the first byte."""
    fresh = file.with_name(file.name + ".new")
    fresh.unlink(missing_ok=True)
    lines = [f"# {comment}", *(f"{name}={value}" for name, value in sorted(values.items()))]
    with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as writing:
        writing.write("\n".join(lines) + "\n")
    fresh.replace(file)


def sandbox_secrets(folder: Path) -> dict[str, str]:
    """The sandbox's own secrets, made up at the first run; a missing one is added."""
    known = known_secrets(folder)
    made = {
        "ONSALE_SECRET_KEYS": f"k1:{secrets.token_urlsafe(36)}",
        "ONSALE_STRIPE_SECRET_KEY": f"sk_test_{secrets.token_hex(16)}",
        "ONSALE_STRIPE_PUBLISHABLE_KEY": f"pk_test_{secrets.token_hex(16)}",
        "ONSALE_STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(24)}",
        "ONSALE_REPORT_KEY": secrets.token_hex(32),
    }
    if made.keys() - known.keys():
        known = made | known
        write_env(
            folder / SECRETS, known, comment="Secrets of this sandbox, made up by onsale run. They open nothing else."
        )
    return known


def known_secrets(folder: Path) -> dict[str, str]:
    """The secrets that a sandbox in this folder has made up so far."""
    file = folder / SECRETS
    return read_env(file) if file.exists() else {}
