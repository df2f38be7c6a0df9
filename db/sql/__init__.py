"""Raw statements, one file each: those whose shape decides how fast or how safe the record is."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from sqlalchemy import TextClause, text


@cache
def load(name: str) -> TextClause:
    """The statement in `<name>.sql`; its first line says what it does and why it is raw."""
    return text(files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8"))
