"""Asks the payment provider at the pace that all workers share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from onsale.errors import QueueUnavailable
from onsale.workers.shop import Shop

# A turn further away than this is not waited for by a thread: the wake-up is sent again.
PACE_WAIT_MS_MAX = 1_500
PACE_AGAIN_SECONDS = 1.0

T = TypeVar("T")


class Later(Exception):
    """Stop here and come back after so many seconds; None: not by yourself."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def ask(shop: Shop, call: Callable[[], T]) -> T:
    """Call the provider when it is our turn; without the queue's Redis, at this worker's own risk.

    Later: the turn is too far away to wait for.
    """
    try:
        wait_ms = shop.pace.turn(wait_ms_max=PACE_WAIT_MS_MAX)
    except QueueUnavailable:
        wait_ms = 0
    if wait_ms is None:
        raise Later(PACE_AGAIN_SECONDS)
    time.sleep(wait_ms / 1000)
    return call()
