"""Payments: whether the provider takes our key, and whether what it tells us is believed, and only that."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import stripe

from onsale.cli.doctor.asking import Said, ask
from onsale.cli.doctor.examining import Part
from onsale.cli.doctor.finding import Seen, broken, not_checked, ok, warning
from onsale.cli.doctor.settings import STRIPE
from onsale.config import Config
from onsale.payments.provider import API_VERSION
from onsale.payments.transport import PooledTransport
from onsale.payments.webhooks import WANTED

SECONDS_MAX = 8.0
PATH = "/v1/webhooks/stripe"
ENDPOINTS_MAX = 100
# One id for ever: the record remembers every event, and this one should take one row.
EVENT = {"id": "evt_onsale_doctor", "type": "onsale.doctor", "data": {"object": {"id": "onsale_doctor"}}}


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A webhook endpoint as the provider has it."""

    url: str
    status: str
    events: tuple[str, ...]


def examine(config: Config) -> Iterator[tuple[str, Seen]]:
    """The provider, then our own web as the provider meets it."""
    with closing(PooledTransport(seconds_max=SECONDS_MAX, connections_max=1)) as transport:
        api = stripe.StripeClient(
            config.stripe_secret_key,
            base_addresses={"api": config.stripe_api_base},
            stripe_version=API_VERSION,
            max_network_retries=0,
            http_client=transport,
        ).v1
        yield "provider", provider(config, api)
        address = config.public_url + PATH
        yield "webhook", webhook(_send(address, secret=config.stripe_webhook_secret))
        yield "forged webhook", forged_webhook(_send(address, secret=f"whsec_{secrets.token_hex(16)}"))
        yield "endpoint", _endpoint(config, api, address)


def provider(config: Config, api: stripe.V1Services) -> Seen:
    """Whether it answers, and to our key."""
    where = "Stripe" if config.stripe_api_base == STRIPE else config.stripe_api_base
    try:
        api.payment_intents.list({"limit": 1})
    except stripe.AuthenticationError:
        return broken(
            f"{where} refuses our key.", "Set ONSALE_STRIPE_SECRET_KEY anew and restart the `payments` workers."
        )
    except stripe.PermissionError:
        return warning(
            f"{where} answers; this restricted key may not read payments, without which nothing is reconciled.",
            "Give the key PaymentIntents, SetupIntents, Customers and Refunds to read and write.",
        )
    except stripe.StripeError as error:
        return broken(
            f"{where} does not answer ({type(error).__name__}).",
            "See ONSALE_STRIPE_API_BASE and the way out of this network; holds last to their deadlines meanwhile.",
        )
    return ok(f"{where} answers to our key.")


def webhook(said: Said) -> Seen:
    """Whether a signed event of a kind that changes nothing is taken."""
    if not said.status:
        return not_checked(f"The web: {said.text}.")
    if said.status == 204:
        return ok("A signed event is taken at the public address.")
    if said.status == 400:
        return broken(
            "A signed event is refused: the web has another secret, or a proxy changes the body.",
            "Set ONSALE_STRIPE_WEBHOOK_SECRET to the endpoint's signing secret and restart the web.",
        )
    return broken(
        f"A signed event is answered with {said.status}.",
        f"See that {PATH} reaches the web by POST, without a redirect or a sign-in.",
    )


def forged_webhook(said: Said) -> Seen:
    """Whether an event that somebody else signed is refused."""
    if not said.status:
        return not_checked(f"The web: {said.text}.")
    if 200 <= said.status < 300:
        return broken(
            f"An event signed by a stranger is taken ({said.status}).", "Something answers for the web there: find it."
        )
    return ok(f"An event signed by a stranger is refused ({said.status}).")


def endpoint(found: Sequence[Endpoint], *, address: str) -> Seen:
    """Whether the provider was told where we are, and of what we want to hear."""
    ours = [one for one in found if one.url == address]
    if not ours:
        return broken(
            f"Stripe has no endpoint {address}: payments are only found by asking.",
            f"Add it in Stripe's dashboard for {', '.join(sorted(WANTED))}, and set its signing secret here.",
        )
    if all(one.status != "enabled" for one in ours):
        return broken("Stripe's endpoint for this address is disabled.", "Enable it in Stripe's dashboard.")
    heard = {event for one in ours if one.status == "enabled" for event in one.events}
    missing = sorted(WANTED - heard)
    if missing and "*" not in heard:
        return warning(f"Stripe's endpoint does not send {', '.join(missing)}.", "Add them in Stripe's dashboard.")
    return ok("Stripe's endpoint for this address sends what is needed.")


def signed(body: bytes, *, secret: str, at: int) -> str:
    """The header that Stripe would send with this body."""
    digest = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


def _send(address: str, *, secret: str) -> Said:
    body = json.dumps(EVENT).encode()
    # The provider's clock is nobody's here: the web compares with its own, and allows five minutes.
    header = signed(body, secret=secret, at=int(time.time()))
    return ask(
        address,
        method="POST",
        body=body,
        headers={"Content-Type": "application/json", "Stripe-Signature": header},
    )


def _endpoint(config: Config, api: stripe.V1Services, address: str) -> Seen:
    if config.stripe_api_base != STRIPE:
        return not_checked("Not Stripe itself, where an endpoint could be looked up.")
    try:
        found = api.webhook_endpoints.list({"limit": ENDPOINTS_MAX}).data
    except stripe.StripeError as error:
        return not_checked(
            f"The list of endpoints cannot be read ({type(error).__name__}).",
            f"See in Stripe's dashboard that {address} is one, or let the key read Webhook Endpoints.",
        )
    return endpoint([Endpoint(one.url, one.status, tuple(one.enabled_events)) for one in found], address=address)


PART = Part("payments", "Payments", ("provider", "webhook", "forged webhook", "endpoint"), examine)
