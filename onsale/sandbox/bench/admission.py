"""The row `admission`: admission tokens signed and checked per CPU-second, in this process; one is one of each."""

from __future__ import annotations

import time
from statistics import median
from uuid import uuid4

from onsale.db.ids import BuyerId, EventId
from onsale.queue.tokens import AdmissionToken, Tokens
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec

BATCH = 500
EVENT = EventId(7)
NOW_MS = 1_800_000_000_000


def measure(effort: Effort, say: Say) -> Measured:
    tokens = Tokens([("k1", "a-bench-key-of-32-characters-or-more")])
    rates = []
    for number in range(1, effort.pairs + 1):
        rates.append(_rate(tokens, effort.seconds))
        say(f"run {number} of {effort.pairs}: {rates[-1]:,.0f}")
    return Measured(median(rates))


def _rate(tokens: Tokens, seconds: float) -> float:
    done, began = 0, time.process_time()
    while time.process_time() - began < seconds:
        for number in range(1, BATCH + 1):
            buyer_id = BuyerId(uuid4())
            text = tokens.sign_admission(AdmissionToken(EVENT, number, None, buyer_id, NOW_MS))
            tokens.verify_admission(text, event_id=EVENT, buyer_id=buyer_id, now_ms=NOW_MS)
        done += BATCH
    return done / (time.process_time() - began)


SPEC = Spec(
    "admission",
    "admission tokens signed and checked per CPU-second, in process",
    "tokens per CPU-second",
    floor=20_000,
    goal=20_000,
    measure=measure,
)
