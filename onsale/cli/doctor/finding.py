"""What `onsale doctor` says of one thing: an answer, what was seen, what to do, and what the deployment lacks."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Answer(StrEnum):
    """How it is; in the order of how much it matters."""

    OK = "ok"
    NOT_CHECKED = "not checked"
    WARNING = "warning"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one check saw and what to do about it, each in a sentence; never a secret.

    `lacks` names what a promise would need, also where a laptop is fine without it.
    """

    answer: Answer
    saw: str
    do: str = ""
    lacks: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was seen, with the part and the name of the check."""

    part: str
    check: str
    answer: Answer
    saw: str
    do: str = ""
    lacks: str = ""

    @property
    def name(self) -> str:
        """Part and check: what the promises go by."""
        return f"{self.part}: {self.check}"


def ok(saw: str, *, lacks: str = "") -> Seen:
    """It is as it should be, or fine for where it runs."""
    return Seen(Answer.OK, saw, lacks=lacks)


def warning(saw: str, do: str, *, lacks: str = "") -> Seen:
    """It works, and will not always."""
    return Seen(Answer.WARNING, saw, do, lacks)


def broken(saw: str, do: str) -> Seen:
    """It does not work, or a promise is not kept."""
    return Seen(Answer.BROKEN, saw, do)


def not_checked(saw: str, do: str = "") -> Seen:
    """Nobody knows, and why."""
    return Seen(Answer.NOT_CHECKED, saw, do)


def worst_for(sandbox: bool, saw: str, do: str, *, lacks: str = "") -> Seen:
    """A warning in production; on a laptop it is fine, and said so, with what production would want."""
    if sandbox:
        return Seen(Answer.OK, f"{saw} Fine for a laptop.", f"In production: {do}", lacks)
    return warning(saw, do, lacks=lacks)
