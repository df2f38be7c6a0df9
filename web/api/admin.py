"""What an organiser's staff do to a sale while it runs: sign in, look at the queue, turn it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated
from uuid import UUID

from pydantic import BeforeValidator, Field, StringConstraints

from onsale.db.ids import EventId
from onsale.db.queue_settings import MAX_ACTIVE_MAX, RATE_PER_MINUTE_MAX, Phase, QueueChange, QueueSettings
from onsale.errors import BadRequest, IllegalMove, NotAllowed, TooManyRequests, WrongCredentials
from onsale.web import auth, dial, limits, waits
from onsale.web.api.accounts import CredentialsBody
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.api.documents import PRINTABLE, WHOLE, EventPath, GivenMoment, Moment
from onsale.web.auth import StaffMember
from onsale.web.box_office import box_office

admin = Routes("admin", "Running a sale")

Words = Annotated[str, StringConstraints(max_length=280, pattern=PRINTABLE)]
# JSON has no enums: a word becomes the phase before the strict model looks.
PhaseWord = Annotated[Phase, BeforeValidator(lambda word: Phase(word) if isinstance(word, str) else word)]


class StaffSessionDocument(Told):
    """A JWT for the routes under /v1/admin."""

    token: str
    token_type: str = "Bearer"  # noqa: S105  the scheme's name
    expires_in_seconds: int
    staff_id: UUID


class QueueBody(Asked):
    """What to change; what is left out stays. `version`: refuse if somebody else has changed it since.

    Switched off (`enabled` false) and on again, a queue has passed everybody who waited. While people wait it is
    switched off with `lose_order` alone.
    """

    enabled: bool | None = None
    lose_order: bool = False
    phase: PhaseWord | None = None
    opens_at: GivenMoment | None = None
    rate_per_minute: Annotated[int, Field(ge=0, le=RATE_PER_MINUTE_MAX), WHOLE] | None = None
    max_active: Annotated[int, Field(ge=1, le=MAX_ACTIVE_MAX), WHOLE] | None = None
    selling: bool | None = None
    reason: Words | None = None
    notice: Words | None = None
    enter_seconds: Annotated[int, Field(ge=10, le=3_600), WHOLE] | None = None
    choose_seconds: Annotated[int, Field(ge=30, le=7_200), WHOLE] | None = None
    pay_seconds: Annotated[int, Field(ge=30, le=7_200), WHOLE] | None = None
    address_limit: Annotated[int, Field(ge=0, le=1_000_000), WHOLE] | None = None
    handsfree_per_minute: Annotated[int, Field(ge=0, le=1_000_000), WHOLE] | None = None
    version: Annotated[int, Field(ge=0, le=(1 << 31) - 1), WHOLE] | None = None

    def change(self) -> QueueChange:
        return QueueChange(**self.model_dump(exclude={"version", "lose_order"}))


class SettingsDocument(Told):
    """The settings in force."""

    event_id: int
    enabled: bool
    phase: Phase
    opens_at: Moment
    rate_per_minute: int
    max_active: int
    selling: bool
    reason: str
    notice: str
    enter_seconds: int
    choose_seconds: int
    pay_seconds: int
    address_limit: int
    handsfree_per_minute: int
    version: int
    updated_at: Moment


class LiveQueueDocument(Told):
    """The queue as it stands, a second old at most."""

    phase: str
    waiting: int
    serving: int
    issued: int
    admitted: int
    entered: int
    holding: int
    admitted_total: int
    admitted_last_minute: int


class SaleDocument(Told):
    """A sale as its staff see it; `queue` is null while Redis does not answer."""

    settings: SettingsDocument
    queue: LiveQueueDocument | None
    free: int
    held: int
    sold: int
    sold_last_minute: int
    decided_last_minute: int
    takings_minor: int
    currency: str
    oldest_undecided_seconds: float | None
    bookings: dict[str, int]


class WaitsDocument(Told):
    """How the waits that buyers were told came out: of bands for which no reason was published, `held_percent` held.

    `sooner`, `later`: the turn came before or after the band. `withdrawn`: a reason was published before the turn came.
    `open`: it has not come yet. `wide`: wider than a factor of two. `unknown`: no band could be told.
    """

    held_percent: float | None
    told: int
    held: int
    sooner: int
    later: int
    withdrawn: int
    open: int
    wide: int
    unknown: int


@admin.post("/v1/admin/sessions", answers={201: StaffSessionDocument}, raises=(WrongCredentials, TooManyRequests))
def create_staff_session(body: CredentialsBody) -> Answer[StaffSessionDocument]:
    """Sign in as staff"""
    limits.sign_in(body.email)
    signed_in = auth.sign_in_staff(box_office(), email=body.email, password=body.password.get_secret_value())
    document = StaffSessionDocument(
        token=signed_in.token, expires_in_seconds=signed_in.expires_in_seconds, staff_id=signed_in.subject
    )
    return Answer(document, 201, {"Cache-Control": "no-store"})


@admin.get("/v1/admin/events/{event_id}/queue")
def show_sale(path: EventPath, staff: StaffMember) -> Answer[SaleDocument]:
    """How a sale stands"""
    sale = dial.sale(box_office(), EventId(path.event_id), staff)
    numbers = sale.numbers
    document = SaleDocument(
        settings=_settings(sale.settings),
        queue=_live(sale),
        free=numbers.stock.free,
        held=numbers.stock.held,
        sold=numbers.stock.sold,
        sold_last_minute=numbers.sold_last_minute,
        decided_last_minute=numbers.decided_last_minute,
        takings_minor=numbers.takings_minor,
        currency=numbers.currency,
        oldest_undecided_seconds=numbers.oldest_undecided_seconds,
        bookings={str(state): count for state, count in numbers.bookings.items()},
    )
    return Answer(document, headers={"Cache-Control": "no-store"})


@admin.patch("/v1/admin/events/{event_id}/queue", raises=(NotAllowed, IllegalMove, BadRequest))
def change_queue(path: EventPath, body: QueueBody, staff: StaffMember) -> Answer[SettingsDocument]:
    """Turn it: rate, max active, phase, selling, the words that buyers read"""
    changed = dial.change(
        box_office(),
        EventId(path.event_id),
        staff,
        body.change(),
        expected_version=body.version,
        lose_order=body.lose_order,
    )
    return Answer(_settings(changed), headers={"Cache-Control": "no-store"})


@admin.get("/v1/admin/events/{event_id}/waits")
def show_waits(path: EventPath, staff: StaffMember) -> Answer[WaitsDocument]:
    """How often the waits that buyers were told came true"""
    held = waits.of_event(box_office(), EventId(path.event_id), staff)
    return Answer(WaitsDocument(**asdict(held), held_percent=held.held_percent), headers={"Cache-Control": "no-store"})


def _settings(settings: QueueSettings) -> SettingsDocument:
    return SettingsDocument(**{name: getattr(settings, name) for name in SettingsDocument.model_fields})


def _live(sale: dial.Sale) -> LiveQueueDocument | None:
    if sale.status is None:
        return None
    state = sale.status.state
    names = LiveQueueDocument.model_fields.keys() - {"phase"}
    return LiveQueueDocument(phase=str(sale.status.document["phase"]), **{name: getattr(state, name) for name in names})
