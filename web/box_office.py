"""What a web process works with: its configuration, its connections to the record, the queue and the broker, its copies.

    office = box_office()     # of the app that serves this request
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app
from sqlalchemy import Engine

from onsale.config import Config
from onsale.payments.provider import PaymentProvider
from onsale.queue.broker import Wakes
from onsale.queue.store import QueueStore
from onsale.queue.ticket_cache import TicketCache
from onsale.web.availability import Availabilities
from onsale.web.statuses import Statuses

EXTENSION = "onsale"


@dataclass(frozen=True)
class BoxOffice:
    """The parts of one web process; they connect at their first use, so it may be opened before a fork."""

    config: Config
    engine: Engine
    store: QueueStore
    ticket_cache: TicketCache
    wakes: Wakes
    # Web itself only saves cards (SetupIntents); charging is the workers'.
    provider: PaymentProvider
    # Each event's queue status and seat availability, a copy per process, a second old at most.
    statuses: Statuses
    availabilities: Availabilities


def box_office() -> BoxOffice:
    """The parts of the app that serves this request."""
    office: BoxOffice = current_app.extensions[EXTENSION]
    return office
