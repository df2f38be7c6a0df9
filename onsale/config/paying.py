"""The settings of payments: the provider's keys, and how buyers may pay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypedDict

from onsale.config.reading import Wanted, read, switch, whole

# Below this an HMAC key is easier to guess than the signature (RFC 7518, 3.2).
SECRET_CHARACTERS_MIN = 32
# What this version can take: what is reserved first (card, link) and what is paid at the bank at once. Direct debits
# need a mandate with each confirmation, and vouchers a page of their own.
METHODS = frozenset({"card", "link", "bancontact", "blik", "eps", "ideal", "p24", "twint"})


class Payments(TypedDict):
    """The fields of `Config` by these names."""

    stripe_secret_key: str
    stripe_publishable_key: str
    stripe_webhook_secret: str
    payment_methods: tuple[str, ...]
    payment_processing_hours: int
    payment_receipts: bool


def of_payments(env: Mapping[str, str], *, sandbox: bool) -> Payments:
    """The provider's keys and how buyers may pay. Raises ConfigError."""
    secret_key = read(env, "stripe_secret_key", _stripe_key(sandbox, "sk", "rk"))
    return {
        "stripe_secret_key": secret_key,
        "stripe_publishable_key": read(env, "stripe_publishable_key", _publishable_key(secret_key)),
        "stripe_webhook_secret": read(env, "stripe_webhook_secret", _webhook_secret),
        "payment_methods": read(env, "payment_methods", _payment_methods, default="card"),
        "payment_processing_hours": read(env, "payment_processing_hours", whole(1, 336), default="24"),
        "payment_receipts": read(env, "payment_receipts", switch, default="off"),
    }


def _stripe_key(sandbox: bool, *kinds: str) -> Callable[[str], str]:
    """A key of one of these kinds, of a mode that fits the environment."""
    mode = "test" if sandbox else "live"
    # A rehearsal in production mode may still use Stripe's test keys; a sandbox must never charge a real card.
    modes = ("test",) if sandbox else ("live", "test")
    starts = tuple(f"{kind}_{each}_" for kind in kinds for each in modes)

    def reader(text: str) -> str:
        if text.startswith(starts) and text.isascii() and " " not in text:
            return text
        raise Wanted(f"a Stripe {mode} key, {kinds[0]}_{mode}_...", secret=True)

    return reader


def _publishable_key(secret_key: str) -> Callable[[str], str]:
    """A publishable key of the secret one's mode."""
    # A browser that gives a card to one mode's account and a server that charges it in the other's find nothing there.
    start = f"pk_{'live' if '_live_' in secret_key else 'test'}_"

    def reader(text: str) -> str:
        if text.startswith(start) and text.isascii() and text.isprintable() and " " not in text:
            return text
        raise Wanted(f"the publishable key that belongs to the secret one, {start}...", secret=True)

    return reader


def _webhook_secret(text: str) -> str:
    """What webhooks are signed with."""
    if text.startswith("whsec_") and len(text) >= SECRET_CHARACTERS_MIN:
        return text
    raise Wanted(f"a webhook signing secret, whsec_... of at least {SECRET_CHARACTERS_MIN} characters", secret=True)


def _payment_methods(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if names and set(names) <= METHODS:
        return names
    raise Wanted(f"some of {', '.join(sorted(METHODS))}")
