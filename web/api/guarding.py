"""What staff do against bots: what newcomers are asked, and places that are revoked."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid4

from pydantic import Field, StringConstraints

from onsale.db.ids import EventId
from onsale.db.queue_guards import CONTACT_CHARACTERS_MAX, Guard, GuardChange
from onsale.db.revocations import Count, Revocation
from onsale.errors import BlockTooWide, IllegalMove, NotAllowed
from onsale.queue.work import WORK_BITS_MAX, expected_tries
from onsale.web import guarding as verbs
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.api.documents import PRINTABLE, WHOLE, EventNumber, EventPath, Moment
from onsale.web.auth import StaffMember
from onsale.web.box_office import box_office

guarding = Routes("guarding", "Running a sale")

Reason = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=PRINTABLE)]
Contact = Annotated[str, StringConstraints(max_length=CONTACT_CHARACTERS_MAX, pattern=PRINTABLE)]
_PRIVATE = {"Cache-Control": "no-store"}


class GuardBody(Asked):
    """What to change; what is left out stays. `version`: refuse if somebody else has changed it since."""

    work_bits: Annotated[int, Field(ge=0, le=WORK_BITS_MAX), WHOLE] | None = None
    device_required: bool | None = None
    contact: Contact | None = None
    version: Annotated[int, Field(ge=0, le=(1 << 31) - 1), WHOLE] | None = None


class GuardDocument(Told):
    """What newcomers compute (0 bits: nothing), whether API clients must name a device, whom the revoked write to."""

    work_bits: int
    expected_tries: int
    device_required: bool
    contact: str
    version: int


class RevocationBody(Asked):
    """A number, or a block of addresses. `dry_run` only counts."""

    number: Annotated[int, Field(ge=1, le=(1 << 31) - 1), WHOLE] | None = None
    network: Annotated[str, StringConstraints(min_length=2, max_length=50, pattern=PRINTABLE)] | None = None
    reason: Reason
    dry_run: bool = False


class RevocationDocument(Told):
    """A revocation; `places` it took or, of a dry run (`id` null), would take.

    `with_bookings` of them have a booking, which goes on; `revoked_before` were taken by another. Null once it is made.
    """

    id: UUID | None
    number: int | None
    network: str | None
    reason: str
    places: int
    with_bookings: int | None
    revoked_before: int | None
    made_at: Moment | None
    undone_at: Moment | None


class RevocationsDocument(Told):
    """The newest hundred, newest first."""

    revocations: list[RevocationDocument]


class RevocationPath(Asked):
    """One revocation of an event."""

    event_id: EventNumber
    revocation_id: UUID


@guarding.get("/v1/admin/events/{event_id}/guard")
def show_guard(path: EventPath, staff: StaffMember) -> Answer[GuardDocument]:
    """What stands against bots"""
    return Answer(_guard(verbs.guarding(box_office(), EventId(path.event_id), staff).settings), headers=_PRIVATE)


@guarding.patch("/v1/admin/events/{event_id}/guard", raises=(NotAllowed, IllegalMove))
def change_guard(path: EventPath, body: GuardBody, staff: StaffMember) -> Answer[GuardDocument]:
    """Change it, in force within a second: what newcomers compute, whether devices must be named, the contact"""
    changed = GuardChange(**body.model_dump(exclude={"version"}))
    _, now = verbs.change(box_office(), EventId(path.event_id), staff, changed, expected_version=body.version)
    return Answer(_guard(now), headers=_PRIVATE)


@guarding.get("/v1/admin/events/{event_id}/revocations")
def list_revocations(path: EventPath, staff: StaffMember) -> Answer[RevocationsDocument]:
    """Places that were revoked, also those that stand again"""
    found = verbs.guarding(box_office(), EventId(path.event_id), staff).revocations
    return Answer(RevocationsDocument(revocations=[_revocation(one) for one in found]), headers=_PRIVATE)


@guarding.post(
    "/v1/admin/events/{event_id}/revocations",
    answers={200: RevocationDocument, 201: RevocationDocument},
    raises=(NotAllowed, IllegalMove, BlockTooWide),
)
def revoke_places(path: EventPath, body: RevocationBody, staff: StaffMember) -> Answer[RevocationDocument]:
    """Revoke a place, or all that were taken from a block of addresses; bookings are not touched"""
    office, event_id = box_office(), EventId(path.event_id)
    which = verbs.which_of(body.number, body.network)
    counted = verbs.count(office, event_id, staff, which)
    if body.dry_run:
        document = RevocationDocument(
            id=None,
            number=which.number,
            network=which.network,
            reason=body.reason,
            **_counted(counted),
            made_at=None,
            undone_at=None,
        )
        return Answer(document, headers=_PRIVATE)
    made = verbs.revoke(office, event_id, staff, which, revocation_id=uuid4(), reason=body.reason)
    return Answer(_revocation(made), 201, _PRIVATE)


@guarding.delete("/v1/admin/events/{event_id}/revocations/{revocation_id}", raises=(NotAllowed,))
def undo_revocation(path: RevocationPath, staff: StaffMember) -> Answer[RevocationDocument]:
    """Undo it: the places stand again, those passed meanwhile by a return number"""
    return Answer(_revocation(verbs.undo(box_office(), EventId(path.event_id), staff, path.revocation_id)))


def _guard(settings: Guard) -> GuardDocument:
    return GuardDocument(
        work_bits=settings.work_bits,
        expected_tries=expected_tries(settings.work_bits),
        device_required=settings.device_required,
        contact=settings.contact,
        version=settings.version,
    )


def _counted(counted: Count) -> dict[str, int]:
    return {
        "places": counted.places,
        "with_bookings": counted.with_bookings,
        "revoked_before": counted.revoked_before,
    }


def _revocation(made: Revocation) -> RevocationDocument:
    return RevocationDocument(
        id=made.id,
        number=made.number,
        network=made.network,
        reason=made.reason,
        places=made.places,
        with_bookings=None,
        revoked_before=None,
        made_at=made.made_at,
        undone_at=made.undone_at,
    )
