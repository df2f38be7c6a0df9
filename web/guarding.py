"""What staff do against bots at their event: set what newcomers are asked, revoke places, undo it. API and console."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from uuid import UUID

from sqlalchemy import Connection

from onsale.db import journal, queue_guards, revocations, staff
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId
from onsale.db.queue_guards import Guard, GuardChange
from onsale.db.revocations import BLOCKS_MAX, Count, Revocation, Which
from onsale.errors import BlockTooWide, IllegalMove, NotAllowed, NotFound
from onsale.queue.keys import IPV6_NETWORK_BITS
from onsale.web.auth import StaffMember
from onsale.web.box_office import BoxOffice

# Wider than this is a country: nobody means that, and everybody in it would be refused.
IPV4_BITS_MIN, IPV6_BITS_MIN = 8, 24


@dataclass(frozen=True)
class Guarding:
    """All that stands against bots at an event."""

    settings: Guard
    revocations: tuple[Revocation, ...]


def guarding(office: BoxOffice, event_id: EventId, member: StaffMember) -> Guarding:
    """How it stands. Raises NotFound for an event of another organiser."""
    with reading(office.engine) as connection:
        _look(connection, event_id, member)
        return Guarding(queue_guards.get(connection, event_id), revocations.listed(connection, event_id))


def change(
    office: BoxOffice,
    event_id: EventId,
    member: StaffMember,
    changed: GuardChange,
    *,
    expected_version: int | None = None,
) -> tuple[Guard, Guard]:
    """Change the settings; those before and those now, in force within a second.

    Raises NotFound, NotAllowed, IllegalMove when `expected_version` is no longer the newest.
    """
    with _changing(office, event_id, member) as connection:
        made = queue_guards.change(
            connection, event_id, changed, actor=f"staff:{member.id}", expected_version=expected_version
        )
    office.guards.forget(event_id)
    return made


def count(office: BoxOffice, event_id: EventId, member: StaffMember, which: Which) -> Count:
    """What revoking this would take, without doing it. Raises NotFound, also for a number that nobody has."""
    with reading(office.engine) as connection:
        _look(connection, event_id, member)
        _check(office, connection, event_id, which)
        return revocations.count(connection, event_id, which)


def revoke(
    office: BoxOffice, event_id: EventId, member: StaffMember, which: Which, *, revocation_id: UUID, reason: str
) -> Revocation:
    """Take the places out of the queue; bookings are not touched. The same id again is the same revocation.

    Raises NotFound, NotAllowed, IllegalMove when too many blocks are closed already.
    """
    with _changing(office, event_id, member) as connection:
        _check(office, connection, event_id, which)
        if which.network and len(revocations.blocks(connection, event_id)[0]) >= BLOCKS_MAX:
            raise IllegalMove(f"At most {BLOCKS_MAX} blocks of addresses are closed at once. Undo one first.")
        made = revocations.make(
            connection, event_id, which, revocation_id=revocation_id, reason=reason, actor=f"staff:{member.id}"
        )
    office.guards.forget(event_id)
    return made


def undo(office: BoxOffice, event_id: EventId, member: StaffMember, revocation_id: UUID) -> Revocation:
    """Let the places stand again; harmless twice. Raises NotFound, NotAllowed."""
    with _changing(office, event_id, member) as connection:
        undone = revocations.undo(connection, event_id, revocation_id, actor=f"staff:{member.id}")
    office.guards.forget(event_id)
    return undone


def which_of(number: int | None, network: str | None) -> Which:
    """What is meant, checked; of a narrower IPv6 block the whole /64.

    Raises NotFound for what names none, BlockTooWide.
    """
    if (number is None) == (network is None):
        raise NotFound("Name a number or a block of addresses, one of them.", field="number")
    if network is None:
        return Which(number=number)
    try:
        found: IPv4Network | IPv6Network = ip_network(network.strip(), strict=False)
    except ValueError:
        raise NotFound("Write a block of addresses as 203.0.113.0/24 or 2001:db8::/48.", field="network") from None
    if found.prefixlen < (IPV4_BITS_MIN if found.version == 4 else IPV6_BITS_MIN):
        raise BlockTooWide(field="network")
    if found.version == 6 and found.prefixlen > IPV6_NETWORK_BITS:
        found = found.supernet(new_prefix=IPV6_NETWORK_BITS)
    return Which(network=str(found))


def _look(connection: Connection, event_id: EventId, member: StaffMember) -> None:
    if staff.of_event(connection, member.id, event_id) is None:
        raise NotFound


@contextmanager
def _changing(office: BoxOffice, event_id: EventId, member: StaffMember) -> Iterator[Connection]:
    with transaction(office.engine) as connection:
        _look(connection, event_id, member)
        if not member.may_change:
            raise NotAllowed
        yield connection


def _check(office: BoxOffice, connection: Connection, event_id: EventId, which: Which) -> None:
    """A number that nobody has is no place. The journal is a second behind, so that the queue is asked as well."""
    if which.number is None or journal.is_given(connection, event_id, which.number):
        return
    # Once more afterwards: what the queue does not wait to have written any more may have been written meanwhile.
    known = office.store.is_joining(event_id, which.number) or journal.is_given(connection, event_id, which.number)
    if not known:
        raise NotFound("Nobody has joined under this number.", field="number")
