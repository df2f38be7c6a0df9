"""The simulator's `/v1`: who may call, idempotency as Stripe has it, one transaction per call, the table of routes."""

from __future__ import annotations

import hashlib
import hmac
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import orjson
import structlog

from onsale.sandbox.stripe_simulator import charges, disputes, events, intents, methods, refunds, setups
from onsale.sandbox.stripe_simulator.call import API_VERSION, Call, expand
from onsale.sandbox.stripe_simulator.chances import Fault
from onsale.sandbox.stripe_simulator.delivery import Delivery
from onsale.sandbox.stripe_simulator.errors import ApiError, ExecutedError, invalid
from onsale.sandbox.stripe_simulator.forms import Params, nested, pairs
from onsale.sandbox.stripe_simulator.ids import request_id
from onsale.sandbox.stripe_simulator.settings import Control, Plan
from onsale.sandbox.stripe_simulator.store import Answer, Store
from onsale.sandbox.stripe_simulator.wire import Asked, Operation, Outcome, Routes

KEY_CHARACTERS_MAX = 255
VERSION = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}(\.[a-z]+)?")

VERSIONS_REMEMBERED = 32

log = structlog.get_logger(__name__)

ROUTES: tuple[tuple[str, str, Operation], ...] = (
    ("POST", "payment_intents", intents.create),
    ("GET", "payment_intents", intents.list_all),
    ("GET", "payment_intents/<intent_id>", intents.retrieve),
    ("POST", "payment_intents/<intent_id>", intents.update),
    ("POST", "payment_intents/<intent_id>/confirm", intents.confirm),
    ("POST", "payment_intents/<intent_id>/capture", intents.capture),
    ("POST", "payment_intents/<intent_id>/cancel", intents.cancel),
    ("POST", "setup_intents", setups.create),
    ("GET", "setup_intents", setups.list_all),
    ("GET", "setup_intents/<intent_id>", setups.retrieve),
    ("POST", "setup_intents/<intent_id>/confirm", setups.confirm),
    ("POST", "setup_intents/<intent_id>/cancel", setups.cancel),
    ("POST", "refunds", refunds.create),
    ("GET", "refunds", refunds.list_all),
    ("GET", "refunds/<refund_id>", refunds.retrieve),
    ("GET", "disputes", disputes.list_all),
    ("GET", "disputes/<dispute_id>", disputes.retrieve),
    ("POST", "disputes/<dispute_id>", disputes.update),
    ("POST", "disputes/<dispute_id>/close", disputes.close),
    ("GET", "charges", charges.list_charges),
    ("GET", "charges/<charge_id>", charges.retrieve_charge),
    ("POST", "customers", methods.create_customer),
    ("GET", "customers/<customer_id>", methods.retrieve_customer),
    ("GET", "customers/<customer_id>/payment_methods", methods.list_methods),
    ("POST", "payment_methods", methods.create_method),
    ("GET", "payment_methods", methods.list_methods),
    ("GET", "payment_methods/<method_id>", methods.retrieve_method),
    ("POST", "payment_methods/<method_id>/attach", methods.attach_method),
    ("GET", "events", events.list_all),
    ("GET", "events/<event_id>", events.retrieve),
)


class Api:
    """Answers calls: checks the key, replays what was answered before, and does the rest once."""

    def __init__(self, store: Store, control: Control, delivery: Delivery, *, secret_key: str) -> None:
        self._store = store
        self._control = control
        self._delivery = delivery
        self._secret_key = secret_key
        self._in_flight = InFlight()
        self._routes = Routes(ROUTES)

    def answer(self, asked: Asked) -> Outcome:
        """Answer one request, whatever it is."""
        this = request_id()
        try:
            outcome = self._answer(asked, this)
        except ApiError as error:
            outcome = Outcome(error.status, error_body(error, this), challenge(error))
        except Exception:
            # The edge of a request: the caller gets Stripe's answer to a fault of its own, and the log what it was.
            log.exception("call_failed", path=asked.path, request=this)
            outcome = Outcome(500, error_body(server_error(), this))
        given = asked.header("HTTP_STRIPE_VERSION")
        outcome.headers["Request-Id"] = this
        outcome.headers["Stripe-Version"] = given if given is not None and is_version(given) else API_VERSION
        return outcome

    def _answer(self, asked: Asked, this: str) -> Outcome:
        self.authorise(asked.key())
        operation, ids = self._routes.find(asked)
        fields = pairs(asked.sent())
        key = asked.header("HTTP_IDEMPOTENCY_KEY") if asked.posted else None
        sent = Sent(fields, version(asked), key, this, asked.path, asked.base_url)

        def work(plan: Plan | None) -> Outcome:
            return self._work(operation, ids, sent, plan)

        if not asked.posted:
            return work(None)
        if key is None:
            return self._with_faults(work, sent)
        if len(key) > KEY_CHARACTERS_MAX:
            raise invalid(f"Idempotency keys can be at most {KEY_CHARACTERS_MAX} characters.", param="Idempotency-Key")
        with self._in_flight.only_one(key):
            before = self._store.answer(key)
            if before is None:
                return self._with_faults(work, sent)
        return replayed(before, sent)

    def authorise(self, given: str | None) -> None:
        """Refuse a call without the account's secret key (401, as Stripe words it)."""
        if given is None:
            raise ApiError(
                401,
                "You did not provide an API key. You need to provide your API key in the Authorization header, using "
                "Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
            )
        if not hmac.compare_digest(given.encode(), self._secret_key.encode()):
            raise ApiError(
                401, f"Invalid API Key provided: {given[:8]}{'*' * 8}{given[-4:] if len(given) > 20 else ''}"
            )

    def _with_faults(self, work: Callable[[Plan | None], Outcome], sent: Sent) -> Outcome:
        plan = self._control.take_fault(sent.path, sent.card)
        if plan is not None:
            refuse(plan.kind, sent.key)
        # The bank takes its time while the key is in flight and nothing else is held up.
        if delay_ms := self._control.now.delay_ms:
            time.sleep(delay_ms / 1000)
        if plan is not None and plan.kind is Fault.DELAY:
            time.sleep(plan.late_ms / 1000)
        outcome = work(plan)
        if plan is not None and plan.kind is Fault.LATE:
            time.sleep(plan.late_ms / 1000)
        return outcome

    def _work(self, operation: Operation, ids: tuple[str, ...], sent: Sent, plan: Plan | None) -> Outcome:
        """One transaction: the work, its events, the webhooks to send, and the answer under its key."""
        with self._store.transaction() as tx:
            call = Call(
                tx=tx,
                params=Params(nested(sent.fields)),
                base_url=sent.base_url,
                version=sent.version,
                request_id=sent.request_id,
                key=sent.key,
                aftermath_ms=self._control.now.aftermath_ms,
            )
            try:
                if plan is not None and plan.kind is Fault.SERVER_ERROR:
                    raise server_error()
                answer = orjson.dumps(expand(call, operation(call, *ids)))
                if plan is not None and plan.kind is Fault.SERVER_ERROR_AFTER:
                    raise server_error()
                outcome = Outcome(200, answer)
            except ExecutedError as error:
                outcome = Outcome(error.status, error_body(error, sent.request_id))
            if sent.key is not None:
                kept = Answer(outcome.status, outcome.body, sent.request_id, fingerprint(sent.fields), sent.path)
                tx.keep_answer(sent.key, kept)
            ring = self._delivery.queue(tx, call.events)
        if ring:
            self._delivery.ring()
        return outcome


@dataclass(frozen=True)
class Sent:
    """One request as it came."""

    fields: list[tuple[str, str]]
    version: str
    key: str | None
    request_id: str
    path: str
    base_url: str

    @property
    def card(self) -> str:
        """The card it names; empty without one."""
        return next((value for name, value in self.fields if name == "payment_method"), "")


class InFlight:
    """The idempotency keys being worked on now; a second request with one of them is told to wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[str] = set()

    @contextmanager
    def only_one(self, key: str) -> Iterator[None]:
        with self._lock:
            if key in self._keys:
                raise in_use(key)
            self._keys.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(key)


def version(asked: Asked) -> str:
    """The API version of the request; without one, the SDK's own."""
    given = asked.header("HTTP_STRIPE_VERSION")
    if given is None:
        return API_VERSION
    if not is_version(given):
        raise invalid(f"Invalid Stripe API version: {given[:50]}")
    return given


@lru_cache(VERSIONS_REMEMBERED)
def is_version(given: str) -> bool:
    return VERSION.fullmatch(given) is not None


def fingerprint(fields: list[tuple[str, str]]) -> bytes:
    """The same for the same parameters in any order."""
    return hashlib.blake2b(orjson.dumps(sorted(fields)), digest_size=16).digest()


def replayed(before: Answer, sent: Sent) -> Outcome:
    """The first answer to this key again; 400 when this is another request under it."""
    if before.path != sent.path:
        raise mismatch(
            f"Keys for idempotent requests can only be used for the same endpoint they were first used for "
            f"('{before.path}' vs '{sent.path}'). Try using a key other than '{sent.key}' if you meant to execute a "
            f"different request."
        )
    if before.fingerprint != fingerprint(sent.fields):
        raise mismatch(
            f"Keys for idempotent requests can only be used with the same parameters they were first used with. Try "
            f"using a key other than '{sent.key}' if you meant to execute a different request."
        )
    return Outcome(before.status, before.body, {"Idempotent-Replayed": "true", "Original-Request": before.request_id})


def mismatch(message: str) -> ApiError:
    return ApiError(400, message, kind="idempotency_error")


def in_use(key: str | None) -> ApiError:
    return ApiError(
        409,
        "There is currently another in-progress request using this Idempotent Key (that probably means you submitted "
        f"twice, and the other request is still going through): {key}. Please try again later.",
        kind="idempotency_error",
        code="idempotency_key_in_use",
    )


def refuse(fault: Fault, key: str | None) -> None:
    """The faults that answer before anything is done, and that no key remembers."""
    match fault:
        case Fault.RATE_LIMIT:
            message = (
                "Request rate limit exceeded. Learn more about rate limits here https://docs.stripe.com/rate-limits."
            )
            raise ApiError(429, message, code="rate_limit")
        case Fault.LOCK_TIMEOUT:
            message = (
                "This object cannot be accessed right now because another API request or Stripe process is currently "
                "accessing it. If you see this error intermittently, retry the request."
            )
            raise ApiError(429, message, code="lock_timeout")
        case Fault.KEY_IN_USE:
            raise in_use(key)


def server_error() -> ExecutedError:
    return ExecutedError(500, "An unknown error occurred", kind="api_error")


def error_body(error: ApiError, this: str) -> bytes:
    return orjson.dumps({"error": {**error.body, "request_log_url": f"https://dashboard.stripe.com/test/logs/{this}"}})


def challenge(error: ApiError) -> dict[str, str]:
    return {"WWW-Authenticate": 'Basic realm="Stripe"'} if error.status == 401 else {}
