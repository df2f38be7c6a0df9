"""How often one buyer or one address may ask: Flask-Limiter's counters in Redis; without Redis nobody is refused.

Joining has its own limit per address inside the queue's script, which costs no further call; reads are limited by their
caches. An address counts as its fingerprint, an IPv6 address as its /64: no address is written down here.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

import structlog
from flask import Flask, current_app, request
from flask_limiter import Limiter
from limits import RateLimitItem, RateLimitItemPerMinute
from limits.errors import StorageError
from redis.exceptions import RedisError

from onsale.config import Config
from onsale.db.ids import BuyerId, EventId
from onsale.errors import TooManyRequests
from onsale.queue.keys import address_digest
from onsale.web.box_office import BoxOffice

EXTENSION = "onsale-limiter"
# A rehearsal sends a whole crowd from one address.
SANDBOX_ADDRESS_PER_MINUTE = 1_000_000

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
CARDS_OF_BUYER = Limit("cards-of", 30)


def register(app: Flask, config: Config) -> None:
    """Give the app its counters, in the cache's Redis."""
    app.extensions[EXTENSION] = Limiter(
        address,
        app=app,
        storage_uri=config.cache_url,
        # Half a second: a limit is not worth waiting for.
        storage_options={"socket_timeout": 0.5, "socket_connect_timeout": 0.5},  # type: ignore[dict-item]  # typed as int
        strategy="fixed-window",
        key_prefix="limit",
    )


def address() -> str:
    """The fingerprint of the network address this request comes from, as far as the configured proxies are believed."""
    return address_digest(request.remote_addr or "").hex()


def by_address(limit: Limit) -> None:
    """Count one for this request's address. Raises TooManyRequests."""
    sandbox = box_config().environment == "sandbox"
    _spend(Limit(limit.name, SANDBOX_ADDRESS_PER_MINUTE) if sandbox else limit, address())


def by_buyer(limit: Limit, buyer_id: BuyerId) -> None:
    """Count one for this buyer. Raises TooManyRequests."""
    _spend(limit, str(buyer_id))


def sign_in(email: str) -> None:
    """Count an attempt to sign in, for the address and for the account. Raises TooManyRequests."""
    by_address(SIGN_INS)
    _spend(SIGN_INS_OF_ACCOUNT, address_digest(email.lower()).hex())


def hands_free(office: BoxOffice, event_id: EventId, per_minute: int) -> None:
    """Count one hands-free booking of the event; 0 is no limit. Raises TooManyRequests: the number is safe."""
    if per_minute:
        _spend(Limit("hands-free", per_minute), str(event_id))


def box_config() -> Config:
    """The configuration of the app that serves this request."""
    office: BoxOffice = current_app.extensions["onsale"]
    return office.config


def _spend(limit: Limit, whose: str) -> None:
    limiter: Limiter = current_app.extensions[EXTENSION]
    item = RateLimitItemPerMinute(limit.per_minute)
    try:
        if limiter.limiter.hit(item, limit.name, whose):
            return
        seconds = _until_reset(limiter, item, limit.name, whose)
    except (RedisError, StorageError) as error:
        log.warning("limits_off", why=type(error).__name__)
        return
    raise TooManyRequests(f"At most {limit.per_minute} a minute.", retry_after_seconds=seconds)


def _until_reset(limiter: Limiter, item: RateLimitItem, name: str, whose: str) -> int:
    return max(1, math.ceil(limiter.limiter.get_window_stats(item, name, whose).reset_time - time.time()))
