"""Stripe's own form for cards and wallets (the Payment Element) on a booking's page: where it is, what it may load.

It stands in frames of Stripe's; a card's number is never in a page of ours, nor on our servers.
"""

from __future__ import annotations

import re

from onsale.config import Config
from onsale.payments.provider import API_VERSION

STRIPE = "https://api.stripe.com"
JS = "https://js.stripe.com"
# The script of the same release as the version of the API; from anywhere else it may not be loaded, says its licence.
SCRIPT = f"{JS}/{API_VERSION.partition('.')[2]}/stripe.js"
# The page that it stands on.
PATH = re.compile(r"/bookings/[0-9a-f-]{36}")
# A name that the browser got from Stripe for what the buyer typed in.
PAYMENT_METHOD = re.compile(r"pm_[A-Za-z0-9_]{1,100}")

# What Stripe says that the Payment Element loads.
_OPENED = {
    "script-src 'self'": f"script-src 'self' {JS} https://*.js.stripe.com",
    "connect-src 'self'": f"connect-src 'self' {STRIPE}",
    "base-uri 'none'": f"frame-src {JS} https://*.js.stripe.com https://hooks.stripe.com; base-uri 'none'",
}


def used(config: Config) -> bool:
    """Whether buyers pay by it: everywhere but before a simulator, which has no form and takes test cards by name."""
    return config.environment != "sandbox" or config.stripe_api_base == STRIPE


def headers(strict: dict[str, str]) -> dict[str, str]:
    """The headers of its page: as strict as the others but for Stripe, wallets and their pop-ups."""
    policy = strict["Content-Security-Policy"]
    for before, after in _OPENED.items():
        policy = policy.replace(before, after)
    return strict | {
        "Content-Security-Policy": policy,
        "Permissions-Policy": strict["Permissions-Policy"].replace("payment=()", f'payment=(self "{JS}")'),
        "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
    }
