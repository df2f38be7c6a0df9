"""docs/operations.md speaks of findings, log lines and invariants that exist, and of all that an operator meets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from onsale.cli.doctor import PARTS, stores
from onsale.cli.doctor.finding import Answer
from onsale.config import PREFIX, Config
from onsale.verify.verdict import SAYS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
CHECKS = {part.name: set(part.checks) for part in PARTS}
# Said by the finding itself in one word each; nothing to add.
PLAIN = {
    "record: reachable",
    "record: version",
    "record: schema",
    "record: log level",
    "settings: versions",
    "settings: public address",
    "settings: payment keys",
    "payments: provider",
    "workers: overdue holds",
    "workers: undecided bookings",
    "web: ready",
    "machine: open files",
    "machine: disk",
    "queue: separate",
    "queue: queue replicas",
}


def documented() -> set[str]:
    """The findings in the first column of their table, as `part: check`."""
    table = PAGE.partition("What the findings mean:")[2].partition("\n## ")[0]
    found = set()
    for row in re.findall(r"^\| (\w+): ([^|]+) \|", table, re.MULTILINE):
        part, checks = row
        found |= {f"{part}: {check.strip()}" for check in checks.split(",")}
    return found


def known() -> set[str]:
    """Every finding; those of the three Redis servers go by what is looked at, whichever it is."""
    names = {f"{part}: {check}" for part, checks in CHECKS.items() for check in checks}
    roles = ("queue", "cache", "broker")
    return names | {f"queue: {check.removeprefix(role + ' ')}" for check in CHECKS["queue"] for role in roles}


def test_every_finding_that_the_page_explains_exists():
    assert documented() - known() == set()
    assert len(documented()) > 25


@pytest.mark.parametrize("part", PARTS, ids=list(CHECKS))
def test_every_check_is_explained_or_plain(part):
    explained = documented() | PLAIN
    missing = set()
    for check in part.checks:
        general = check.partition(" ")[2] if part.name == "queue" else check
        # Whether it answers at all, and which version it is, is said by the finding.
        if general in ("reachable", "version") or {f"{part.name}: {check}", f"{part.name}: {general}"} & explained:
            continue
        missing.add(check)

    # The clocks are explained together.
    assert missing == (set(part.checks) if part.name == "clocks" else set())
    assert part.name != "clocks" or "| clocks |" in PAGE


def test_a_queue_without_an_append_only_log_is_what_the_page_says():
    row = next(line for line in PAGE.splitlines() if line.startswith("| queue: append-only log |"))
    off = stores.Facts({"aof_enabled": 0})
    told = {
        (role, sandbox): stores.append_only_log(role, off, sandbox=sandbox)
        for role in stores.ROLES
        for sandbox in (True, False)
    }

    assert "`appendonly no`: a warning in production, and ok with a word on a laptop, but never broken" in row
    assert told["queue", False].answer is Answer.WARNING
    assert {seen.answer for asked, seen in told.items() if asked != ("queue", False)} == {Answer.OK}
    assert "appendonly yes" in told["queue", True].do


def test_every_log_line_on_the_page_is_one_that_is_logged():
    named = {word for line in re.findall(r"log (`[a-z_`, or]+`)", PAGE) for word in re.findall(r"`([a-z_]+)`", line)}
    sources = "".join(
        file.read_text(encoding="utf-8")
        for folder in ("web", "workers", "queue", "db", "onsale/payments", "onsale/live")
        for file in (ROOT / folder).rglob("*.py")
    )

    assert len(named) > 10
    assert {word for word in named if f'"{word}"' not in sources} == set()


def test_every_setting_on_the_page_exists():
    fields = {PREFIX + name.upper() for name in Config.__dataclass_fields__}

    assert set(re.findall(r"ONSALE_[A-Z_]+[A-Z]", PAGE)) - fields == set()


def test_every_invariant_has_a_row_that_says_what_to_do():
    table = PAGE.partition("was it right?")[2].partition("\n## ")[0]

    assert {word for row in re.findall(r"^\| (I[^|]+) \|", table, re.MULTILINE) for word in row.split(", ")} == set(
        SAYS
    )
