"""Runs the parts of `onsale doctor` side by side, each with a time limit; one that hangs or raises stops no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote, urlsplit

from onsale.cli.doctor.finding import Finding, Seen, not_checked
from onsale.config import SHOWN_INSTEAD, Config

# The slowest part asks three queues for a sign of life; a driver that hangs longer is not waited for.
SECONDS_MAX = 30.0
# A shorter secret would be found in the middle of words.
HIDDEN_CHARACTERS_MIN = 4


@dataclass(frozen=True)
class Part:
    """What is examined together: `examine` yields each of `checks` once, in order, and may raise in the middle."""

    name: str
    title: str
    checks: tuple[str, ...]
    examine: Callable[[Config], Iterator[tuple[str, Seen]]]


def examine(config: Config, parts: Sequence[Part], *, seconds_max: float = SECONDS_MAX) -> list[Finding]:
    """Every check of these parts in their order; what did not answer in time is `not checked`."""
    heard: dict[str, dict[str, Seen]] = {part.name: {} for part in parts}
    silent: dict[str, str] = {}

    def run(part: Part) -> None:
        try:
            for check, seen in part.examine(config):
                heard[part.name][check] = seen
        except Exception as error:
            # The kind alone: a driver's text may quote an address with its password.
            silent[part.name] = f"The check ended with {type(error).__name__}."

    # Daemons: a thread that hangs in a driver must not keep the command from ending.
    threads = [threading.Thread(target=run, args=(part,), daemon=True) for part in parts]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds_max
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = f"No answer within {seconds_max:g} s."
    secrets = _secrets(config)
    return [
        _finding(part, check, heard[part.name].get(check) or not_checked(silent.get(part.name, late)), secrets)
        for part in parts
        for check in part.checks
    ]


def _finding(part: Part, check: str, seen: Seen, secrets: Sequence[str]) -> Finding:
    saw, do = (_hidden(text, secrets) for text in (seen.saw, seen.do))
    return Finding(part.name, check, seen.answer, saw, do, seen.lacks)


def _hidden(text: str, secrets: Sequence[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, SHOWN_INSTEAD)
    return text


def _secrets(config: Config) -> list[str]:
    """Everything that must not be printed, however it got into a sentence; the longest first."""
    found = {config.stripe_secret_key, config.stripe_webhook_secret, *(secret for _, secret in config.secret_keys)}
    for url in (config.database_url, config.queue_url, config.cache_url, config.broker_url, config.smtp_url):
        parts = urlsplit(url)
        # By hand: a URL with several hosts has no port that `urlsplit` could read.
        password = parts.netloc.rpartition("@")[0].partition(":")[2]
        found |= {password, unquote(password)}
        found |= {value for name, value in parse_qsl(parts.query) if "password" in name}
    return sorted((one for one in found if len(one) >= HIDDEN_CHARACTERS_MIN), key=len, reverse=True)
