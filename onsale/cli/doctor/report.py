"""How `onsale doctor` says it: a report for a person, one object for a program, and the exit code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from textwrap import wrap

from onsale.cli.doctor.examining import Part
from onsale.cli.doctor.finding import Answer, Finding
from onsale.cli.doctor.promises import Kept, Verdict

WIDTH = 110
WORDS = {Answer.OK: "ok", Answer.NOT_CHECKED: "not checked", Answer.WARNING: "warning", Answer.BROKEN: "BROKEN"}
_ANSWER = max(map(len, WORDS.values()))
_KEPT = max(map(len, Kept))


def text(findings: Sequence[Finding], verdicts: Sequence[Verdict], parts: Sequence[Part]) -> str:
    """Part by part: what was seen and what to do; then the promises; then how much there is to do."""
    lines: list[str] = []
    for part in parts:
        lines += [part.title, *_part([one for one in findings if one.part == part.name]), ""]
    if verdicts:
        lines += ["The promises", *(line for verdict in verdicts for line in _promise(verdict)), ""]
    return "\n".join([*lines, summary(findings)])


def document(findings: Sequence[Finding], verdicts: Sequence[Verdict], *, passed: bool) -> dict[str, object]:
    """The same for `--json`."""
    return {
        "ok": passed,
        "counts": {answer.value: sum(one.answer is answer for one in findings) for answer in Answer},
        "findings": [asdict(one) for one in findings],
        "promises": [
            {"number": one.promise.number, "says": one.promise.says, "kept": one.kept.value, "why": list(one.why)}
            for one in verdicts
        ],
    }


def passes(findings: Sequence[Finding], *, strict: bool) -> bool:
    """Whether nothing is broken; strictly, nothing to warn of either."""
    failures = {Answer.BROKEN, Answer.WARNING} if strict else {Answer.BROKEN}
    return not any(one.answer in failures for one in findings)


def summary(findings: Sequence[Finding]) -> str:
    """How it went, in a line."""
    counts = Counter(one.answer for one in findings)
    said = [f"{counts[answer]} {answer.value}" for answer in reversed(Answer) if counts[answer]]
    return f"{len(findings)} checks: {', '.join(said)}."


def _part(findings: Sequence[Finding]) -> list[str]:
    width = max((len(one.check) for one in findings), default=0)
    lines = []
    for one in findings:
        lines += _hanging(f"  {WORDS[one.answer]:<{_ANSWER}}  {one.check:<{width}}  ", one.saw)
        if one.do:
            lines += _hanging(" " * (_ANSWER + width + 6) + "-> ", one.do)
    return lines


def _promise(verdict: Verdict) -> list[str]:
    why = f" ({'; '.join(verdict.why)})" if verdict.why else ""
    return _hanging(f"  {verdict.kept:<{_KEPT}}  {verdict.promise.number}  ", verdict.promise.says + why)


def _hanging(start: str, text: str) -> list[str]:
    """Text behind a beginning, its further lines below its first; at least half a line is left for it."""
    wrapped = wrap(text, max(WIDTH - len(start), WIDTH // 2), break_on_hyphens=False, break_long_words=False) or [""]
    return [start + wrapped[0], *(" " * len(start) + line for line in wrapped[1:])]
