"""The settings `onsale run` gives to everything it starts: the sandbox's own, with whatever you set on top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from onsale.config import PREFIX
from onsale.sandbox.ports import LOOPBACK

WEB_PORT = 8_000
# Tells the commands a run starts, and those in a second terminal, which folder is meant by --folder.
FOLDER = "ONSALE_FOLDER"


@dataclass(frozen=True)
class Wanted:
    """Which parts the sandbox has to bring: each that was not given an address."""

    postgres: bool
    valkey: bool
    simulator: bool


@dataclass(frozen=True)
class Addresses:
    """Where the parts of this run listen; an empty address or a port 0 is a part that was given."""

    database_url: str = ""
    # Databases 0, 1 and 2 of one Valkey: the queue, the cache, the broker.
    valkey_urls: tuple[str, str, str] = ("", "", "")
    # Empty as well where searches run on the record.
    search_url: str = ""
    web_port: int = WEB_PORT
    simulator_port: int = 0
    # Where viewers wait for changes of a seat map; 0: nobody serves that here.
    seats_port: int = 0


def given_settings(env: Mapping[str, str]) -> dict[str, str]:
    """What the person set: every `ONSALE_*` variable that is not empty."""
    return {name: value for name, value in env.items() if name.startswith(PREFIX) and value.strip()}


def wanted_parts(given: Mapping[str, str]) -> Wanted:
    real_stripe = "ONSALE_STRIPE_SECRET_KEY" in given or "ONSALE_STRIPE_API_BASE" in given
    return Wanted(
        postgres="ONSALE_DATABASE_URL" not in given,
        valkey="ONSALE_QUEUE_URL" not in given,
        simulator=not real_stripe,
    )


def sandbox_settings(
    given: Mapping[str, str], *, folder: Path, secrets: Mapping[str, str], addresses: Addresses
) -> dict[str, str]:
    """All `ONSALE_*` variables for the processes of a run; what was given wins, but for a port that was busy."""
    # A made-up key would only confuse a real Stripe: with a real secret key the publishable one must be given too.
    own = {name: value for name, value in secrets.items() if name not in _keys_to_leave_out(given)}
    values = {
        "ONSALE_ENVIRONMENT": "sandbox",
        "ONSALE_OUTBOX_DIR": str(folder / "outbox"),
        **own,
        **given,
        "ONSALE_WEB_PORT": str(addresses.web_port),
        FOLDER: str(folder),
    }
    if addresses.database_url:
        values["ONSALE_DATABASE_URL"] = addresses.database_url
    for name, url in zip(("QUEUE", "CACHE", "BROKER"), addresses.valkey_urls, strict=True):
        if url:
            values.setdefault(f"ONSALE_{name}_URL", url)
    if addresses.search_url:
        values["ONSALE_SEARCH_URL"] = addresses.search_url
    if addresses.simulator_port:
        values["ONSALE_STRIPE_API_BASE"] = f"http://{LOOPBACK}:{addresses.simulator_port}"
    if addresses.seats_port:
        values["ONSALE_SEATS_PORT"] = str(addresses.seats_port)
        values.setdefault("ONSALE_SEATS_URL", f"http://{LOOPBACK}:{addresses.seats_port}")
    values.setdefault("ONSALE_PUBLIC_URL", f"http://{LOOPBACK}:{addresses.web_port}")
    return values


def web_port_wanted(given: Mapping[str, str]) -> int:
    text = given.get("ONSALE_WEB_PORT", "")
    return int(text) if text.isascii() and text.isdecimal() else WEB_PORT


def host_and_port(url: str) -> str:
    """Where a server listens, without the password in its address."""
    parts = urlsplit(url)
    return parts.netloc.rpartition("@")[2] or parts.path


def _keys_to_leave_out(given: Mapping[str, str]) -> set[str]:
    if "ONSALE_STRIPE_SECRET_KEY" not in given:
        return set()
    return {"ONSALE_STRIPE_SECRET_KEY", "ONSALE_STRIPE_PUBLISHABLE_KEY"}
