"""`onsale why BOOKING|BUYER`: everything that happened, and why, for whoever answers a buyer's question."""

from __future__ import annotations

import os
from collections.abc import Iterator
from uuid import UUID

import click
from sqlalchemy import Connection

from onsale.config import Config
from onsale.db import bookings, buyers, draws, queue_ways
from onsale.db.bookings import Booking
from onsale.db.engine import make_engine, reading
from onsale.db.ids import BookingId, BuyerId, event_of_booking
from onsale.db.queue_ways import Joined
from onsale.printing import out
from onsale.queue.draw import draw_of
from onsale.web.why import sentences, story_of
from onsale.workers.drawn_numbers import drawn_numbers

BOOKINGS_MAX = 50


@click.command("why")
@click.argument("who")
def why(who: str) -> None:
    """Tell everything that happened to a booking or a buyer, oldest first, and why: joined, passed over, let in,
    decided, refused, paid, given back.

    WHO is a booking's id (it is on the booking's page), a buyer's id, or the e-mail of an account. Times are UTC.
    """
    engine = make_engine(Config.from_env(os.environ).database_url, application_name="onsale why", pool_size=1)
    try:
        with reading(engine) as connection:
            out("\n".join(_told(connection, who.strip())))
    finally:
        engine.dispose()


def _told(connection: Connection, who: str) -> list[str]:
    try:
        name = UUID(who)
    except ValueError:
        return _of_buyer(connection, _by_email(connection, who))
    if event_of_booking(name) is not None:
        found = bookings.get(connection, BookingId(name))
        if found is None:
            raise click.ClickException("There is no such booking. `onsale config` says which record was asked.")
        return list(_of_booking(connection, found))
    return _of_buyer(connection, BuyerId(name))


def _by_email(connection: Connection, email: str) -> BuyerId:
    found = buyers.account_by_email(connection, email)
    if found is None:
        raise click.ClickException(
            f"{email!r} is neither a booking's or a buyer's id nor the e-mail of an account. Guests have an id alone."
        )
    return found.id


def _of_booking(connection: Connection, booking: Booking) -> Iterator[str]:
    yield f"Booking {booking.id}: {booking.state.value}, number {booking.number:,}, event {booking.event_id}"
    for one in sentences(story_of(connection, booking)):
        yield f"  {one.at:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f"  {one.words}"


def _stands(connection: Connection, one: Joined) -> tuple[str, str]:
    """The number in words, and how far the queue is with it."""
    draw = draws.get(connection, one.event_id)
    drawn = drawn_numbers(connection, one.event_id, draw_of(draw.public()) if draw else None)(one.number)
    if drawn is None:
        return f"pre-queue number {one.number:,}", "it is still to be drawn"
    was_drawn = draw is not None and draw.size is not None and one.number <= draw.size
    number = f"pre-queue number {one.number:,}, which was drawn as {drawn:,}" if was_drawn else f"number {drawn:,}"
    return number, "it was called" if one.called >= drawn else f"called are the numbers up to {one.called:,}"


def _of_buyer(connection: Connection, buyer_id: BuyerId) -> list[str]:
    lines = []
    for one in queue_ways.queues_of(connection, buyer_id):
        number, standing = _stands(connection, one)
        lines.append(
            f"Joined the queue of event {one.event_id}, {one.event_name}, at {one.joined_at:%Y-%m-%d %H:%M:%S} "
            f"with {number}; {standing}."
        )
        if one.revoked is not None:
            lines.append(f"Staff revoked the place: {one.revoked}. It is passed over, and refused at the door.")
    found = bookings.of_buyer(connection, buyer_id, limit=BOOKINGS_MAX)
    for booking in reversed(found):
        lines += ["", *_of_booking(connection, booking)]
    if not lines:
        raise click.ClickException(f"Nothing is on record of a buyer {buyer_id}: no queue joined, nothing booked.")
    return lines if found else [*lines, "Nothing was booked."]
