"""Verifies an event of a deployment: opens what its settings name, and closes it again."""

from __future__ import annotations

from sqlalchemy import Engine

from onsale.config import Config
from onsale.db.ids import EventId
from onsale.payments.ledger import StripeLedger
from onsale.queue.catalogue_cache import EVENTS, CatalogueCache
from onsale.queue.client import connect
from onsale.queue.live_seats import LiveSeats
from onsale.queue.store import QueueStore
from onsale.queue.ticket_cache import TicketCache
from onsale.search.event_index import EventIndex
from onsale.verify.check import verify
from onsale.verify.copies import Copies
from onsale.verify.verdict import Verdict


def verify_with(config: Config, engine: Engine, event_id: EventId, *, ledger: bool = True) -> Verdict:
    """Check everything with the queue, the caches, the index and the payment provider of these settings."""
    queue, cache = connect(config.queue_url), connect(config.cache_url)
    books = StripeLedger(secret_key=config.stripe_secret_key, api_base=config.stripe_api_base)
    index = EventIndex(config.search_url) if config.search_url else None
    try:
        copies_at = Copies(
            QueueStore(queue), TicketCache(cache), LiveSeats(cache), CatalogueCache(cache, EVENTS), index
        )
        return verify(engine, event_id, ledger=books if ledger else None, copies_at=copies_at)
    finally:
        books.close()
        if index is not None:
            index.close()
        queue.close()
        cache.close()
