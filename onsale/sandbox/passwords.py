"""The sandbox's passwords: made up once per checkout, kept in `.onsale/passwords`, readable by its owner alone."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

ADMIN = "admin@onsale.example"
VIEWER = "viewer@onsale.example"
BUYER = "buyer@onsale.example"
WHO = (ADMIN, VIEWER, BUYER)

# 14 characters of base 64: 84 bits.
PASSWORD_BYTES = 10
PASSWORD_FILE_BYTES_MAX = 10_000


@dataclass(frozen=True)
class Passwords:
    """The passwords of the sandbox's people, by e-mail address."""

    by_email: dict[str, str]


def passwords(path: Path) -> Passwords:
    """Those in the file; whoever is missing gets a new one, which is written there first."""
    known = _read(path)
    missing = {email: secrets.token_urlsafe(PASSWORD_BYTES) for email in WHO if email not in known}
    if missing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(f"{email} {password}\n" for email, password in missing.items())
    return Passwords({email: (known | missing)[email] for email in WHO})


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8")[:PASSWORD_FILE_BYTES_MAX].splitlines()
    return dict(line.split(" ", 1) for line in lines if " " in line)
