"""The people of an organiser who may run its sales, and what each may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection

from onsale.db.ids import EventId


class Role(StrEnum):
    """A viewer reads; an admin also changes a sale; an owner also the staff."""

    OWNER = "owner"
    ADMIN = "admin"
    VIEWER = "viewer"


@dataclass(frozen=True, slots=True)
class Staff:
    """One of an organiser's people."""

    id: UUID
    organiser_id: int
    email: str
    role: Role
    password_hash: str = field(repr=False)

    @property
    def may_change(self) -> bool:
        return self.role is not Role.VIEWER


def put(connection: Connection, staff: Staff) -> Staff:
    """Add a member of staff; EmailTaken when another id has this e-mail. The same id again updates role and hash."""
    raise NotImplementedError


def by_id(connection: Connection, staff_id: UUID) -> Staff | None:
    """The member of staff with this id."""
    raise NotImplementedError


def by_email(connection: Connection, email: str) -> Staff | None:
    """The member of staff who signs in with this e-mail (any case)."""
    raise NotImplementedError


def of_event(connection: Connection, staff_id: UUID, event_id: EventId) -> Staff | None:
    """The member of staff if the event is their organiser's; None otherwise, which a caller answers like an unknown event."""
    raise NotImplementedError
