"""How often one buyer or one address may ask: counters in the cache's Redis; without Redis nobody is refused.

Joining has its own limit per address inside the queue's script, which costs no further call; reads are limited by their
caches. An address counts as its fingerprint, an IPv6 address as its /64: no address is written down here.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

import structlog
from flask import current_app, request
from limits import RateLimitItemPerMinute
from limits.errors import StorageError
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis import Redis
from redis.exceptions import RedisError

from onsale.breaker import Breaker
from onsale.db.ids import BuyerId, EventId
from onsale.errors import TooManyRequests
from onsale.queue.keys import address_digest

EXTENSION = "onsale-limits"
# A rehearsal sends a whole crowd from one address.
SANDBOX_ADDRESS_PER_MINUTE = 1_000_000
# After a failure the counters are left alone for so long; then one request asks, as in `queue/outage.py`.
AWAY_SECONDS = 5.0

log = structlog.get_logger()


@dataclass(frozen=True)
class Limit:
    """So many a minute. Behind one address there may be a whole school, so those are wide."""

    name: str
    per_minute: int


GUESTS = Limit("guests", 300)
SIGN_UPS = Limit("sign-ups", 60)
SIGN_INS = Limit("sign-ins", 120)
BOOKINGS = Limit("bookings", 600)
# One account, from wherever: guessing a password takes longer than it is worth.
SIGN_INS_OF_ACCOUNT = Limit("sign-ins-of", 20)
BOOKINGS_OF_BUYER = Limit("bookings-of", 240)
PAYMENTS_OF_BUYER = Limit("payments-of", 60)
# Codes of fifty bits that live five minutes: nobody guesses one, and nobody may try for long.
MOVES = Limit("moves", 30)
MOVES_OF_BUYER = Limit("moves-of", 10)
CHALLENGES_OF_BUYER = Limit("challenges-of", 30)
CARDS_OF_BUYER = Limit("cards-of", 30)
# Codes are found by who was given one, not by who tries: every code that is typed counts, right or wrong.
CODES_OF_BUYER = Limit("codes-of", 20)
CODES = Limit("codes", 120)


@dataclass
class Counters:
    """The counters of all processes, as one process sees them."""

    client: Redis
    # In the sandbox everybody comes from one address.
    sandbox: bool
    _breaker: Breaker = field(default_factory=lambda: Breaker(AWAY_SECONDS), init=False)
    _windows: FixedWindowRateLimiter = field(init=False)

    def __post_init__(self) -> None:
        pool = self.client.connection_pool
        # The address is in the pool already; the storage only wants a scheme it knows.
        self._windows = FixedWindowRateLimiter(RedisStorage("redis://", connection_pool=pool, key_prefix="limit"))

    def spend(self, limit: Limit, whose: str) -> None:
        """Count one. Raises TooManyRequests."""
        if not self._breaker.may_ask():
            return
        item = RateLimitItemPerMinute(limit.per_minute)
        try:
            within = self._windows.hit(item, limit.name, whose)
            reset_at = 0.0 if within else self._windows.get_window_stats(item, limit.name, whose).reset_time
        except (RedisError, StorageError) as error:
            self._breaker.failed()
            log.warning("limits_off", why=type(error).__name__)
            return
        self._breaker.worked()
        if within:
            return
        seconds = max(1, math.ceil(reset_at - time.time()))
        raise TooManyRequests(f"At most {limit.per_minute} a minute.", retry_after_seconds=seconds)


def address() -> str:
    """The fingerprint of the network address this request comes from, as far as the configured proxies are believed."""
    return address_digest(request.remote_addr or "").hex()


def by_address(limit: Limit) -> None:
    """Count one for this request's address. Raises TooManyRequests."""
    counters = _counters()
    counters.spend(Limit(limit.name, SANDBOX_ADDRESS_PER_MINUTE) if counters.sandbox else limit, address())


def by_buyer(limit: Limit, buyer_id: BuyerId) -> None:
    """Count one for this buyer. Raises TooManyRequests."""
    _counters().spend(limit, str(buyer_id))


def sign_in(email: str) -> None:
    """Count an attempt to sign in, for the address and for the account. Raises TooManyRequests."""
    by_address(SIGN_INS)
    _counters().spend(SIGN_INS_OF_ACCOUNT, address_digest(email.lower()).hex())


def code(buyer_id: BuyerId) -> None:
    """Count a code that somebody typed, for the address and for the buyer. Raises TooManyRequests."""
    by_address(CODES)
    by_buyer(CODES_OF_BUYER, buyer_id)


def hands_free(event_id: EventId, per_minute: int) -> None:
    """Count one hands-free booking of the event; 0 is no limit. Raises TooManyRequests: the number is safe."""
    if per_minute:
        _counters().spend(Limit("hands-free", per_minute), str(event_id))


def _counters() -> Counters:
    counters: Counters = current_app.extensions[EXTENSION]
    return counters
