"""Who may take a number: at an event that asks for it, a newcomer's device computes first; closed addresses may not."""

from __future__ import annotations

from dataclasses import dataclass

from onsale.db import revocations
from onsale.db.engine import reading
from onsale.db.ids import BuyerId, EventId
from onsale.errors import WorkNeeded
from onsale.queue import work
from onsale.web.box_office import BoxOffice
from onsale.web.guards import Guarded
from onsale.web.tokens import now_ms


@dataclass(frozen=True)
class Challenge:
    """What to compute, or nothing: `bits` 0. It takes `expected_tries` on average, and is good for so many seconds."""

    text: str
    bits: int
    expected_tries: int
    seconds: int


def challenge(office: BoxOffice, event_id: EventId, buyer_id: BuyerId) -> Challenge:
    """What this buyer's device computes before it joins. Raises NotFound."""
    office.shows.event(event_id)
    bits = office.guards.of(event_id).settings.work_bits
    until_ms = now_ms() + work.WORK_SECONDS * 1000
    text = office.tokens.sign_work(event_id, buyer_id, bits=bits, until_ms=until_ms)
    return Challenge(text, bits, work.expected_tries(bits), work.WORK_SECONDS)


def check(
    office: BoxOffice, event_id: EventId, buyer_id: BuyerId, *, guarded: Guarded, address: str, solution: str | None
) -> None:
    """Whether this buyer may take a number now: one HMAC and one hash; a call to Redis only for who brings neither.

    Whoever has a number already is asked nothing. Raises WorkNeeded, PlaceRevoked.
    """
    closed = guarded.is_closed_to(address)
    worked = not guarded.settings.work_bits or is_solved(office, event_id, buyer_id, solution)
    if (worked and not closed) or office.store.place_of(event_id, buyer_id) is not None:
        return
    if closed:
        raise guarded.refusal()
    raise WorkNeeded


def is_solved(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, solution: str | None) -> bool:
    """Whether this is a solution of a challenge of ours. Its own bits count: who has begun is not asked for more."""
    found = work.SOLUTION.fullmatch(solution or "")
    if found is None:
        return False
    bits = office.tokens.verify_work(found[1], event_id=event_id, buyer_id=buyer_id, now_ms=now_ms())
    # A challenge that was given out while nothing was asked is worth nothing.
    return bits is not None and bits > 0 and work.is_solved(found[1], found[2], bits)


def refuse_revoked(office: BoxOffice, event_id: EventId, number: int) -> None:
    """Raises PlaceRevoked for a number that staff took out; asks the record only where any was."""
    guarded = office.guards.of(event_id)
    if not guarded.anything_revoked:
        return
    with reading(office.engine) as connection:
        if revocations.is_revoked(connection, event_id, number):
            raise guarded.refusal()
