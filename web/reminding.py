"""Letters a buyer asks for, and asks no more of: that a sale opens, that the turn is near, that a ticket came back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from onsale.db import letters, queue_settings, reminders, waiting_entries
from onsale.db.engine import reading, transaction
from onsale.db.ids import BuyerId, EventId
from onsale.db.letters import ASKED_FOR, Letter, LetterKind
from onsale.db.queue_settings import Phase
from onsale.db.reminders import Reminder
from onsale.errors import AccountNeeded, NotFound, ReminderTooLate
from onsale.queue.state import Standing
from onsale.web import joining
from onsale.web.auth import Buyer
from onsale.web.box_office import BoxOffice


@dataclass(frozen=True)
class Stopped:
    """What a letter's link stops: letters of its kind about its event."""

    kind: LetterKind
    event_id: EventId


def asked(office: BoxOffice, event_id: EventId, buyer_id: BuyerId) -> frozenset[Reminder]:
    """What this buyer is still to be reminded of. Raises NotFound."""
    office.shows.event(event_id)
    with reading(office.engine) as connection:
        return reminders.of_buyer(connection, event_id, buyer_id)


def ask(
    office: BoxOffice, event_id: EventId, buyer: Buyer, kind: Reminder, *, queue_token: str | None = None
) -> frozenset[Reminder]:
    """Remind this buyer, by a letter to their account's address.

    Raises NotFound, AccountNeeded, ReminderTooLate, TooManyReminders; NotInQueue for a turn without a number.
    """
    office.shows.event(event_id)
    if buyer.guest:
        raise AccountNeeded
    number = None
    if kind is Reminder.TURN_NEAR:
        place = joining.place_of(office, event_id, buyer.id, queue_token=queue_token)
        if place.standing is not Standing.AHEAD or place.return_number is not None:
            raise ReminderTooLate
        number = place.number
    with transaction(office.engine) as connection:
        settings = queue_settings.get(connection, event_id)
        closed = settings is None or settings.phase not in (Phase.SCHEDULED, Phase.PRE_QUEUE)
        if kind is Reminder.SALE_OPENS and (closed or settings is None or settings.opens_at <= datetime.now(UTC)):
            raise ReminderTooLate
        reminders.ask(connection, event_id, buyer.id, kind, number=number)
        return reminders.of_buyer(connection, event_id, buyer.id)


def forget(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, kind: Reminder) -> None:
    """Do not remind them. Raises NotFound."""
    office.shows.event(event_id)
    with transaction(office.engine) as connection:
        reminders.forget(connection, event_id, buyer_id, kind)


def what_stops(office: BoxOffice, letter_id: UUID) -> Stopped:
    """What the link in this letter would stop. Raises NotFound."""
    with reading(office.engine) as connection:
        letter = _letter(letters.get(connection, letter_id))
    return Stopped(letter.kind, letter.event_id)


def stop(office: BoxOffice, letter_id: UUID) -> Stopped:
    """No more letters of this kind about this event; whoever has the letter may say so. Raises NotFound."""
    with transaction(office.engine) as connection:
        letter = _letter(letters.get(connection, letter_id))
        if letter.buyer_id is not None and letter.kind is LetterKind.TICKET_BACK:
            waiting_entries.do_not_tell(connection, letter.event_id, letter.buyer_id)
        elif letter.buyer_id is not None:
            reminders.forget(connection, letter.event_id, letter.buyer_id, Reminder(letter.kind.value))
    return Stopped(letter.kind, letter.event_id)


def _letter(found: Letter | None) -> Letter:
    if found is None or found.kind not in ASKED_FOR:
        raise NotFound
    return found
