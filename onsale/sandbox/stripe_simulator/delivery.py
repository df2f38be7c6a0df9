"""Webhooks on their way: signed as Stripe signs them, sent by one thread in the order of events, and tried again."""

from __future__ import annotations

import os
import signal
import threading
import time

import stripe
import structlog
import urllib3

from onsale.sandbox.stripe_simulator.chances import FORGED_ACCEPTED, Mishap
from onsale.sandbox.stripe_simulator.errors import Thing
from onsale.sandbox.stripe_simulator.settings import Control
from onsale.sandbox.stripe_simulator.store import Due, Store, Tx

BATCH = 50
SEND_SECONDS_MAX = 10
# Stripe tries for days; a laptop's shop is restarted within minutes, or not at all.
TRIES_MAX = 20
BACKOFF_MS_FIRST = 200
BACKOFF_MS_MAX = 30_000
IDLE_SECONDS_MAX = 1.0
# So long is one held back that others shall overtake: the next step of a payment comes within.
OVERTAKEN_MS = 1_500
# Somebody else's secret, as good as ours.
FORGERS_SECRET = "whsec_of_somebody_who_guesses_addresses"  # noqa: S105 - no secret of anybody
# Nobody listens: the whole line waits this long, in order, and nothing is given up.
NOBODY_THERE_SECONDS = 0.5

log = structlog.get_logger(__name__)


def signature(body: bytes, secret: str, *, at: int) -> str:
    """The `Stripe-Signature` header for a body."""
    return str(stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at))


class Delivery:
    """Sends what is due from the store's outbox. The API writes a row, rings the bell, and never waits for this."""

    def __init__(self, store: Store, control: Control, *, secret: str) -> None:
        self._store = store
        self._control = control
        self._secret = secret
        self._bell = threading.Event()
        self._end = threading.Event()
        self._parent = os.getppid()
        self._http = urllib3.PoolManager(maxsize=1, retries=False)
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End after the webhook that is on its way."""
        self._end.set()
        self._bell.set()
        self._thread.join(SEND_SECONDS_MAX + 1)

    def queue(self, tx: Tx, events: list[Thing]) -> bool:
        """Put the wanted events into the outbox, in the transaction that they belong to."""
        settings = self._control.now
        wanted = [event for event in events if settings.wants(event["type"])]
        for event in wanted:
            due_ms = _now_ms() + settings.webhook_delay_ms
            match self._control.draws.before_sending():
                case Mishap.LOST:
                    continue
                case Mishap.LATE:
                    due_ms += settings.chances.late_ms
                case Mishap.OUT_OF_ORDER:
                    due_ms += OVERTAKEN_MS
            tx.send_later(event["id"], due_ms=due_ms)
        return bool(wanted)

    def ring(self) -> None:
        """Something is in the outbox."""
        self._bell.set()

    def _run(self) -> None:
        while not self._end.is_set():
            self._leave_with_parent()
            self._bell.clear()
            try:
                waiting = self._send_due()
            except Exception:
                # A full disk must not end the thread: the next turn tries again.
                log.exception("webhooks_failed")
                waiting = IDLE_SECONDS_MAX
            if waiting > 0:
                self._bell.wait(min(waiting, IDLE_SECONDS_MAX))

    def _leave_with_parent(self) -> None:
        """After a kill -9 of the server's parent nobody else would end this process, and it would keep the port."""
        if os.getppid() != self._parent:
            os.kill(os.getpid(), signal.SIGKILL)

    def _send_due(self) -> float:
        """Send one batch; answers how many seconds there is nothing to do."""
        with self._store.transaction() as tx:
            batch = tx.due(_now_ms(), BATCH)
            next_ms = tx.next_due_ms()
        if not batch:
            return IDLE_SECONDS_MAX if next_ms is None else max((next_ms - _now_ms()) / 1000, 0.001)
        for due in batch:
            if self._end.is_set():
                break
            if not self._send(due):
                self._end.wait(NOBODY_THERE_SECONDS)
                break
        return 0.0

    def _send(self, due: Due) -> bool:
        """Send one; False when nobody is there, which holds the line."""
        settings = self._control.now
        if not settings.webhooks:
            self._done(due)
            return True
        if not settings.webhook_url:
            return False
        try:
            if self._control.draws.happens(Mishap.FORGED):
                self._forge(settings.webhook_url, due)
            # Signed when it is sent: a late one must not look like a replay.
            status = self._post(settings.webhook_url, due.body, self._secret)
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError):
            return False
        except urllib3.exceptions.HTTPError as error:
            self._again(due, why=type(error).__name__)
            return True
        if accepted(status):
            self._came(due)
        else:
            self._again(due, why=str(status))
        return True

    def _forge(self, url: str, due: Due) -> None:
        """Somebody who knows the address, and perhaps the payment, and not the secret."""
        forged = due.body.replace(due.event.encode(), f"{due.event}f".encode(), 1)
        if accepted(self._post(url, forged, FORGERS_SECRET)):
            self._control.draws.note(FORGED_ACCEPTED)
            log.error("forged_webhook_accepted", event_id=due.event)

    def _post(self, url: str, body: bytes, secret: str) -> int:
        headers = {
            "Content-Type": "application/json; charset=utf-8",
            "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            "Stripe-Signature": signature(body, secret, at=int(time.time())),
        }
        answer = self._http.request("POST", url, body=body, headers=headers, timeout=SEND_SECONDS_MAX, redirect=False)
        return answer.status

    def _came(self, due: Due) -> None:
        if due.tries or not self._control.draws.happens(Mishap.DOUBLED):
            self._done(due)
            return
        with self._store.transaction() as tx:
            tx.try_again(due.event, due_ms=_now_ms())

    def _done(self, due: Due) -> None:
        with self._store.transaction() as tx:
            tx.sent(due.event)

    def _again(self, due: Due, *, why: str) -> None:
        """Put a refused webhook back; the others go on meanwhile, so one that is always refused blocks nobody."""
        if due.tries + 1 >= TRIES_MAX:
            log.warning("webhook_given_up", event_id=due.event, why=why)
            self._done(due)
            return
        wait_ms = min(BACKOFF_MS_FIRST * 2**due.tries, BACKOFF_MS_MAX)
        with self._store.transaction() as tx:
            tx.try_again(due.event, due_ms=_now_ms() + wait_ms)


def accepted(status: int) -> bool:
    return 200 <= status < 300


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
