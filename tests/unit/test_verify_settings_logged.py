"""Whatever makes a new version of a queue's settings writes a line that `onsale verify` (I6) counts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from onsale.verify import sql

ROOT = Path(__file__).parents[2]
# They make the version, and write the line of whoever calls them; or write none.
FOR_OTHERS = {"new_version", "_note"}
RAISES = re.compile(r"\bUPDATE\s+queue_settings\b", re.IGNORECASE)


def sources() -> list[Path]:
    folders = ("db", "web", "workers", "queue", "onsale/verify", "onsale/report", "onsale/sandbox", "onsale/cli")
    return [
        path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")) if "migrations" not in path.parts
    ]


def names_in(node: ast.AST) -> set[str]:
    """Everything that is named in it: `one` and `two` of `one.two(three)`, and `three`."""
    return {
        each.id if isinstance(each, ast.Name) else each.attr
        for each in ast.walk(node)
        if isinstance(each, ast.Name | ast.Attribute)
    }


def writers(path: Path) -> Iterator[ast.FunctionDef]:
    """The functions of a module that make a new version."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    statements = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign) and RAISES.search(ast.unparse(node.value).replace("\\n", " "))
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    raising = statements | {"new_version"}
    raising |= {one.name for one in functions if one.name in FOR_OTHERS and raising & names_in(one)}
    yield from (one for one in functions if one.name not in FOR_OTHERS and raising & names_in(one))


def kinds_of(function: ast.FunctionDef) -> set[str]:
    return {
        each.value.value
        for each in ast.walk(function)
        if isinstance(each, ast.keyword) and each.arg == "kind" and isinstance(each.value, ast.Constant)
    }


def test_every_writer_of_a_version_writes_a_line_that_is_counted():
    counted = set(re.findall(r"'([a-z_]+)'", sql.load("i6_set_as_logged").text))
    found = {f"{path.stem}.{function.name}": kinds_of(function) for path in sources() for function in writers(path)}

    assert {"queue_settings.change", "queue_settings.open_due", "draws.hold", "draw_lots.publish"} <= found.keys()
    assert len(found) >= 9
    for name, kinds in found.items():
        assert kinds, f"{name} makes a new version and writes no line"
        assert kinds <= counted, f"{name}: I6 does not count {kinds - counted}"


def test_no_statement_elsewhere_makes_a_version():
    loose = [
        path.name
        for folder in ("db/sql", "onsale/verify/sql")
        for path in (ROOT / folder).glob("*.sql")
        if RAISES.search(path.read_text(encoding="utf-8"))
    ]

    assert loose == []
