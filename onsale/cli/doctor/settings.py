"""The settings as they are: versions, keys, and what is right on a laptop and wrong in front of the public."""

from __future__ import annotations

import ipaddress
import platform
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from importlib.metadata import version
from types import MappingProxyType
from urllib.parse import urlsplit

from onsale.cli.doctor.examining import Part
from onsale.cli.doctor.finding import Seen, broken, ok, warning
from onsale.config import SECRET_CHARACTERS_MIN, Config

PYTHON_MIN = (3, 11)
# Before it, a task sent again was dropped without a word on RabbitMQ's quorum queues.
CELERY_MIN = (5, 6, 3)
KOMBU_MIN = (5, 6)
# A key of few different characters was typed, not made.
DIFFERENT_CHARACTERS_MIN = 12
# Beyond these somebody has forgotten to drop what is long out of use.
KEYS_MAX = 3
# A key whose id ends with the day or the month it was made says its age: k202611, k20261125.
KEY_DAYS_MAX = 400
_MADE = re.compile(r"(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])?$")
STRIPE = "https://api.stripe.com"
MAKE_A_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(36))'"


def examine(config: Config, *, made_up: Mapping[str, str] = MappingProxyType({})) -> Iterator[tuple[str, Seen]]:
    """All that can be said without asking anybody; `made_up` is what a sandbox in the same folder uses."""
    yield "versions", versions(sys.version_info[:3], _numbers(version("celery")), _numbers(version("kombu")))
    yield "environment", environment(config, made_up=made_up)
    yield "secret keys", secret_keys(config, today=datetime.now(UTC).date())
    yield "guards", guards(config)
    yield "public address", public_address(config)
    yield "proxies", proxies(config)
    yield "payment keys", payment_keys(config)


def versions(python: tuple[int, ...], celery: tuple[int, ...], kombu: tuple[int, ...] = KOMBU_MIN) -> Seen:
    """Whether Python, Celery and kombu are new enough."""
    where = f"{platform.system()} {platform.machine()}"
    saw = f"Python {_dotted(python)}, Celery {_dotted(celery)}, kombu {_dotted(kombu)}, on {where}."
    if python[:2] < PYTHON_MIN:
        return broken(saw, f"Run Onsale on Python {_dotted(PYTHON_MIN)} or newer.")
    if celery < CELERY_MIN:
        return broken(
            saw, f"Install Celery {_dotted(CELERY_MIN)} or newer: before it, quorum queues drop what is sent again."
        )
    if kombu < KOMBU_MIN:
        return broken(saw, f"Install kombu {_dotted(KOMBU_MIN)} or newer, which Celery is made for.")
    return ok(saw)


def environment(config: Config, *, made_up: Mapping[str, str] = MappingProxyType({})) -> Seen:
    """Whether a sandbox stays where no public comes, and keeps its secrets to itself."""
    if config.environment == "production":
        left = [name for name, secret in _secrets(config).items() if secret and made_up.get(name) == secret]
        if left:
            return broken(
                f"Production, with what the sandbox in this folder made up: {', '.join(left)}.",
                "Make secrets of its own for production; a sandbox's lie on a laptop, in secrets.env.",
            )
        return ok("Production.")
    host = urlsplit(config.public_url).hostname or ""
    if is_public(host):
        return broken(
            f"This is a sandbox, served to the public at {host}: its cards and its doors are not real.",
            "Set ONSALE_ENVIRONMENT=production, with keys and parts of its own.",
        )
    return ok("A sandbox on this machine or network. Fine for a laptop.")


def secret_keys(config: Config, *, today: date) -> Seen:
    """Whether what signs tokens can be guessed, or was forgotten."""
    ids = ", ".join(kid for kid, _ in config.secret_keys)
    shortest = min(len(secret) for _, secret in config.secret_keys)
    saw = f"{len(config.secret_keys)} ({ids}), the shortest of {shortest} characters; the first one signs."
    simple = [kid for kid, secret in config.secret_keys if len(set(secret)) < DIFFERENT_CHARACTERS_MIN]
    if shortest < SECRET_CHARACTERS_MIN or simple:
        return broken(
            f"{saw} {', '.join(simple) or 'One'} can be guessed: whoever does makes queue and admission tokens.",
            f"Make another with {MAKE_A_KEY}, put it in front of ONSALE_SECRET_KEYS and drop this one.",
        )
    if len(config.secret_keys) > KEYS_MAX:
        return warning(saw, "Drop the keys whose sales are over: a token signed with any of them is believed.")
    signs = config.secret_keys[0][0]
    if (made := made_on(signs)) and (today - made).days > KEY_DAYS_MAX:
        return warning(
            f"{saw} By its id, {signs} was made {(today - made).days} days ago.",
            f"Make another with {MAKE_A_KEY}, and put it in front of ONSALE_SECRET_KEYS.",
        )
    return ok(saw)


def guards(config: Config) -> Seen:
    """Whether a negative control was left switched on."""
    if config.guards_off:
        return broken(
            f"Switched off: {', '.join(sorted(config.guards_off))}. Onsale is wrong on purpose.",
            "Empty ONSALE_GUARDS_OFF and restart every process; it is for rehearsals that must fail.",
        )
    return ok("All on.")


def public_address(config: Config) -> Seen:
    """Whether tokens and cards travel encrypted."""
    parts = urlsplit(config.public_url)
    if parts.scheme == "https":
        return ok(f"{config.public_url}.")
    if is_public(parts.hostname or ""):
        return broken(
            f"{config.public_url} is not encrypted: everybody on the way reads the tokens.",
            "Put TLS in front and set ONSALE_PUBLIC_URL=https://...",
        )
    return ok(f"{config.public_url}, not encrypted. Fine for a laptop.")


def proxies(config: Config) -> Seen:
    """Whether the addresses that limits go by are the buyers'."""
    behind_tls = config.public_url.startswith("https://")
    if behind_tls and not config.trusted_proxies:
        return warning(
            "Somebody else ends TLS, and no proxy is believed: every buyer has the proxy's address.",
            "Set ONSALE_TRUSTED_PROXIES to the number of proxies in front, or one address fills every limit.",
        )
    if config.trusted_proxies and config.web_host in ("0.0.0.0", "::"):  # noqa: S104 - compared, nothing listens
        return warning(
            f"{config.trusted_proxies} believed, and the web listens on every address: who passes them by can lie.",
            "Listen where only the proxy comes (ONSALE_WEB_HOST), or close the port to everybody else.",
        )
    if config.trusted_proxies:
        return ok(f"{config.trusted_proxies} believed about who asks.")
    return ok("None in front, none believed.")


def payment_keys(config: Config) -> Seen:
    """Whether the keys belong together, and to the money that is meant."""
    secret_is_live = "_live_" in config.stripe_secret_key
    if config.environment == "sandbox":
        return ok("Test keys: nobody is charged. Fine for a laptop.")
    if not secret_is_live:
        return warning(
            "Test keys in production: tickets are sold and nobody is charged.",
            "Set Stripe's live keys before the public comes.",
        )
    if config.stripe_api_base != STRIPE:
        return warning(
            f"Live keys are sent to {config.stripe_api_base}, not to Stripe.",
            "Unset ONSALE_STRIPE_API_BASE, unless that is your own way to Stripe.",
        )
    return ok("Live keys.")


def made_on(key_id: str) -> date | None:
    """When a key was made, if its id ends with the month or the day."""
    found = _MADE.search(key_id)
    if found is None:
        return None
    try:
        return date(int(found[1]), int(found[2]), int(found[3] or 1))
    except ValueError:
        return None


def is_public(host: str) -> bool:
    """Whether a host is for everybody: neither this machine nor a private network."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "." in host and not host.endswith((".local", ".localhost", ".internal", ".test", ".lan"))
    return address.is_global


def _secrets(config: Config) -> dict[str, str]:
    """The secrets by their variables, as they would be written."""
    return {
        "ONSALE_SECRET_KEYS": ",".join(f"{kid}:{secret}" for kid, secret in config.secret_keys),
        "ONSALE_STRIPE_SECRET_KEY": config.stripe_secret_key,
        "ONSALE_STRIPE_WEBHOOK_SECRET": config.stripe_webhook_secret,
    }


def _numbers(text: str) -> tuple[int, ...]:
    """5.6.3rc1 is 5.6.3 here."""
    found = []
    for piece in text.split(".")[:3]:
        digits = piece[: len(piece) - len(piece.lstrip("0123456789"))]
        if not digits:
            break
        found.append(int(digits))
    return tuple(found)


def _dotted(numbers: tuple[int, ...]) -> str:
    return ".".join(map(str, numbers))


PART = Part(
    "settings",
    "Settings and versions",
    ("versions", "environment", "secret keys", "guards", "public address", "proxies", "payment keys"),
    examine,
)
