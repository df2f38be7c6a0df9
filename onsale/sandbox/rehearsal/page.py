"""A rehearsal as one HTML file with charts: no server, no network, to be mailed or kept beside a release."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from importlib import resources

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from onsale.sandbox.rehearsal import charts, figures
from onsale.sandbox.rehearsal.charts import Chart
from onsale.sandbox.rehearsal.recovering import LATE_SECONDS, USUAL_MIN
from onsale.sandbox.rehearsal.rehearsal import Rehearsed
from onsale.sandbox.rehearsal.results import RECOVERY_SECONDS_MAX, Results
from onsale.sandbox.rehearsal.tiles import number, pace, percent, promises_kept, whole
from onsale.verify.verdict import SAYS

# A JSON text with these written out cannot end the element it is in, nor begin a comment there.
UNSAFE_IN_SCRIPT = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
SOURCE_MAP = "//# sourceMappingURL=chart.umd.js.map"
NOT_SAID = "This version of Onsale does not know what it says."


@dataclass(frozen=True)
class Promise:
    """One invariant of the record, and whether it holds; None: it was not checked."""

    name: str
    says: str
    ok: bool | None


def page(rehearsed: Rehearsed, *, rehearsed_at: datetime, command: str) -> str:
    """The whole file; `command` is the line to type for the same again."""
    found = rehearsed.results
    sale = charts.of_the_sale(rehearsed.conducted, found)
    latencies = list(charts.of_latencies(rehearsed.conducted, found))
    drawn = [chart for chart in [*sale, *latencies] if not chart.is_empty]
    style, library, script = _style(), _library(), _script()
    return _template().render(
        found=found,
        plan=rehearsed.plan,
        rehearsed_at=rehearsed_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=command,
        kept=promises_kept(found),
        pace=pace(found),
        sale=sale,
        latencies=latencies,
        routes=_routes(found),
        promises=_promises(found.verify),
        recovery_seconds_max=RECOVERY_SECONDS_MAX,
        late_seconds=LATE_SECONDS,
        usual_min=USUAL_MIN,
        late_ms_max=figures.LATE_MS_MAX,
        cpu_share_max=figures.CPU_SHARE_MAX,
        numbers=in_script(_numbers(rehearsed, drawn)),
        style=style,
        library=library,
        script=script,
        policy=_policy(style, library, script),
    )


def in_script(document: Mapping[str, object]) -> str:
    """JSON that may stand inside a `script` element, whatever strings are in it."""
    text = orjson.dumps(document).decode()
    return "".join(UNSAFE_IN_SCRIPT.get(each, each) for each in text)


def _numbers(rehearsed: Rehearsed, drawn: list[Chart]) -> dict[str, object]:
    """What the page's script draws."""
    samples, found = rehearsed.conducted.samples, rehearsed.results
    end = max([found.seconds, *(sample.at for sample in samples), *(kill.at_seconds for kill in found.kills)])
    return {
        "end": round(end, 1),
        "kills": [
            {"name": kill.process, "at": kill.at_seconds, "back": kill.recovered_seconds} for kill in found.kills
        ],
        "charts": [chart.as_json() for chart in drawn],
    }


def _routes(found: Results) -> list[tuple[str, Mapping[str, float | None]]]:
    """Every route that was used, the busiest first."""
    return sorted(found.latency_ms.items(), key=lambda each: -(each[1]["count"] or 0))


def _promises(verify: Mapping[str, bool | None]) -> list[Promise]:
    """All that are known and all that were checked, in their order."""
    names = [*SAYS, *(name for name in verify if name not in SAYS)]
    return [Promise(name, SAYS.get(name, NOT_SAID), verify.get(name)) for name in names]


def _policy(style: str, *scripts: str) -> str:
    """The page may run and wear what it was made with, and ask nobody for anything."""
    allowed = " ".join(_hash(script) for script in scripts)
    return f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


@cache
def _template() -> Template:
    loader = PackageLoader("onsale.sandbox", "templates/rehearsal")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"number": number, "whole": whole, "percent": percent}
    return environment.get_template("page.html")


@cache
def _style() -> str:
    return _text("templates/rehearsal/page.css")


@cache
def _script() -> str:
    return _text("templates/rehearsal/charts.js")


@cache
def _library() -> str:
    """Chart.js, but for its pointer to a file that is not there."""
    return _text("static/chart.js/chart.umd.js").replace(SOURCE_MAP, "")


def _text(name: str) -> str:
    return (resources.files("onsale.sandbox") / name).read_text(encoding="utf-8")
