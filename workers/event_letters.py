"""What letters about no booking say: that a sale opens, that a turn is near, that a ticket came back."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection

from onsale.db import bookings, catalogue, clock, journal, queue_settings, waiting_entries
from onsale.db.catalogue import Event, EventStatus
from onsale.db.letters import Letter, LetterKind
from onsale.db.queue_settings import Phase
from onsale.db.states import BookingState
from onsale.mail import drawing
from onsale.mail.drawing import Drawn, Notice, Show


class NotNeeded(Exception):
    """What the letter would say is not so any more; the message says why."""


def drawn(connection: Connection, letter: Letter, *, public_url: str) -> Drawn:
    """The letter in words. NotNeeded when it would come too late or be wrong."""
    event = catalogue.event_by_id(connection, letter.event_id)
    if event is None or event.status is not EventStatus.PUBLISHED:
        raise NotNeeded("The show is not on sale.")
    until, page = "", ""
    if letter.kind is LetterKind.SALE_OPENS:
        until = _opening(connection, letter)
    elif letter.kind is LetterKind.TURN_NEAR:
        _check_turn(connection, letter)
        page = "/queue"
    else:
        until, page = _offer(connection, letter), "/waiting-list"
    notice = Notice(
        show=show_of(event),
        link=f"{public_url}/events/{event.id}{page}",
        stop=f"{public_url}/letters/{letter.id}/stop",
        until=until,
    )
    return drawing.draw_notice(letter.kind.value, notice)


def stop_url(letter: Letter, public_url: str) -> str:
    """Where a mail program's own button sends its one click."""
    return f"{public_url}/v1/letters/{letter.id}/stop"


def show_of(event: Event) -> Show:
    """The show as letters name it."""
    return Show(
        name=event.name,
        when=day_and_time(event.starts_at),
        venue=f"{event.venue.name}, {event.venue.city}",
        organiser=event.organiser_name,
    )


def day_and_time(moment: datetime) -> str:
    """A moment, for somebody who reads it days before."""
    moment = moment.astimezone(UTC)
    return f"{moment:%a} {moment.day} {moment:%b %Y, %H:%M} UTC"


def until_words(moment: datetime) -> str:
    """A deadline. Cut off, never rounded up: a minute that is not there must not be promised."""
    moment = moment.astimezone(UTC)
    return f"{moment:%H:%M} UTC on {moment.day} {moment:%b}"


def _opening(connection: Connection, letter: Letter) -> str:
    settings = queue_settings.get(connection, letter.event_id)
    if settings is None or settings.phase not in (Phase.SCHEDULED, Phase.PRE_QUEUE):
        raise NotNeeded("The sale has opened.")
    if settings.opens_at <= clock.now(connection):
        raise NotNeeded("The sale has opened.")
    return until_words(settings.opens_at)


def _check_turn(connection: Connection, letter: Letter) -> None:
    mark = journal.last_checkpoint(connection, letter.event_id)
    number = letter.buyer_id and journal.number_of(connection, letter.event_id, letter.buyer_id)
    if mark is not None and number and number <= mark.serving:
        raise NotNeeded("The turn has come.")


def _offer(connection: Connection, letter: Letter) -> str:
    """Until when an offer is kept; "" for whoever was away when a ticket came back."""
    entry = letter.buyer_id and waiting_entries.get(connection, letter.event_id, letter.buyer_id)
    if not entry or entry.ended_at is not None or not entry.wanted.tell:
        raise NotNeeded("They are not waiting to be told.")
    if entry.offer_id is None:
        if not entry.asleep:
            raise NotNeeded("They are there.")
        return ""
    offer = bookings.get(connection, entry.offer_id)
    if offer is None or offer.state is not BookingState.HELD or offer.hold_until is None:
        raise NotNeeded("The offer is not open.")
    if offer.hold_until <= clock.now(connection):
        raise NotNeeded("The time to claim was over.")
    return until_words(offer.hold_until)
