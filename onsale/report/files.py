"""The files of a report: the log with its signature, a page for people, and the program that checks the log."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from sqlalchemy import Engine, text

from onsale.db.engine import transaction
from onsale.report import page
from onsale.report.writing import About, Progress, report

VERIFIER = "verify_report.py"


def name_of(event_id: int) -> str:
    """The name of an event's report."""
    return f"sale-report-{event_id}.jsonl"


def write(engine: Engine, about: About, folder: Path, *, told: Progress) -> Path:
    """Write all three into this folder, replacing what has their names; returns where the log is.

    Raises NothingToReport, RecordUnavailable.
    """
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / name_of(about.event.id)
    fresh = made.with_suffix(".part")
    with transaction(engine) as connection, fresh.open("wb") as file:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        written, lines = report(connection, about, told=told)
        file.writelines(lines)
    # In one step: whoever looks sees a whole report or none.
    fresh.replace(made)
    made.with_suffix(".html").write_text(page.page(written, about, file=made.name), encoding="utf-8")
    (folder / VERIFIER).write_bytes(verifier())
    return made


def verifier() -> bytes:
    """The program, as a stranger runs it."""
    return (files("onsale.report") / VERIFIER).read_bytes()
