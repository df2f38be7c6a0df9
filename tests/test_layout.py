"""The layout holds: links point home, arrows go one way, and every module stays small enough to read.

Standard library only and no import of the house itself: it reads the sources, so it also works on a broken checkout.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LINKED = ("web", "workers", "queue", "db")

MODULE_LINES_MAX = 400
FUNCTION_LINES_MAX = 40
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}

# Who may import whom; a part may always import itself. Configuration, errors and logs are everybody's.
FOR_ALL = {"onsale", "config", "errors", "logs", "breaker"}
# The shared words: plain ids and states, without I/O. Everything else of a part is its own affair.
WORDS = {"onsale.db.ids", "onsale.db.states"}
BELOW = {"queue", "db", "search", "payments", "mail"}
EVERYTHING = BELOW | {"verify", "report", "live", "web", "workers", "sandbox", "cli", "printing"}
ARROWS = {
    # The key that reports are signed with is published by the web; the workers make reports.
    "web": BELOW | {"report"},
    "workers": BELOW | {"report"},
    "queue": set(),
    "db": set(),
    "search": set(),
    "payments": set(),
    "mail": set(),
    # Lets viewers wait: it reads the copy of the seats, and must stay small without the record.
    "live": {"queue"},
    # Audits the record; asked by sandbox and cli, and by a report that says what was found.
    "verify": BELOW,
    "report": BELOW | {"verify"},
    "sandbox": EVERYTHING - {"cli"},
    "cli": EVERYTHING,
    # Standard output, for those who have one.
    "printing": set(),
    "breaker": set(),
    "config": set(),
    "errors": set(),
    "logs": set(),
    "onsale": set(),
}


@dataclass(frozen=True)
class Import:
    """One dotted name that is imported, as it is written: `from ..a import b` is "b" of "a", two levels up."""

    name: str
    base: str
    level: int
    line: int


@dataclass(frozen=True)
class Function:
    """One function: where it stands, how long it is, and the lines of the imports inside it."""

    name: str
    line: int
    lines: int
    imports: tuple[int, ...]


@dataclass(frozen=True)
class Facts:
    """What the rules ask of a source."""

    docstring: str
    lines: int
    imports: tuple[Import, ...]
    functions: tuple[Function, ...]


FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@cache
def facts(text: str) -> Facts:
    """Each source is parsed once for all rules, and its tree is not kept."""
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    return Facts(
        ast.get_docstring(tree) or "",
        len(text.splitlines()),
        tuple(one for node in nodes for one in imported_by(node)),
        tuple(function(node) for node in nodes if isinstance(node, FUNCTIONS)),
    )


def imported_by(node: ast.AST) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(alias.name, "", 0, node.lineno)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            yield Import(alias.name, node.module or "", node.level, node.lineno)


def function(node: ast.FunctionDef | ast.AsyncFunctionDef) -> Function:
    inner = tuple(one.lineno for one in ast.walk(node) if isinstance(one, (ast.Import, ast.ImportFrom)))
    return Function(node.name, node.lineno, (node.end_lineno or node.lineno) - node.lineno + 1, inner)


@dataclass(frozen=True)
class Module:
    """One source file of the house, under the name it is imported by."""

    name: str
    path: Path
    is_package: bool

    @cached_property
    def facts(self) -> Facts:
        return facts(self.path.read_text(encoding="utf-8"))

    @property
    def part(self) -> str:
        """Which part of the house it belongs to: `web`, `db`, `payments`, `config`, ..."""
        return part_of(self.name)

    def imports(self) -> Iterator[tuple[str, int]]:
        """Every absolute dotted name this module imports, with its line; `from a import b` gives `a.b`."""
        for one in self.facts.imports:
            base = self._base(one)
            yield f"{base}.{one.name}" if base or one.level else one.name, one.line

    def _base(self, one: Import) -> str:
        if not one.level:
            return one.base
        package = self.name.split(".") if self.is_package else self.name.split(".")[:-1]
        kept = package[: len(package) - one.level + 1]
        return ".".join([*kept, one.base] if one.base else kept)


def part_of(name: str) -> str:
    pieces = name.split(".")
    return pieces[1] if len(pieces) > 1 else "onsale"


def house(root: Path) -> dict[str, Module]:
    """Every module of the house by its name; the links are not followed, so each file is read once."""
    modules = {}
    for folder, prefix in [*((root / name, f"onsale.{name}") for name in LINKED), (root / "onsale", "onsale")]:
        for directory, _, files in os.walk(folder, followlinks=False):
            for file in sorted(files):
                if file.endswith(".py"):
                    path = Path(directory, file)
                    pieces = [prefix, *path.relative_to(folder).with_suffix("").parts]
                    is_package = pieces[-1] == "__init__"
                    name = ".".join(pieces[:-1] if is_package else pieces)
                    modules[name] = Module(name, path, is_package)
    return modules


def target(imported: str, modules: dict[str, Module]) -> str | None:
    """The module of the house that a dotted name means; None for somebody else's."""
    if imported.split(".")[0] != "onsale":
        return None
    while imported not in modules and "." in imported:
        parent = imported.rpartition(".")[0]
        if parent in modules or parent == "onsale":
            return parent
        imported = parent
    return imported


def edges(modules: dict[str, Module]) -> Iterator[tuple[Module, str, int]]:
    for module in modules.values():
        for imported, line in module.imports():
            found = target(imported, modules)
            if found and found != module.name:
                yield module, found, line


def wrong_arrows(root: Path) -> list[str]:
    """Imports against DESIGN's arrows."""
    wrong = []
    for module, imported, line in edges(house(root)):
        there = part_of(imported)
        allowed = ARROWS.get(module.part, set()) | FOR_ALL | {module.part}
        if there not in allowed and imported not in WORDS:
            wrong.append(f"{module.name}:{line} imports {imported}")
    return wrong


def circles(root: Path) -> list[str]:
    """Modules that import each other, in a ring of any length."""
    modules = house(root)
    graph: dict[str, set[str]] = {name: set() for name in modules}
    for module, imported, _ in edges(modules):
        graph[module.name].add(imported)
    found, done = [], set()

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            found.append(" -> ".join([*path[path.index(name) :], name]))
        elif name not in done:
            for following in sorted(graph.get(name, ())):
                walk(following, [*path, name])
            done.add(name)

    for name in sorted(graph):
        walk(name, [])
    return found


def bare_imports(root: Path) -> list[str]:
    """Imports of `web`, `workers` or `db` without `onsale.`, anywhere: they make a second copy of every model.

    `import queue` is the standard library's and stays allowed; `from queue import status` cannot work.
    """
    files = [module.path for module in house(root).values()]
    files += sorted((root / "tests").rglob("*.py")) + sorted(root.glob("*.py"))
    wrong = []
    for path in files:
        for imported, line in Module("x", path, False).imports():
            first, _, rest = imported.partition(".")
            if first in {"web", "workers", "db"} or (first == "queue" and (root / "queue" / f"{rest}.py").exists()):
                wrong.append(f"{path.relative_to(root)}:{line} imports {imported}")
    return wrong


def imports_in_functions(root: Path) -> list[str]:
    """An import inside a function hides a circle."""
    return [
        f"{module.name}:{line} imports inside {each.name}()"
        for module in house(root).values()
        for each in module.facts.functions
        for line in each.imports
    ]


def too_long(root: Path) -> list[str]:
    """Modules above 400 lines, functions above 40; a migration is as long as what it migrates."""
    wrong = []
    for module in house(root).values():
        lines = module.facts.lines
        # What a stranger runs alone has nowhere to put a second half.
        if lines > MODULE_LINES_MAX and module.name != "onsale.report.verify_report":
            wrong.append(f"{module.name} has {lines} lines")
        if ".migrations" in module.name:
            continue
        for each in module.facts.functions:
            if each.lines > FUNCTION_LINES_MAX:
                wrong.append(f"{module.name}:{each.line} {each.name}() has {each.lines} lines")
    return wrong


def without_a_first_sentence(root: Path) -> list[str]:
    """Modules that do not open with a sentence for a newcomer."""
    return [
        module.name
        for module in house(root).values()
        if not module.facts.docstring.split("\n\n")[0].replace("\n", " ").strip().endswith((".", ":", "?"))
    ]


def badly_named(root: Path) -> list[str]:
    """Names that say nothing, and names that hide a module of the standard library inside `queue/`."""
    wrong = [module.name for module in house(root).values() if module.name.split(".")[-1] in EMPTY_NAMES]
    if (root / "queue" / "__init__.py").exists():
        wrong.append("queue/__init__.py hides Python's own queue")
    return wrong


VIEWS = ("onsale.web.api.", "onsale.web.pages.", "onsale.web.admin.")
DRIVERS = {"redis", "psycopg2", "elasticsearch", "stripe", "sqlalchemy", "kombu", "celery"}
# Who opens connections in web and workers still talks to these through the parts below only.
PASSED_ON = {"sqlalchemy.Connection", "sqlalchemy.Engine"}
FAR_DRIVERS = {"psycopg2", "elasticsearch", "stripe"}


def drivers_where_none_belongs(root: Path) -> list[str]:
    """A view makes no SQL and no Redis call; web and workers reach Stripe and Elasticsearch through their parts."""
    return [
        f"{module.name}:{line} imports {imported}"
        for module in house(root).values()
        for imported, line in module.imports()
        for driver in [imported.split(".")[0]]
        if (driver in DRIVERS and imported not in PASSED_ON and module.name.startswith(VIEWS))
        or (driver in FAR_DRIVERS and module.part in {"web", "workers"})
    ]


RULES = (
    wrong_arrows,
    circles,
    bare_imports,
    imports_in_functions,
    too_long,
    without_a_first_sentence,
    badly_named,
    drivers_where_none_belongs,
)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_house_keeps_the_rule(rule):
    assert rule(ROOT) == [], rule.__doc__


@pytest.mark.parametrize("name", LINKED)
def test_each_link_points_home(name):
    link = ROOT / "onsale" / name

    assert link.is_symlink()
    assert os.readlink(link) == f"../{name}"
    assert link.resolve() == ROOT / name


def test_import_queue_means_the_standard_library_with_the_checkout_first_on_the_path():
    code = "import queue, sys; assert sys.path[0] in ('', sys.argv[1]), sys.path; print(queue.__file__, queue.Queue)"

    done = subprocess.run([sys.executable, "-c", code, str(ROOT)], cwd=ROOT, capture_output=True, text=True, timeout=30)

    assert done.returncode == 0, done.stderr
    assert str(ROOT) + os.sep + "queue" not in done.stdout


def test_importing_every_module_opens_no_connection_and_makes_no_second_copy():
    names = sorted(name for name in house(ROOT) if ".migrations" not in name and not name.endswith("__main__"))
    code = (
        "import importlib, socket, sys\n"
        "def refuse(*_): raise SystemExit('a connection was opened at import')\n"
        "socket.socket.connect = refuse\n"
        "for name in sys.argv[1:]: importlib.import_module(name)\n"
        "copies = {'web', 'workers', 'db'} & set(sys.modules)\n"
        "sys.exit(f'imported bare: {copies}' if copies else 0)\n"
    )

    done = subprocess.run([sys.executable, "-c", code, *names], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr


def test_who_lets_viewers_wait_loads_neither_the_record_nor_flask():
    code = (
        "import sys, onsale.cli.seats\n"
        "loaded = {'sqlalchemy', 'psycopg2', 'flask', 'celery', 'onsale.db.engine', 'onsale.web'} & set(sys.modules)\n"
        "sys.exit(f'loaded: {loaded}' if loaded else 0)\n"
    )

    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr


def test_no_bare_copy_of_the_house_is_loaded_in_this_process():
    assert not {"web", "workers", "db"} & set(sys.modules)


# Negative controls: each rule sees the violation it is there for, planted in an otherwise clean tree.


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    folders = ("web", "web/api", "web/pages", "workers", "db", "onsale")
    for name in (*folders, "onsale/sandbox", "onsale/payments", "onsale/search", "onsale/live"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / "__init__.py").write_text('"""A folder."""\n')
    (tmp_path / "queue").mkdir()
    (tmp_path / "tests").mkdir()
    for name in (
        "onsale/errors",
        "onsale/config",
        "onsale/cli",
        "db/ids",
        "db/bookings",
        "queue/store",
        "workers/lanes",
    ):
        (tmp_path / f"{name}.py").write_text('"""A module."""\n')
    (tmp_path / "onsale" / "payments" / "provider.py").write_text('"""A module."""\n')
    (tmp_path / "web" / "views.py").write_text('"""Views."""\n\nfrom onsale.db import bookings, ids\n')
    assert all(rule(tmp_path) == [] for rule in RULES)
    return tmp_path


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("web/a.py", "from onsale.workers import lanes"),
        ("web/a.py", "import onsale.workers.lanes"),
        ("web/a.py", "from ..workers import lanes"),
        ("web/a.py", "from onsale import sandbox"),
        ("web/a.py", "from onsale.cli import main"),
        ("workers/a.py", "from onsale.web import create_app"),
        ("workers/a.py", "import onsale.sandbox.run"),
        ("db/a.py", "from onsale.queue import store"),
        ("db/a.py", "from onsale.web.views import index"),
        ("queue/a.py", "from onsale.db import bookings"),
        ("queue/a.py", "from onsale.payments import provider"),
        ("onsale/live/a.py", "from onsale.db import bookings"),
        ("onsale/live/a.py", "from onsale.web.views import index"),
        ("onsale/payments/a.py", "from onsale.db import bookings"),
        ("onsale/search/a.py", "from onsale.queue import store"),
        ("onsale/config.py", "from onsale.web import create_app"),
        ("onsale/sandbox/a.py", "from onsale.cli import main"),
    ],
)
def test_an_arrow_against_the_design_is_seen(clean, file, line):
    (clean / file).write_text(f'"""A module."""\n\n{line}\n')

    assert len(wrong_arrows(clean)) == 1


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("web/a.py", "from onsale.queue import store"),
        ("workers/a.py", "from onsale.payments.provider import PaymentProvider"),
        ("queue/a.py", "from onsale.errors import QueueClosed"),
        ("queue/a.py", "from onsale.db.ids import EventId"),
        ("onsale/cli.py", "from onsale.sandbox import run"),
        ("onsale/sandbox/a.py", "from onsale.workers import lanes"),
        ("web/a.py", "import queue"),
    ],
)
def test_an_arrow_of_the_design_is_allowed(clean, file, line):
    (clean / file).write_text(f'"""A module."""\n\n{line}\n')

    assert wrong_arrows(clean) == []
    assert bare_imports(clean) == []


@pytest.mark.parametrize(
    ("rule", "file", "text"),
    [
        (bare_imports, "tests/test_a.py", "import db"),
        (bare_imports, "tests/test_a.py", "from web.views import index"),
        (bare_imports, "workers/a.py", '"""A."""\nfrom workers import lanes'),
        (bare_imports, "web/a.py", '"""A."""\nfrom queue import store'),
        (imports_in_functions, "web/a.py", '"""A."""\ndef f():\n    import json\n    return json'),
        (too_long, "db/a.py", '"""A."""\n' + "x = 1\n" * 400),
        (too_long, "db/a.py", '"""A."""\ndef f():\n' + "    x = 1\n" * 40),
        (without_a_first_sentence, "db/a.py", "x = 1"),
        (without_a_first_sentence, "db/a.py", '"""Things"""'),
        (badly_named, "web/utils.py", '"""A."""'),
        (badly_named, "db/helpers.py", '"""A."""'),
        (badly_named, "onsale/common.py", '"""A."""'),
        (badly_named, "queue/__init__.py", '"""A."""'),
        (drivers_where_none_belongs, "web/api/a.py", '"""A."""\nimport redis'),
        (drivers_where_none_belongs, "web/pages/a.py", '"""A."""\nfrom sqlalchemy import text'),
        (drivers_where_none_belongs, "workers/a.py", '"""A."""\nfrom stripe import StripeClient'),
    ],
)
def test_a_planted_violation_is_seen(clean, rule, file, text):
    (clean / file).write_text(text + "\n")

    assert rule(clean) != []


def test_a_circle_of_three_is_seen(clean):
    for here, there in [("a", "b"), ("b", "c"), ("c", "a")]:
        (clean / "db" / f"{here}.py").write_text(f'"""A module."""\n\nfrom onsale.db import {there}\n')

    assert circles(clean) == ["onsale.db.a -> onsale.db.b -> onsale.db.c -> onsale.db.a"]


def test_exactly_400_lines_and_40_lines_are_allowed(clean):
    (clean / "db" / "a.py").write_text('"""A."""\n' + "x = 1\n" * 399)
    (clean / "db" / "b.py").write_text('"""A."""\ndef f():\n' + "    x = 1\n" * 39)

    assert too_long(clean) == []
