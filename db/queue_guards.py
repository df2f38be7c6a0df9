"""What an event asks of newcomers against bots, a computation or a named device; and whom the revoked may write to."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from onsale.db import sale_log
from onsale.db.ids import EventId
from onsale.errors import IllegalMove

CONTACT_CHARACTERS_MAX = 200


@dataclass(frozen=True, slots=True)
class Guard:
    """The settings in force. `work_bits` 0 asks for no computation; version 0 was never set."""

    work_bits: int = 0
    device_required: bool = False
    contact: str = ""
    version: int = 0
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class GuardChange:
    """What to change; None leaves a setting as it is."""

    work_bits: int | None = None
    device_required: bool | None = None
    contact: str | None = None


def get(connection: Connection, event_id: EventId) -> Guard:
    """The event's settings."""
    row = connection.execute(_GET, {"event_id": event_id}).one_or_none()
    return Guard(*row) if row else Guard()


def change(
    connection: Connection, event_id: EventId, changed: GuardChange, *, actor: str, expected_version: int | None = None
) -> tuple[Guard, Guard]:
    """Change settings with a line in the sale log; those before and those now.

    A change that changes nothing does neither. IllegalMove when `expected_version` is no longer the newest.
    """
    connection.execute(_FIRST, {"event_id": event_id, "actor": actor})
    before = Guard(*connection.execute(_GET_FOR_UPDATE, {"event_id": event_id}).one())
    if expected_version not in (None, before.version):
        raise IllegalMove("Somebody else has changed the settings. Read them again.")
    wanted = {name: value for name, value in asdict(changed).items() if value is not None}
    fresh = {name: value for name, value in wanted.items() if value != getattr(before, name)}
    if not fresh:
        return before, before
    after = {name: getattr(before, name) for name in asdict(changed)} | fresh
    row = connection.execute(_CHANGE, {**after, "event_id": event_id, "actor": actor}).one()
    body = {name: {"from": getattr(before, name), "to": value} for name, value in fresh.items()}
    sale_log.append(connection, event_id, actor=actor, kind="guard_changed", body=body)
    return before, Guard(*row)


_GET = text("""
    SELECT work_bits, device_required, contact, version, updated_at FROM queue_guards WHERE event_id = :event_id
""")
_GET_FOR_UPDATE = text("""
    SELECT work_bits, device_required, contact, version, updated_at FROM queue_guards WHERE event_id = :event_id
       FOR UPDATE
""")
_FIRST = text("""
    INSERT INTO queue_guards (event_id, version, updated_by) VALUES (:event_id, 0, :actor) ON CONFLICT DO NOTHING
""")
_CHANGE = text("""
    UPDATE queue_guards SET work_bits = :work_bits, device_required = :device_required, contact = :contact,
           version = version + 1, updated_at = clock_timestamp(), updated_by = :actor
     WHERE event_id = :event_id RETURNING work_bits, device_required, contact, version, updated_at
""")
