"""The people of an organiser who may run its sales, and what each may do."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Connection, TextClause, text
from sqlalchemy.exc import IntegrityError

from onsale.db.ids import EventId
from onsale.errors import EmailTaken


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
    arguments = {
        "id": staff.id,
        "organiser_id": staff.organiser_id,
        "email": staff.email,
        "role": staff.role.value,
        "password_hash": staff.password_hash,
    }
    try:
        with connection.begin_nested():
            connection.execute(_PUT, arguments)
    except IntegrityError as error:
        raise EmailTaken from error
    return staff


def by_id(connection: Connection, staff_id: UUID) -> Staff | None:
    """The member of staff with this id."""
    return _one(connection, _BY_ID, {"id": staff_id})


def by_email(connection: Connection, email: str) -> Staff | None:
    """The member of staff who signs in with this e-mail (any case)."""
    return _one(connection, _BY_EMAIL, {"email": email})


def name_of_actor(connection: Connection, actor: str) -> str:
    """The e-mail of an actor of the sale log who is `staff:<id>`; of others, and of who is gone, the actor itself."""
    kind, _, staff_id = actor.partition(":")
    try:
        found = by_id(connection, UUID(staff_id)) if kind == "staff" else None
    except ValueError:
        found = None
    return found.email if found else actor


def of_event(connection: Connection, staff_id: UUID, event_id: EventId) -> Staff | None:
    """The member of staff if the event is their organiser's; None otherwise, answered like an unknown event."""
    return _one(connection, _OF_EVENT, {"id": staff_id, "event_id": event_id})


def _one(connection: Connection, statement: TextClause, arguments: dict[str, object]) -> Staff | None:
    row = connection.execute(statement, arguments).one_or_none()
    return Staff(row.id, row.organiser_id, row.email, Role(row.role), row.password_hash) if row else None


_PUT = text("""
    INSERT INTO staff (id, organiser_id, email, role, password_hash)
    VALUES (:id, :organiser_id, :email, :role, :password_hash)
    ON CONFLICT (id) DO UPDATE SET
        email = excluded.email, role = excluded.role, password_hash = excluded.password_hash
""")
_BY_ID = text("SELECT * FROM staff WHERE id = :id")
_BY_EMAIL = text("SELECT * FROM staff WHERE lower(email) = lower(:email)")
_OF_EVENT = text("""
    SELECT staff.* FROM staff JOIN events ON events.organiser_id = staff.organiser_id
     WHERE staff.id = :id AND events.id = :event_id
""")
