"""The dial: what staff change of a running sale, in the record first, then in Redis. API and console both call this."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from onsale.db import checkout_signs, queue_settings, rate_control, staff, stats
from onsale.db.checkout_signs import CheckoutSigns
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId
from onsale.db.queue_settings import QueueChange, QueueSettings
from onsale.db.rate_control import RateControl, rate_in_force, version_in_force
from onsale.db.stats import SaleNumbers
from onsale.errors import IllegalMove, NotAllowed, NotFound, OnsaleError
from onsale.queue.draw import draw_of
from onsale.queue.state import Phase, QueueRules
from onsale.web.auth import StaffMember
from onsale.web.box_office import BoxOffice
from onsale.web.statuses import Status

log = structlog.get_logger()


@dataclass(frozen=True)
class Sale:
    """A sale as its staff see it: settings on record, the queue as it stands (None: Redis is away), the numbers."""

    settings: QueueSettings
    status: Status | None
    numbers: SaleNumbers
    control: RateControl
    signs: CheckoutSigns

    @property
    def version(self) -> int:
        """What a queue that obeys the newest settings and the newest rate goes by."""
        return version_in_force(self.settings.version, self.control)


def sale(office: BoxOffice, event_id: EventId, member: StaffMember) -> Sale:
    """How the sale stands. Raises NotFound for an event of another organiser."""
    with reading(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        settings = queue_settings.get(connection, event_id)
        if settings is None:
            raise NotFound
        numbers = stats.sale_numbers(connection, event_id)
        control = rate_control.get(connection, event_id)
        signs = checkout_signs.read(connection, event_id)
    return Sale(settings, office.statuses.known(event_id), numbers, control, signs)


def change(
    office: BoxOffice,
    event_id: EventId,
    member: StaffMember,
    changed: QueueChange,
    *,
    expected_version: int | None = None,
    lose_order: bool = False,
) -> QueueSettings:
    """Change settings: in the record with a line in the sale log, then at once in Redis.

    `lose_order`: the queue may be switched off though people wait. Raises NotFound for an event of another organiser,
    NotAllowed for a viewer, BadRequest naming the field that is out of range, IllegalMove when `expected_version` is no
    longer the newest, or when people wait and nobody said that they may lose their order.
    """
    with transaction(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        if not member.may_change:
            raise NotAllowed
        if changed.enabled is False and not lose_order:
            _keep_order(office, event_id)
        settings = queue_settings.change(
            connection, event_id, changed, actor=f"staff:{member.id}", expected_version=expected_version
        )
    _turn(office, settings)
    return settings


def _keep_order(office: BoxOffice, event_id: EventId) -> None:
    """Raises IllegalMove while people wait in a queue that is on."""
    try:
        now = office.statuses.of(event_id)
    except OnsaleError:
        # Nobody can say how many wait; whoever switches it off now wants the queue out of the way.
        return
    if not now.rules.enabled or now.rules.phase is Phase.CLOSED or not now.state.waiting:
        return
    raise IllegalMove(
        f"{now.state.waiting:,} in the queue: while it is off everybody goes straight to the seats, and once it is "
        "on again whoever waits now has been passed over, and their order is gone. To let nobody in for a while, pause "
        "it; to switch it off all the same, send lose_order: true.",
        field="enabled",
    )


def put_in_force(office: BoxOffice, event_id: EventId) -> None:
    """Put what is on record in force now, whoever changed it."""
    with reading(office.engine) as connection:
        settings = queue_settings.get(connection, event_id)
    if settings is not None:
        _turn(office, settings)


def _turn(office: BoxOffice, settings: QueueSettings) -> None:
    """Put the settings in force now; whoever admits would do it within a second, and does so when Redis is away."""
    try:
        with reading(office.engine) as connection:
            control = rate_control.get(connection, settings.event_id)
        version = version_in_force(settings.version, control)
        office.store.configure(settings.event_id, rules_of(settings, control), version=version)
    except OnsaleError as error:
        log.warning("settings_not_pushed", event_id=settings.event_id, why=type(error).__name__)
    office.statuses.forget(settings.event_id)
    office.notices.forget(settings.event_id)
    if settings.selling:
        office.wakes.wake_lane(settings.event_id)


def rules_of(settings: QueueSettings, control: RateControl | None = None) -> QueueRules:
    """The settings on record, as the queue takes them."""
    return QueueRules(
        phase=Phase(settings.phase.value),
        opens_at=settings.opens_at,
        rate_per_minute=rate_in_force(settings.rate_per_minute, control),
        max_active=settings.max_active,
        enabled=settings.enabled,
        selling=settings.selling,
        reason=settings.reason,
        notice=settings.notice,
        enter_seconds=settings.enter_seconds,
        choose_seconds=settings.choose_seconds,
        pay_seconds=settings.pay_seconds,
        address_limit=settings.address_limit,
        handsfree_per_minute=settings.handsfree_per_minute,
        draw=draw_of(settings.draw.public()) if settings.draw else None,
        ceiling_per_minute=settings.rate_per_minute,
        because=control.because if control else "",
    )
