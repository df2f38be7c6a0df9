"""What the bank does by itself some time after a call: one thread that does it when its time has come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

import structlog

from onsale.sandbox.stripe_simulator import disputes, refunds
from onsale.sandbox.stripe_simulator.call import Call
from onsale.sandbox.stripe_simulator.delivery import Delivery
from onsale.sandbox.stripe_simulator.forms import Params
from onsale.sandbox.stripe_simulator.settings import Control
from onsale.sandbox.stripe_simulator.store import Store

BATCH = 50
LOOK_SECONDS = 0.1
AFTER_A_FAILURE_SECONDS = 5.0

DEEDS: Mapping[str, Callable[[Call, str], None]] = {
    disputes.OPENS_LATER: disputes.open_dispute,
    refunds.SUCCEEDS_LATER: refunds.succeed,
    refunds.FAILS_LATER: refunds.fail,
}

log = structlog.get_logger(__name__)


class Aftermath:
    """Does what is due, each batch in one transaction with its events: a kill in between loses nothing."""

    def __init__(self, store: Store, control: Control, delivery: Delivery) -> None:
        self._store = store
        self._control = control
        self._delivery = delivery
        self._thread = threading.Thread(target=self._run, name="aftermath", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        while True:
            try:
                self._do_due()
            except Exception:
                # A full disk must not end the thread: what is due stays due.
                log.exception("aftermath_failed")
                time.sleep(AFTER_A_FAILURE_SECONDS)
            time.sleep(LOOK_SECONDS)

    def _do_due(self) -> None:
        with self._store.transaction() as tx:
            call = Call(tx=tx, params=Params({}), aftermath_ms=self._control.now.aftermath_ms)
            for deed, identifier in tx.take_deeds(time.time_ns() // 1_000_000, BATCH):
                DEEDS[deed](call, identifier)
            ring = self._delivery.queue(tx, call.events)
        if ring:
            self._delivery.ring()
