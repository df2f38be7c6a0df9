"""What a rehearsal lets go wrong on purpose, beside what it kills: a bank that has a bad day."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from enum import StrEnum

import orjson
import urllib3

from onsale.config import Config
from onsale.sandbox.embedded import PartFailed
from onsale.sandbox.stripe_simulator.chances import Chances
from onsale.sandbox.visitor.habits import Shares

ASK_SECONDS_MAX = 5.0
# Of a hundred calls: two are answered after the caller gave up, two fail (one with its work done), one finds its object
# locked. Of a hundred webhooks: two never come, two are overtaken, five come twice, two are forged before they come.
BAD_DAY = Chances(
    server_error=0.01,
    server_error_after=0.01,
    late=0.02,
    lock_timeout=0.01,
    webhook_lost=0.02,
    webhook_out_of_order=0.02,
    webhook_doubled=0.05,
    webhook_forged=0.02,
)
# And the cards: of a hundred buyers.
DECLINED_FIRST, AUTHENTICATES = 0.05, 0.05


class Faults(StrEnum):
    """What `--faults` may name."""

    PAYMENTS = "payments"


def crowd(shares: Shares) -> Shares:
    """The buyers of a bad day; a share somebody chose stays."""
    usual = Shares()
    return replace(
        shares,
        declined_first=DECLINED_FIRST if shares.declined_first == usual.declined_first else shares.declined_first,
        authenticates=AUTHENTICATES if shares.authenticates == usual.authenticates else shares.authenticates,
    )


def begin(config: Config, *, seed: int) -> None:
    """From now on the bank of this stack has its bad day. PartFailed when it does not answer."""
    _ask(config, "POST", "settings", {"chances": asdict(replace(BAD_DAY, seed=seed))})


def slow_down(config: Config, delay_ms: int) -> None:
    """From now on each call to the bank takes so long. PartFailed when it does not answer."""
    _ask(config, "POST", "settings", {"delay_ms": delay_ms})


def happened(config: Config) -> Mapping[str, int]:
    """How many faults of each kind there were. PartFailed when the bank does not answer."""
    return _ask(config, "GET", "faults", None)


def _ask(config: Config, method: str, what: str, document: object) -> dict[str, int]:
    headers = {"Authorization": f"Bearer {config.stripe_secret_key}", "Content-Type": "application/json"}
    try:
        answer = urllib3.request(
            method,
            f"{config.stripe_api_base}/_simulator/{what}",
            body=None if document is None else orjson.dumps(document),
            headers=headers,
            timeout=ASK_SECONDS_MAX,
            retries=False,
        )
    except urllib3.exceptions.HTTPError as error:
        raise PartFailed(f"The simulated Stripe does not answer ({type(error).__name__}).") from error
    if answer.status != 200:
        raise PartFailed(f"The simulated Stripe refused its {what}: {answer.status}.")
    found: dict[str, int] = orjson.loads(answer.data)
    return found
