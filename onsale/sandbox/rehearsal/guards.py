"""Negative controls: takes a guard out for one rehearsal, whose verdict must then turn red.

A check that cannot fail proves nothing. Each guard that a rehearsal relies on can be switched off here, on a stack of
the rehearsal's own, and `tests/faults/test_negative_controls.py` sees the verdict turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

GUARDS_OFF = "ONSALE_GUARDS_OFF"


@dataclass(frozen=True)
class Guard:
    """What stands between a rehearsal and a wrong outcome, and how to take it out."""

    says: str
    # Statements on the record, and the names that go into ONSALE_GUARDS_OFF.
    statements: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


GUARDS = {
    "sale_index": Guard("one live sale per ticket, by the database", ("DROP INDEX sale_index",)),
    "admission_index": Guard("one hold per admission, by the database", ("DROP INDEX admission_index",)),
    # The resend sweep finds two seconds later what the last look would have found at once: both must be out.
    "last_look": Guard("a lane looks once more before it rests", settings=("last_look", "resend")),
    "resend": Guard("wake-ups that were lost are sent again", settings=("resend",)),
}


def statements_without(names: Sequence[str]) -> tuple[str, ...]:
    """What to run on the record before the doors open."""
    return tuple(statement for name in names for statement in GUARDS[name].statements)


def settings_without(names: Sequence[str]) -> Mapping[str, str]:
    """What the stack's processes are told on top."""
    off = sorted({each for name in names for each in GUARDS[name].settings})
    return {GUARDS_OFF: ",".join(off)} if off else {}
