"""What the console shows and changes beside the rate itself: auto, and a ramp as a form and a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, Response, flash, request

from onsale.db import rate_control as record
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.db.queue_settings import RATE_PER_MINUTE_MAX
from onsale.errors import BadRequest, OnsaleError
from onsale.queue.ramps import AFTER_SECONDS_MAX, Ramp, Step
from onsale.web import auth, rate_control
from onsale.web.admin import chart, ramp_picture
from onsale.web.admin.ramp_picture import RampPicture
from onsale.web.auth import StaffMember
from onsale.web.box_office import BoxOffice, box_office
from onsale.web.pages import going
from onsale.web.rate_control import Controlled

rates = Blueprint("console_rates", __name__, url_prefix="/admin/events/<int:event_id>/rate")

# Rows of the form; the API takes more.
ROWS = 5
# Of a ramp's life so far; then its picture begins later than the ramp.
STEPS_READ_MAX = 500


@dataclass(frozen=True)
class Row:
    """A row of the ramp's form, as texts."""

    minutes: str = ""
    per_minute: str = ""


@dataclass(frozen=True)
class RateView:
    """What the console's page shows of it."""

    auto: bool
    ramp: Ramp | None
    rows: tuple[Row, ...]
    more_steps: int
    cut_off: bool
    picture: RampPicture | None
    in_force: int
    because: str


def view(office: BoxOffice, event_id: EventId, member: StaffMember) -> RateView:
    """How it stands. Raises NotFound."""
    found = rate_control.shown(office, event_id, member)
    ramp = found.ramp
    rows = [Row(f"{step.after_seconds / 60:g}", str(step.per_minute)) for step in (ramp.steps if ramp else ())]
    return RateView(
        auto=found.control.auto,
        ramp=ramp,
        rows=(*rows[:ROWS], *[Row()] * (ROWS - len(rows))),
        more_steps=max(0, len(rows) - ROWS),
        cut_off=any(step.per_minute > found.settings.rate_per_minute for step in (ramp.steps if ramp else ())),
        picture=_picture(office, found, ramp) if ramp else None,
        in_force=found.rate_per_minute,
        because=found.control.because,
    )


def _picture(office: BoxOffice, found: Controlled, ramp: Ramp) -> RampPicture:
    rate_set = found.settings.rate_per_minute
    with reading(office.engine) as connection:
        steps = record.steps(connection, found.control.event_id, since=found.begins, limit=STEPS_READ_MAX)
    held = [(step.at, step.per_minute) for step in steps]
    in_force = chart.lower([(found.begins - timedelta(days=1), rate_set)], held)
    begun = [rate for rate in in_force if rate[0] <= found.begins][-1:]
    later = [rate for rate in in_force if rate[0] > found.begins]
    return ramp_picture.draw(ramp, [*begun, *later], begins=found.begins, rate_set=rate_set, now=found.now)


@rates.post("/auto")
def switch_auto(event_id: int) -> Response:
    """On or off."""
    on = request.form.get("auto") == "yes"
    words = "The rate follows checkout from now on." if on else "The rate stays as it is set."
    return _done(
        event_id, words, lambda member: rate_control.switch_auto(box_office(), EventId(event_id), member, on=on)
    )


@rates.post("/ramp")
def set_ramp(event_id: int) -> Response:
    """A ramp, from the opening or from now."""

    def put(member: StaffMember) -> Controlled:
        from_now = request.form.get("begins") == "now"
        return rate_control.set_ramp(box_office(), EventId(event_id), member, asked(request.form), from_now=from_now)

    return _done(event_id, "The ramp is in force.", put)


@rates.post("/ramp/cancel")
def cancel_ramp(event_id: int) -> Response:
    """No ramp any more."""
    return _done(
        event_id,
        "The ramp is taken away.",
        lambda member: rate_control.set_ramp(box_office(), EventId(event_id), member, None),
    )


def asked(form: Mapping[str, str]) -> Ramp:
    """The ramp of a form; rows that are empty do not count. BadRequest says what does not fit."""
    steps = []
    for row in range(1, ROWS + 1):
        minutes, rate = form.get(f"minutes_{row}", "").strip(), form.get(f"per_minute_{row}", "").strip()
        if minutes or rate:
            steps.append(Step(_seconds(minutes), _rate(rate)))
    if not steps:
        raise BadRequest(
            "Give at least one step: from which minute on, and how many people a minute.", field="minutes_1"
        )
    return Ramp.made(steps, linear=form.get("linear") == "yes")


def _seconds(text: str) -> int:
    whole, _, part = text.partition(".")
    if not (text.isascii() and whole.isdigit() and len(text) < 10 and (not part or part.isdigit())):
        raise BadRequest("From which minute on? Give a number of minutes, 0 for the beginning.", field="minutes")
    if (seconds := round(float(text) * 60)) > AFTER_SECONDS_MAX:
        raise BadRequest("A step comes within a day.", field="minutes")
    return seconds


def _rate(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= RATE_PER_MINUTE_MAX):
        raise BadRequest(f"People a minute: a whole number from 0 to {RATE_PER_MINUTE_MAX:,}.", field="per_minute")
    return int(text)


def _done(event_id: int, words: str, do: Callable[[StaffMember], object]) -> Response:
    try:
        do(auth.current_staff())
    except OnsaleError as error:
        return going.back(error, "console.show", event_id=event_id)
    flash(words, "good")
    return going.to("console.show", event_id=event_id)
