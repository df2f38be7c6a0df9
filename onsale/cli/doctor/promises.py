"""The promises Onsale makes, and which of them this deployment can keep: read off the findings, nothing is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from onsale.cli.doctor.finding import Answer, Finding


class Kept(StrEnum):
    """Whether a promise can be kept; `so far`: until the named thing that is missing is needed."""

    KEPT = "kept"
    SO_FAR = "kept, but"
    UNKNOWN = "not known"
    NOT = "NOT KEPT"


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise, and the checks it stands on, as `part: check`."""

    number: int
    says: str
    stands_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A promise, whether it can be kept, and why not."""

    promise: Promise
    kept: Kept
    why: tuple[str, ...] = ()


# Where these fail nothing is promised and nothing lost: buyers are told to wait.
_AWAY = frozenset({"record: reachable", "queue: queue reachable", "payments: provider", "web: alive", "web: ready"})
# A commit that was acknowledged is the promise; where it may be lost, none of the first three holds.
_RECORD = tuple(
    f"record: {check}" for check in ("reachable", "schema", "primary", "commits", "disk writes", "standby", "disk")
)
_QUEUE = ("queue: queue reachable", "queue: queue eviction", "queue: queue memory")
_GUARDS = ("settings: guards",)
# What is late or lost is found by them alone.
_SWEEPS = ("workers: sweeps", "workers: beat")
PROMISES = (
    Promise(1, "One ticket is sold to one buyer.", (*_RECORD, *_GUARDS)),
    Promise(
        2,
        "No charge without tickets; what cannot end in tickets is given back.",
        (*_RECORD, *_GUARDS, "payments: provider", "settings: payment keys", "workers: payments", *_SWEEPS),
    ),
    Promise(
        3,
        "A request answered 202 is never lost, and ends.",
        (*_RECORD, *_GUARDS, "record: connections", "workers: lanes", "workers: payments", *_SWEEPS),
    ),
    Promise(4, "First come, first served.", (*_QUEUE, *_GUARDS, "settings: secret keys", "workers: admission")),
    Promise(
        5,
        "A place in the queue is kept.",
        (*_QUEUE, "settings: secret keys", "record: reachable", "record: disk writes", "workers: journal"),
    ),
    Promise(6, "The admission rate is obeyed.", (*_QUEUE, "clocks: queue", "workers: admission")),
    Promise(7, "Waiting is cheap.", ("web: alive", "web: ready", "web: queue status")),
    Promise(8, "Numbers shown to a buyer are honest.", ("queue: queue reachable", "workers: admission", "web: ready")),
)


def judge(findings: Sequence[Finding]) -> list[Verdict]:
    """Each promise, by the checks it stands on: a broken one breaks it, one that lacks something limits it."""
    by_name = {finding.name: finding for finding in findings}
    return [_verdict(promise, [by_name[name] for name in promise.stands_on]) for promise in PROMISES]


def _verdict(promise: Promise, grounds: Sequence[Finding]) -> Verdict:
    failing = [one.name for one in grounds if one.answer is Answer.BROKEN]
    broken = tuple(name for name in failing if name not in _AWAY)
    away = [name for name in failing if name in _AWAY]
    unknown = (*away, *(one.name for one in grounds if one.answer is Answer.NOT_CHECKED and not away))
    lacking = tuple(dict.fromkeys(f"without {one.lacks}" for one in grounds if one.lacks))
    if broken:
        return Verdict(promise, Kept.NOT, broken)
    if unknown:
        return Verdict(promise, Kept.UNKNOWN, (*unknown, *lacking))
    return Verdict(promise, Kept.SO_FAR if lacking else Kept.KEPT, lacking)
