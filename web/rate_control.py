"""What staff set beside the rate itself: that it follows checkout (`auto`), and a ramp. API and console call this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from onsale.db import clock, queue_settings, rate_control, sale_log, staff
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId
from onsale.db.queue_settings import QueueSettings
from onsale.db.rate_control import RateControl
from onsale.errors import NotAllowed, NotFound
from onsale.queue.auto_rate import AutoRate, Because
from onsale.queue.ramps import Ramp
from onsale.queue.rate_in_force import in_force
from onsale.web import dial
from onsale.web.auth import StaffMember
from onsale.web.box_office import BoxOffice


@dataclass(frozen=True)
class Controlled:
    """How an event's rate is controlled, at this moment of the record's clock."""

    settings: QueueSettings
    control: RateControl
    now: datetime

    @property
    def rate_per_minute(self) -> int:
        """The rate in force."""
        return rate_control.rate_in_force(self.settings.rate_per_minute, self.control)

    @property
    def ramp(self) -> Ramp | None:
        return Ramp.of(self.control.ramp) if self.control.ramp else None

    @property
    def begins(self) -> datetime:
        """When the ramp begins, or began."""
        return self.control.ramp_from or self.settings.opens_at

    @property
    def ends(self) -> datetime | None:
        """When the ramp's last step is reached."""
        return self.begins + timedelta(seconds=self.ramp.last_seconds) if self.ramp else None


def shown(office: BoxOffice, event_id: EventId, member: StaffMember) -> Controlled:
    """How it stands. Raises NotFound for an event of another organiser."""
    with reading(office.engine) as connection:
        settings = _mine(connection, event_id, member)
        return Controlled(settings, rate_control.get(connection, event_id), clock.now(connection))


def switch_auto(office: BoxOffice, event_id: EventId, member: StaffMember, *, on: bool) -> Controlled:
    """Let the rate follow checkout, or no longer. Raises NotFound, NotAllowed."""
    return _change(office, event_id, member, auto=on)


def set_ramp(
    office: BoxOffice, event_id: EventId, member: StaffMember, ramp: Ramp | None, *, from_now: bool = False
) -> Controlled:
    """Put a ramp in force, from the opening or from now on, or take it away (None).

    Raises NotFound, NotAllowed.
    """
    return _change(office, event_id, member, ramp=ramp, from_now=from_now)


_LEFT = object()


def _change(
    office: BoxOffice,
    event_id: EventId,
    member: StaffMember,
    *,
    auto: bool | None = None,
    ramp: Ramp | object | None = _LEFT,
    from_now: bool = False,
) -> Controlled:
    with transaction(office.engine) as connection:
        settings = _mine(connection, event_id, member)
        if not member.may_change:
            raise NotAllowed
        before, now = rate_control.hold(connection, event_id), clock.now(connection)
        wanted = (
            before if auto is None else replace(before, auto=auto, share_ppm=before.share_ppm if auto else 1_000_000)
        )
        if ramp is None or isinstance(ramp, Ramp):
            wanted = replace(wanted, ramp=ramp.kept() if ramp else None, ramp_from=now if ramp and from_now else None)
        body = {name: {"from": was, "to": to} for name, was, to in _differing(before, wanted)}
        if not body:
            return Controlled(settings, before, now)
        after = rate_control.put(connection, before, _in_force(wanted, settings, now), ceiling=settings.rate_per_minute)
        sale_log.append(connection, event_id, actor=f"staff:{member.id}", kind="rate_control_changed", body=body)
    dial.put_in_force(office, event_id)
    return Controlled(settings, after, now)


def _mine(connection: Connection, event_id: EventId, member: StaffMember) -> QueueSettings:
    settings = queue_settings.get(connection, event_id)
    if settings is None or staff.of_event(connection, member.id, event_id) is None:
        raise NotFound
    return settings


def _differing(before: RateControl, after: RateControl) -> list[tuple[str, Any, Any]]:
    names = ("auto", "ramp", "ramp_from")
    pairs = [(name, _plain(getattr(before, name)), _plain(getattr(after, name))) for name in names]
    return [(name, was, to) for name, was, to in pairs if was != to]


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat()
    return dict(value) if isinstance(value, Mapping) else value


def _in_force(control: RateControl, settings: QueueSettings, now: datetime) -> RateControl:
    """What holds from now on; what checkout allows is the next decision's."""
    because = Because(control.because)
    auto = (
        AutoRate(control.share_ppm, Because.NOTHING if because is Because.RAMP else because) if control.auto else None
    )
    ramp = Ramp.of(control.ramp) if control.ramp else None
    found = in_force(
        settings.rate_per_minute, auto=auto, ramp=ramp, begins=control.ramp_from or settings.opens_at, now=now
    )
    return replace(control, per_minute=found.per_minute, because=found.because.value)
