"""One rule per file, named after its invariant: each returns one column, `what`, a sentence per violation."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from sqlalchemy import TextClause, text


@cache
def load(name: str) -> TextClause:
    """The statement of `<name>.sql`; its parameters are `event_id` and `graces` of check.py."""
    return text(files(__name__).joinpath(f"{name}.sql").read_text(encoding="utf-8"))
