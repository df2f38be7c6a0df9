"""What holds a rate below the one that was set: `auto`, which follows checkout, and a ramp by time."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from onsale.db.ids import EventId
from onsale.db.queue_settings import RATE_PER_MINUTE_MAX
from onsale.errors import NotAllowed
from onsale.queue import rate_words
from onsale.queue.ramps import AFTER_SECONDS_MAX, STEPS_MAX, Ramp, Step
from onsale.web import rate_control
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.api.documents import WHOLE, EventPath, Moment
from onsale.web.auth import StaffMember
from onsale.web.box_office import box_office
from onsale.web.rate_control import Controlled

rates = Routes("rates", "Running a sale")

_PRIVATE = {"Cache-Control": "no-store"}


class AutoBody(Asked):
    """Whether the rate follows checkout; the rate set stays the most."""

    auto: bool


class RampStep(Asked):
    """So many seconds after the beginning, so many a minute."""

    after_seconds: Annotated[int, Field(ge=0, le=AFTER_SECONDS_MAX), WHOLE]
    per_minute: Annotated[int, Field(ge=0, le=RATE_PER_MINUTE_MAX), WHOLE]


class RampBody(Asked):
    """Steps by time; before the first its rate holds already. `linear`: in a line from one to the next.

    `from_now`: they count from now, else from the opening.
    """

    steps: list[RampStep] = Field(min_length=1, max_length=STEPS_MAX)
    linear: bool = False
    from_now: bool = False


class RampStepDocument(Told):
    """A step of a ramp."""

    after_seconds: int
    per_minute: int


class RampDocument(Told):
    """A ramp, and when it begins."""

    steps: list[RampStepDocument]
    linear: bool
    begins_at: Moment


class RateDocument(Told):
    """The rate in force, the one set, and why they differ; `why` is what buyers read."""

    event_id: int
    auto: bool
    ramp: RampDocument | None
    rate_per_minute: int
    ceiling_per_minute: int
    because: str
    why: str


@rates.get("/v1/admin/events/{event_id}/rate")
def show_rate(path: EventPath, staff: StaffMember) -> Answer[RateDocument]:
    """The rate in force, and what decides it"""
    return _answer(rate_control.shown(box_office(), EventId(path.event_id), staff))


@rates.patch("/v1/admin/events/{event_id}/rate", raises=(NotAllowed,))
def switch_auto(path: EventPath, body: AutoBody, staff: StaffMember) -> Answer[RateDocument]:
    """Let the rate follow checkout, or no longer"""
    return _answer(rate_control.switch_auto(box_office(), EventId(path.event_id), staff, on=body.auto))


@rates.patch("/v1/admin/events/{event_id}/rate/ramp", raises=(NotAllowed,))
def put_ramp(path: EventPath, body: RampBody, staff: StaffMember) -> Answer[RateDocument]:
    """Let the rate change with time"""
    ramp = Ramp.made([Step(one.after_seconds, one.per_minute) for one in body.steps], linear=body.linear)
    return _answer(rate_control.set_ramp(box_office(), EventId(path.event_id), staff, ramp, from_now=body.from_now))


@rates.delete("/v1/admin/events/{event_id}/rate/ramp", raises=(NotAllowed,))
def cancel_ramp(path: EventPath, staff: StaffMember) -> Answer[RateDocument]:
    """Take the ramp away"""
    return _answer(rate_control.set_ramp(box_office(), EventId(path.event_id), staff, None))


def _answer(found: Controlled) -> Answer[RateDocument]:
    control, ceiling = found.control, found.settings.rate_per_minute
    rate = found.rate_per_minute
    document = RateDocument(
        event_id=control.event_id,
        auto=control.auto,
        ramp=_ramp(found),
        rate_per_minute=rate,
        ceiling_per_minute=ceiling,
        because=control.because,
        why=rate_words.why(control.because, per_minute=rate, ceiling=ceiling),
    )
    return Answer(document, headers=_PRIVATE)


def _ramp(found: Controlled) -> RampDocument | None:
    if found.ramp is None:
        return None
    steps = [RampStepDocument(after_seconds=one.after_seconds, per_minute=one.per_minute) for one in found.ramp.steps]
    return RampDocument(steps=steps, linear=found.ramp.linear, begins_at=found.begins)
