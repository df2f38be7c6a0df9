"""Looks after waiting lists: what came back is offered to who is next, in rounds that may be cut off anywhere.

A round is one transaction: the offers, who was passed over and what is left for everybody are written together or not
at all. An offer is a booking, so that whatever happens after it is what happens to any booking.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from onsale.db import (
    buyer_letters,
    draws,
    locks,
    stats,
    waiting_entries,
    waiting_lists,
    waiting_offers,
    waiting_rules,
)
from onsale.db import engine as record
from onsale.db.ids import BOOKING_ID_RANDOM_BYTES, BuyerId, EventId, booking_id
from onsale.db.letters import LetterKind
from onsale.db.waiting_lists import Running, WaitingList
from onsale.db.waiting_rules import FreeSection, Round
from onsale.queue.draw import draw_of
from onsale.workers.drawn_numbers import drawn_numbers
from onsale.workers.shop import Shop

EVENTS_MAX = 500
# Of those who were away when a ticket came back, so many are written about it.
WRITTEN_MAX = 20

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Went:
    """What a round did to one list."""

    offered: int = 0
    absent: int = 0
    settled: int = 0
    opened: int = 0


def sweep(shop: Shop, *, present_seconds: float = waiting_entries.PRESENT_SECONDS) -> dict[EventId, Went]:
    """A round of every list that has begun; a list another copy is at is left to it."""
    with record.reading(shop.engine) as connection:
        running = waiting_lists.running(connection, limit=EVENTS_MAX)
    went = {}
    for one in running:
        try:
            went[one.event_id] = look_after(shop, one, present_seconds=present_seconds)
        except Exception:
            # Every list by itself: one that raises must not stop the others.
            log.exception("waiting_list_not_looked_after", event_id=one.event_id)
    return went


def look_after(shop: Shop, one: Running, *, present_seconds: float) -> Went:
    """One round of one list; what follows from it after the commit is only wake-ups, which the record re-sends."""
    with record.transaction(shop.engine) as connection:
        if not locks.try_alone(connection, f"waiting-list-{one.event_id}"):
            return Went()
        went = _round(connection, one, present_seconds=present_seconds)
    if went.offered:
        shop.wakes.wake_lane(one.event_id)
    if went.opened or went.absent:
        shop.wakes.wake_mail()
    if went.offered or went.absent:
        log.info("waiting_list_round", event_id=one.event_id, offered=went.offered, absent=went.absent)
    return went


def _round(connection: Connection, one: Running, *, present_seconds: float) -> Went:
    event_id = one.event_id
    settled = waiting_offers.settle(connection, event_id)
    opened = waiting_offers.open_windows(connection, event_id)
    told = [(each.buyer_id, str(each.booking_id)) for each in opened if each.tell]
    buyer_letters.write(connection, event_id, LetterKind.TICKET_BACK, told)
    if not one.offers:
        return Went(settled=settled, opened=len(opened))
    kept = waiting_lists.lock(connection, event_id)
    _take_in(connection, kept)
    asked_to = waiting_entries.ask_front(connection, event_id)
    changes = stats.stock_changes(connection, [event_id]).get(event_id, 0)
    # Counting a stadium takes milliseconds: not while nothing is free and nothing has changed. (An offer that the lane
    # could not meet leaves its tickets free and changes nothing.)
    if kept.free == 0 and kept.changes == changes and not settled:
        waiting_lists.note_round(connection, kept, asked_to=asked_to, changes=changes, free=0)
        return Went(settled=settled, opened=len(opened))
    made = _deal(connection, kept, present_seconds=present_seconds)
    waiting_lists.note_round(connection, kept, asked_to=asked_to, changes=changes, free=made.left)
    return Went(len(made.offers), len(made.absent), settled, len(opened))


def _take_in(connection: Connection, kept: WaitingList) -> None:
    """Who waited in the queue is on the list, under the number they have there (the drawn one, in a draw)."""
    draw = draws.get(connection, kept.event_id)
    state = draw_of(draw.public()) if draw is not None and draw.key is not None else None
    drawn = drawn_numbers(connection, kept.event_id, state)
    last = waiting_entries.take_in(
        connection,
        kept.event_id,
        after=kept.taken_up_to,
        drawn=lambda number: drawn(number) or number,
        drawn_to=state.size or 0 if state else 0,
    )
    if last:
        waiting_lists.took_in(connection, kept.event_id, last)


def _deal(connection: Connection, kept: WaitingList, *, present_seconds: float) -> Round:
    """Offer what is free, pass over who is away, and leave to everybody what nobody on the list is kept waiting for."""
    event_id = kept.event_id
    free = {
        each.section_id: FreeSection(each.free, each.price_minor) for each in stats.stock(connection, event_id).sections
    }
    stock = waiting_rules.without(free, waiting_offers.promised(connection, event_id))
    line = waiting_entries.line(connection, event_id, present_seconds=present_seconds)
    made = waiting_rules.deal(line, stock)
    refused = _write_down(connection, kept, made) if made.offers or made.absent else 0
    made.left += refused
    waiting = made.undecided or refused > 0 or len(made.offers) >= waiting_rules.OFFERS_MAX
    waiting = waiting or (len(line) == waiting_entries.FRONT_MAX and bool(made.left))
    waiting = waiting or waiting_entries.told_lately(connection, event_id, seconds=kept.claim_seconds)
    waiting_lists.release(connection, event_id, 0 if waiting else made.left)
    return made


def _write_down(connection: Connection, kept: WaitingList, made: Round) -> int:
    """The offers are made; returns how many tickets could not be, because their buyers have as many as one may."""
    refused = 0
    event_id, number = kept.event_id, waiting_lists.next_round(connection, kept.event_id)
    waiting_offers.note_round(connection, event_id, number, made)
    for offer in made.offers:
        new = booking_id(event_id, os.urandom(BOOKING_ID_RANDOM_BYTES))
        seconds = kept.claim_seconds
        if not waiting_offers.make(connection, event_id, offer, new, round_number=number, seconds=seconds):
            waiting_entries.end(connection, event_id, offer.to.buyer_id, reason="limit")
            refused += offer.to.quantity
    absent: list[BuyerId] = [each.buyer_id for each in made.absent]
    waiting_entries.put_to_sleep(connection, event_id, absent)
    told = waiting_entries.to_be_told(connection, event_id, absent, limit=WRITTEN_MAX)
    buyer_letters.write(connection, event_id, LetterKind.TICKET_BACK, [(each, f"round {number}") for each in told])
    return refused
