"""Steering one queue: reading what a form changes, changing it, and knowing how to undo it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from onsale.db.ids import EventId
from onsale.db.queue_settings import MAX_ACTIVE_MAX, RATE_PER_MINUTE_MAX, Phase, QueueChange, QueueSettings
from onsale.errors import BadRequest
from onsale.web import dial
from onsale.web.auth import StaffMember
from onsale.web.box_office import BoxOffice

WORDS_MAX = {"reason": 200, "notice": 280}
NUMBERS = {"rate_per_minute": (0, RATE_PER_MINUTE_MAX), "max_active": (0, MAX_ACTIVE_MAX)}
SETTABLE_PHASES = (Phase.OPEN, Phase.PAUSED)


@dataclass(frozen=True)
class Change:
    """A change that was made: in words, when, and the form fields that undo it."""

    words: str
    at: datetime
    undo: Mapping[str, str]
    undo_words: str


def asked(form: Mapping[str, str]) -> QueueChange:
    """What a form changes. BadRequest says what does not fit."""
    values: dict[str, object] = {name: _number(name, form[name]) for name in NUMBERS if name in form}
    values |= {name: " ".join(form[name].split())[:most] for name, most in WORDS_MAX.items() if name in form}
    if "phase" in form:
        values["phase"] = _phase(form["phase"], reason=values.get("reason"))
    if "selling" in form:
        values["selling"] = form["selling"] == "yes"
    if not values:
        raise BadRequest("This form changes nothing.")
    return QueueChange(**values)  # type: ignore[arg-type]  # Each value was read by its field's own rule above.


def _number(name: str, text: str) -> int:
    least, most = NUMBERS[name]
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):
        raise BadRequest(f"Give a whole number between {least:,} and {most:,}.", field=name)
    return int(text)


def _phase(text: str, *, reason: object) -> Phase:
    if text not in SETTABLE_PHASES:
        raise BadRequest("Admission can be paused or open.", field="phase")
    if text == Phase.PAUSED and not reason:
        raise BadRequest("Say why: everybody in the queue reads it.", field="reason")
    return Phase(text)


def change(office: BoxOffice, event_id: EventId, member: StaffMember, wanted: QueueChange) -> Change:
    """Make the change: in the record, then at once in the queue. Raises what `dial.change` raises."""
    before = dial.sale(office, event_id, member).settings
    return described(before, dial.change(office, event_id, member, wanted))


def described(before: QueueSettings, after: QueueSettings) -> Change:
    """The difference in words, and its undoing."""
    differing = [each.name for each in fields(QueueChange) if getattr(before, each.name) != getattr(after, each.name)]
    was, now = asdict(before), asdict(after)
    said = [_said(name, was[name], now[name]) for name in differing if name != "reason" or "phase" not in differing]
    undo = {name: _form_value(was[name]) for name in differing if name in (*NUMBERS, *WORDS_MAX, "phase", "selling")}
    undoable = "phase" not in undo or before.phase in SETTABLE_PHASES
    return Change(
        words=" ".join(said) or "Nothing was different.",
        at=after.updated_at,
        undo=undo if undoable else {},
        undo_words=", ".join(_undo_words(name, was[name]) for name in undo if name != "reason" or len(undo) == 1),
    )


def _said(name: str, was: object, now: object) -> str:
    match name:
        case "rate_per_minute":
            return f"Rate {was:,} → {now:,} per minute."
        case "max_active":
            return f"At most inside {was:,} → {now:,}."
        case "phase":
            return "Admission is paused." if now == Phase.PAUSED else "Admission goes on, with an empty bucket."
        case "selling":
            return "Selling goes on." if now else "Selling is stopped."
        case "notice":
            return "The notice is shown." if now else "The notice is taken down."
        case _:
            return f"{name.replace('_', ' ').capitalize()} changed."


def _undo_words(name: str, was: object) -> str:
    match name:
        case "rate_per_minute" | "max_active":
            return f"back to {was:,}"
        case "phase":
            return "pause again" if was == Phase.PAUSED else "resume"
        case "selling":
            return "sell again" if was else "stop again"
        case _:
            return f"the {name} before"


def _form_value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
