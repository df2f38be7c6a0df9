"""The console's page about codes: make one or many, see their uses, switch one off and on, take all as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from flask import Blueprint, Response, flash, make_response, render_template, request

from onsale.db.catalogue import Event
from onsale.db.code_rules import CodeKind
from onsale.db.codes import NOTE_CHARACTERS_MAX, KnownCode, NewCode
from onsale.db.ids import EventId
from onsale.errors import BadRequest, OnsaleError
from onsale.web import auth
from onsale.web import codes as service
from onsale.web.box_office import box_office
from onsale.web.pages import going, words
from onsale.web.pages.price_words import rate

codes = Blueprint("console_codes", __name__, url_prefix="/admin/events/<int:event_id>/codes")

PAGE = 100
DIGITS_MAX = 9
KINDS = {
    CodeKind.PERCENT: "A share off each ticket",
    CodeKind.AMOUNT: "A sum off the booking",
    CodeKind.UNLOCK: "Opens sections that only a code opens",
    CodeKind.EARLY: "Books before the opening",
    CodeKind.PRIORITY: "Counts more than once in the draw",
}
COLUMNS = ("code", "kind", "gives", "note", "used", "uses_max", "off", "valid_from", "valid_until", "taken_off_minor")


@codes.get("")
def show(event_id: int) -> Response:
    """The codes, newest first, and the forms."""
    member = auth.current_staff()
    before = request.args.get("before", type=int)
    found = service.listed(box_office(), EventId(event_id), member, before=before, limit=PAGE)
    page = render_template(
        "admin/codes.html",
        member=member,
        event=found.event,
        codes=found.codes,
        next_before=found.next_before,
        kinds=KINDS,
        gives=gives,
        note_most=NOTE_CHARACTERS_MAX,
        may_change=member.may_change,
    )
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


@codes.get("/codes.csv")
def download(event_id: int) -> Response:
    """All of them, as a file that a spreadsheet reads."""
    member, office = auth.current_staff(), box_office()
    event = service.listed(office, EventId(event_id), member, before=None, limit=1).event
    response = make_response(as_csv(event, service.every(office, event.id, member)))
    response.headers["Content-Type"] = "text/csv; charset=utf-8"
    response.headers["Content-Disposition"] = f'attachment; filename="codes-{event.slug}.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response


@codes.post("")
def make(event_id: int) -> Response:
    """Make one, or many random ones."""
    return _done(event_id, lambda: _make(event_id))


@codes.post("/switch")
def switch(event_id: int) -> Response:
    """Off, or on again."""
    return _done(event_id, lambda: _switch(event_id))


@codes.post("/code-only")
def set_code_only(event_id: int) -> Response:
    """Which sections only a code opens."""
    return _done(event_id, lambda: _set_code_only(event_id))


def gives(code: KnownCode, event: Event) -> str:
    """What a code gives, for its staff."""
    names = {section.id: section.name for section in event.sections}
    where = ", ".join(names.get(each, str(each)) for each in code.section_ids or ())
    what = {
        CodeKind.AMOUNT: f"{words.money(code.amount_minor, event.currency)} off the booking",
        CodeKind.PERCENT: f"{rate(code.percent_bp)} off each ticket",
        CodeKind.UNLOCK: "opens what only a code opens",
        CodeKind.EARLY: f"books from {words.day_and_time(code.presale_from)} UTC" if code.presale_from else "",
        CodeKind.PRIORITY: f"counts {code.weight} times in the draw",
    }[code.kind]
    return f"{what} ({where})" if where else what


def as_csv(event: Event, found: Iterable[KnownCode]) -> str:
    """The codes as lines of a file."""
    file = io.StringIO()
    lines = csv.writer(file)
    lines.writerow(COLUMNS)
    for code in found:
        told = {name: getattr(code, name) for name in COLUMNS if name != "gives"} | {"gives": gives(code, event)}
        lines.writerow([_cell(told[name]) for name in COLUMNS])
    return file.getvalue()


def _cell(value: object) -> object:
    # A spreadsheet takes what begins so for a formula, and a note is anybody's text.
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value


def _done(event_id: int, do: Callable[[], str]) -> Response:
    try:
        flash(do(), "good")
    except OnsaleError as error:
        return going.back(error, "console_codes.show", event_id=event_id)
    return going.to("console_codes.show", event_id=event_id)


def _make(event_id: int) -> str:
    form, office, member = request.form, box_office(), auth.current_staff()
    event = service.listed(office, EventId(event_id), member, before=None, limit=1).event
    kind = _kind(form.get("kind", ""))
    value = form.get("value", "").strip()
    new = NewCode(
        kind=kind,
        amount_minor=_amount(value, event.currency) if kind is CodeKind.AMOUNT else 0,
        percent_bp=_amount(value, "eur") if kind is CodeKind.PERCENT else 0,
        weight=_whole("value", value) if kind is CodeKind.PRIORITY else 1,
        presale_from=_moment("presale_from") if kind is CodeKind.EARLY else None,
        section_ids=tuple(_whole("sections", each) for each in form.getlist("sections")) or None,
        stackable=form.get("stackable") == "yes",
        uses_max=_whole_or_none("uses_max"),
        uses_per_buyer=_whole_or_none("uses_per_buyer"),
        valid_from=_moment("valid_from"),
        valid_until=_moment("valid_until"),
        note=" ".join(form.get("note", "").split()),
    )
    how_many = _whole_or_none("count") or 1
    made = service.make(office, event.id, member, new, code=form.get("code", "").strip() or None, how_many=how_many)
    told = f"The code {made[0].code} is made." if len(made) == 1 else f"{len(made):,} codes are made."
    return f"{told} {service.warning(office, event, new)}".rstrip()


def _switch(event_id: int) -> str:
    off = request.form.get("off") == "yes"
    code_id = _whole("code", request.form.get("code", ""))
    code = service.switch(box_office(), EventId(event_id), auth.current_staff(), code_id, off=off)
    return f"{code.code} is {'off' if code.off else 'on'}. What is held with it stays held."


def _set_code_only(event_id: int) -> str:
    wanted = [_whole("sections", each) for each in request.form.getlist("sections")]
    service.set_code_only(box_office(), EventId(event_id), auth.current_staff(), wanted)
    return "In force for every booking that is not decided yet."


def _kind(word: str) -> CodeKind:
    if word not in list(CodeKind):
        raise BadRequest("Choose what the code does.", field="kind")
    return CodeKind(word)


def _amount(text: str, currency: str) -> int:
    """A sum in minor units; a per cent in hundredths of it, as if it were one."""
    try:
        return words.minor_from(text, currency) or 0
    except ValueError:
        raise BadRequest("How much is a number like 10 or 7.50.", field="value") from None


def _moment(name: str) -> datetime | None:
    text = request.form.get(name, "").strip()
    try:
        found = datetime.fromisoformat(text) if text else None
    except ValueError:
        raise BadRequest("A moment looks like 2026-12-24T20:00, in UTC.", field=name) from None
    return found.replace(tzinfo=UTC) if found else None


def _whole_or_none(name: str) -> int | None:
    text = request.form.get(name, "").strip()
    return _whole(name, text) if text else None


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX):
        raise BadRequest("Give a whole number.", field=name)
    return int(text)
