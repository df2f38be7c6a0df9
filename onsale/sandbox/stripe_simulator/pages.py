"""What a person sees of the simulator: its payments, the 3-D Secure page, and the control of delays and webhooks."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, abort, jsonify, redirect, render_template, request, send_from_directory
from werkzeug.wrappers import Response as AnyResponse

from onsale.sandbox.stripe_simulator import authentication, intents, setups
from onsale.sandbox.stripe_simulator.call import Call
from onsale.sandbox.stripe_simulator.currencies import written
from onsale.sandbox.stripe_simulator.delivery import Delivery
from onsale.sandbox.stripe_simulator.errors import ApiError, ExecutedError, Thing, invalid
from onsale.sandbox.stripe_simulator.forms import Params
from onsale.sandbox.stripe_simulator.settings import Control
from onsale.sandbox.stripe_simulator.store import Store, bounds

TEMPLATES = Path(__file__).resolve().parents[1] / "templates" / "stripe_simulator"
PER_PAGE = 50
EVENTS_MAX = 50
DELAYS_MS = (0, 200, 1_000, 3_000, 10_000)
HEADERS = {
    # `form-action` allows every origin: after 3-D Secure the form leads back to the shop.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; form-action *; "
    "frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


class Pages:
    """The pages. Whoever can open them may change the settings; no other website may."""

    def __init__(self, store: Store, control: Control, delivery: Delivery, *, secret_key: str, host: str) -> None:
        self._store = store
        self._control = control
        self._delivery = delivery
        self._secret_key = secret_key
        self._host = host
        self._form_token = secrets.token_urlsafe(24)

    def blueprint(self) -> Blueprint:
        pages = Blueprint("pages", __name__)
        pages.before_request(self._refuse_strangers)
        pages.after_request(with_headers)
        pages.add_app_template_filter(money, "money")
        pages.add_app_template_filter(moment, "moment")
        for rule, view, methods_allowed in (
            ("/", self.home, ["GET"]),
            ("/payments/<intent_id>", self.payment, ["GET"]),
            ("/_simulator/style.css", style, ["GET"]),
            ("/_simulator/settings", self.settings, ["GET", "POST"]),
            ("/_simulator/faults", self.faults, ["GET"]),
            ("/_simulator/reset", self.reset, ["POST"]),
            (f"{authentication.PATH}<attempt_id>", self.authenticate, ["GET", "POST"]),
        ):
            pages.add_url_rule(rule, view_func=view, methods=methods_allowed)
        return pages

    def _refuse_strangers(self) -> None:
        """A website can point its own name at this machine (DNS rebinding); then the name is not one of ours."""
        name = urlsplit(f"//{request.host}").hostname or ""
        if name not in ("localhost", self._host) and not is_address(name):
            abort(403, "Open the simulator by its address or as localhost.")

    def home(self) -> str:
        """The payments, newest first, and the controls."""
        low, high = bounds("pi", request.args.get("starting_after"))
        with self._store.transaction() as tx:
            found = tx.newest(low, high, PER_PAGE + 1)
            rows = [{"intent": one, "card": card_shown(tx.get(one["payment_method"] or ""), one)} for one in found]
            unsent = tx.unsent()
        return render_template(
            "payments.html", rows=rows[:PER_PAGE], more=len(rows) > PER_PAGE, settings=self._control.now,
            unsent=unsent, delays=DELAYS_MS, token=self._form_token, first="starting_after" not in request.args,
        )  # fmt: skip

    def payment(self, intent_id: str) -> str:
        """One payment: what it is now and what happened to it."""
        low, high = bounds("evt")
        with self._store.transaction() as tx:
            intent = tx.get(intent_id) if intent_id.startswith("pi_") else None
            if intent is None:
                abort(404)
            events = tx.newest_of(intent_id, low, high, EVENTS_MAX)
            refunds = tx.newest_of(intent_id, *bounds("re"), EVENTS_MAX)
            card = card_shown(tx.get(intent["payment_method"] or ""), intent)
        return render_template("payment.html", intent=intent, events=events, refunds=refunds, card=card)

    def settings(self) -> AnyResponse:
        """GET: the settings. POST: change them, as JSON with the secret key or by the page's own form."""
        if request.method == "GET":
            self._need_key()
            return jsonify(self._control.now.shown())
        if not request.is_json:
            self._need_form_token()
            self._control.change(from_form(request.form.to_dict()))
            self._delivery.ring()
            return redirect("/", 303)
        self._need_key()
        sent = request.get_json(silent=True)
        if not isinstance(sent, dict):
            raise invalid("Send a JSON object.")
        settings = self._control.change(sent)
        self._delivery.ring()
        return jsonify(settings.shown())

    def faults(self) -> AnyResponse:
        """How many faults of each kind came by chance."""
        self._need_key()
        return jsonify(self._control.draws.drawn())

    def reset(self) -> AnyResponse:
        """Forget every payment and setting; for tests, with the secret key."""
        self._need_key()
        self._control.reset()
        self._store.reset()
        return jsonify({})

    def authenticate(self, attempt_id: str) -> str | AnyResponse:
        """The bank's page: GET shows two buttons, POST is one of them."""
        with self._store.transaction() as tx:
            attempt = tx.get(attempt_id) if attempt_id.startswith("payatt_") else None
            intent = tx.get(attempt["intent"]) if attempt else None
            if attempt is None or intent is None:
                abort(404)
            waiting = intent["status"] == "requires_action" and tx.hidden(intent["id"]) == attempt_id
        if request.method == "GET" or not waiting:
            succeeded = intent["status"] in ("succeeded", "requires_capture")
            back = authentication.way_back(attempt, intent, succeeded=succeeded)
            return render_template("authenticate.html", intent=intent, waiting=waiting, back=back, succeeded=succeeded)
        succeeded = self._decide(attempt, passed=request.form.get("outcome") == "complete")
        back = authentication.way_back(attempt, intent, succeeded=succeeded)
        return redirect(back or request.path, 303)

    def _decide(self, attempt: Thing, *, passed: bool) -> bool:
        """Finish 3-D Secure; whether the bank agreed in the end. A second click changes nothing."""
        with self._store.transaction() as tx:
            call = Call(tx=tx, params=Params({}), aftermath_ms=self._control.now.aftermath_ms)
            intent = tx.get(attempt["intent"]) or {}
            if intent["status"] != "requires_action" or tx.hidden(intent["id"]) != attempt["id"]:
                return bool(intent["status"] in ("succeeded", "requires_capture"))
            try:
                finish(call, intent, call.find("pm", attempt["payment_method"]), passed=passed)
            except ExecutedError:
                passed = False
            self._delivery.queue(tx, call.events)
        self._delivery.ring()
        return passed

    def _need_key(self) -> None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.encode(), self._secret_key.encode()):
            raise ApiError(401, "Send the secret key: Authorization: Bearer sk_test_...")

    def _need_form_token(self) -> None:
        # A foreign page can post a form here, but it cannot read this token.
        given = request.form.get("token", "")
        if not hmac.compare_digest(given.encode(), self._form_token.encode()):
            abort(403, "This form is from before a restart, or from another website. Reload the page.")


def finish(call: Call, intent: Thing, method: Thing, *, passed: bool) -> None:
    """The cardholder has passed or failed: go on with the payment, or back to another card."""
    part = intents if intent["object"] == "payment_intent" else setups
    if passed:
        part.settle(call, intent, method)
    else:
        part.fail(call, intent, {**part.AUTHENTICATION_FAILED, "payment_method": method})


def from_form(form: dict[str, str]) -> dict[str, Any]:
    """The page's form as settings; a box that is not ticked is not sent by a browser."""
    try:
        delays = {name: int(form.get(name) or "0") for name in ("delay_ms", "webhook_delay_ms")}
    except ValueError:
        raise invalid("A delay is a whole number of milliseconds.") from None
    return {**delays, "webhooks": "webhooks" in form}


def card_shown(method: Thing | None, intent: Thing) -> str:
    """The card in words; after a decline, the one that was refused."""
    method = method or (intent["last_payment_error"] or {}).get("payment_method")
    if not method:
        return ""
    return f"{method['card']['brand']} {method['card']['last4']}" if method["type"] == "card" else str(method["type"])


def money(intent: Thing) -> str:
    return written(intent["amount"], intent["currency"])


def moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def style() -> Response:
    return send_from_directory(TEMPLATES, "style.css", mimetype="text/css")


def with_headers(response: Response) -> Response:
    response.headers.update(HEADERS)
    return response


def is_address(name: str) -> bool:
    """Whether this is a plain IP address, which no website can claim as its name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
