"""The names of an event's keys in Redis: all of one event carry one hash tag, so a Cluster keeps them in one slot.

Only these functions spell a key. Places are named by text too: `17` is queue number 17, `r3` is return number 3.
"""

from __future__ import annotations

from hashlib import blake2b
from ipaddress import ip_address, ip_network
from typing import NewType
from uuid import UUID

from onsale.db.ids import EventId

# A place in the queue: "17" is number 17, "r3" is return number 3. It is also the id of the admission it gets.
PlaceId = NewType("PlaceId", str)

# A bucket of at most 512 entries stays a listpack: 30 bytes a person instead of 70 (4 million people fit).
BUYER_BUCKETS = 8192
ADDRESS_BUCKETS = 8192
# Presence is kept for this many time slices: the current one and the two before it.
PRESENCE_SLICES = 3
ADDRESS_BYTES = 8
DEVICE_BYTES = 8
# A client that names no device.
NO_DEVICE = bytes(DEVICE_BYTES)
# Whoever has one IPv6 address has the 2^64 around it.
IPV6_NETWORK_BITS = 64


def number_place(number: int) -> PlaceId:
    """The place of a queue number."""
    return PlaceId(str(number))


def return_place(return_number: int) -> PlaceId:
    """The place of a return number."""
    return PlaceId(f"r{return_number}")


def split_place(place: str) -> tuple[bool, int]:
    """(is it a return number, the number); ValueError for anything but `17` or `r3`."""
    is_return = place.startswith("r")
    digits = place[1:] if is_return else place
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 10 and int(digits) > 0):
        raise ValueError(f"not a place in a queue: {place[:20]!r}")
    return is_return, int(digits)


class EventKeys:
    """Every key of one event's queue."""

    def __init__(self, event_id: EventId) -> None:
        self._prefix = f"q:{{{int(event_id)}}}:"
        # Hash: what the queue's rules work with, and what the status shows.
        self.queue = self._prefix + "queue"
        # Sorted sets, place -> deadline in ms: let in and not yet come, choosing or undecided, with tickets held.
        self.admitted = self._prefix + "admitted"
        self.entered = self._prefix + "entered"
        self.holding = self._prefix + "holding"
        # String, an array: 4 bytes a queue number, the return number it took last.
        self.returns = self._prefix + "returns"
        # The other way round: 4 bytes a return number, whose it is.
        self.owners = self._prefix + "owners"
        # Hash, `device_field` -> the device that may take its turn; and bitmaps of the numbers that staff revoked, and
        # of those (as people joined with them) that were handed over or given up when a guest signed in.
        self.devices = self._prefix + "devices"
        self.revoked = self._prefix + "revoked"
        self.moved = self._prefix + "moved"
        # Bitmap of drawn numbers that nobody is known to have: used, until somebody proves to have one.
        self.vacant = self._prefix + "vacant"
        # Bitmap: a number is a further one of whoever has the number before (`lots.py`).
        self.lots = self._prefix + "lots"
        # String: a wake-up of the event's lane is under way.
        self.wake = self._prefix + "wake"
        # On the cache's Redis, the copy of held and sold tickets: a string with some bytes a ticket; a hash with its
        # epoch and number, whose name is also the channel of what changes; a stream of the changes.
        self.seats = self._prefix + "seats"
        self.seats_about = self._prefix + "seats:about"
        self.seats_log = self._prefix + "seats:log"
        # String: some process compares the copy with the record, or has just done so.
        self.seats_turn = self._prefix + "seats:turn"
        # Streams for the journal, trimmed once the record has them.
        self.joins = self._prefix + "joins"
        self.admissions = self._prefix + "admissions"
        self.came_back = self._prefix + "came_back"

    def numbers_lane(self) -> list[str]:
        """Bitmaps by queue number: presence in three slices, hands-free bookings, places that are done."""
        return self._lane("n")

    def returns_lane(self) -> list[str]:
        """The same bitmaps by return number."""
        return self._lane("r")

    def nobodys(self) -> list[str]:
        """Bitmaps of the queue numbers, and of the return numbers, that recoveries before the last one left out."""
        return [f"{self._prefix}n:nobody", f"{self._prefix}r:nobody"]

    def live_seats(self) -> list[str]:
        """What the scripts of live seats take: the tickets, their epoch and number, the log."""
        return [self.seats, self.seats_about, self.seats_log]

    def buyers(self, buyer_id: UUID) -> str:
        """The hash bucket with this buyer's number."""
        return f"{self._prefix}buyers:{int.from_bytes(buyer_id.bytes[:4], 'big') % BUYER_BUCKETS}"

    def address(self, digest: bytes) -> str:
        """The hash bucket that counts the places taken from this network address."""
        return f"{self._prefix}addresses:{int.from_bytes(digest[:4], 'big') % ADDRESS_BUCKETS}"

    def _lane(self, letter: str) -> list[str]:
        here = [f"{self._prefix}{letter}:here:{slice_}" for slice_ in range(PRESENCE_SLICES)]
        return [*here, f"{self._prefix}{letter}:handsfree", f"{self._prefix}{letter}:done"]


# Sorted set, on the cache's Redis, over all events: whose seats are being looked at.
SEATS_WATCHED = "q:seats:watched"


# String: a wake-up of whoever sends letters is under way.
MAIL_WAKE = "wake:{mail}"
REPORTS_WAKE = "wake:{reports}"


class CatalogueKeys:
    """The keys of the copies of events and searches, on the cache's Redis; one hash tag, so a script may use all."""

    _PREFIX = "c:{catalogue}:"
    # String: how far the change stream was followed; there only while somebody follows it.
    followed = f"{_PREFIX}followed"

    @classmethod
    def slot(cls, shelf: str, number: int) -> str:
        """Hash: one copy, with its stamp."""
        return f"{cls._PREFIX}{shelf}:{number}"

    @classmethod
    def reading(cls, shelf: str, name: str) -> str:
        """String: somebody reads this from the record."""
        return f"{cls._PREFIX}{shelf}:reading:{name}"


def address_bytes(address: str) -> bytes:
    """A network address as its bytes, an IPv6 address as those of its /64; empty for what is none."""
    try:
        parsed = ip_address(address.split("%", 1)[0])
    except ValueError:
        return b""
    return parsed.packed[: IPV6_NETWORK_BITS // 8] if parsed.version == 6 else parsed.packed


def device_field(number: int, *, in_draw: bool) -> str:
    """Under which name the device of a place is known; a number that is to be drawn will be another place's."""
    return f"j{number}" if in_draw else str(number)


def device_digest(device: str | None) -> bytes:
    """By which bytes a device is known. Not keyed: its id is random, and outlives the installation's keys."""
    return blake2b(device.encode(), digest_size=DEVICE_BYTES).digest() if device else NO_DEVICE


def address_digest(address: str) -> bytes:
    """A short fingerprint of a network address; an IPv6 address counts as its /64."""
    if ":" in address:
        try:
            parsed = ip_address(address.split("%", 1)[0])
            address = str(ip_network((parsed, IPV6_NETWORK_BITS), strict=False).network_address)
        except ValueError:
            pass
    return blake2b(address.encode(), digest_size=ADDRESS_BYTES).digest()
