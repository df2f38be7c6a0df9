"""The command line that rehearses the same again: every option that matters, written out, defaults too. Pure."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onsale.sandbox.visitor.habits import Shares

# Options of one value, and options that are there or not; by what the command calls them.
CROWD = {
    "buyers": "--buyers",
    "arrivals": "--arrivals",
    "arrive_seconds": "--arrive-seconds",
    "seed": "--seed",
    "minutes": "--minutes",
}
CROWD_FLAGS = {"shared_cache": "--shared-cache"}
OWN_SALE = {"seats": "--seats", "rate": "--rate", "max_active": "--max-active", "pay_seconds": "--pay-seconds"}
OWN_SALE_MAYBE = {"faults": "--faults"}
DRAW = {"mode": "--mode", "pre_queue_seconds": "--pre-queue-seconds"}
OWN_SALE_MANY = {"kills": "--kill", "without": "--without-guard"}
OWN_SALE_FLAGS = {"standby": "--standby", "auto": "--auto"}
SHOP = {"url": "--url", "event": "--event"}


def command_line(given: Mapping[str, Any]) -> str:
    """What to type for the same crowd and the same sale, from the options as `onsale rehearse` took them.

    Where results are written is left out, and so is the folder a list of tokens lies in.
    """
    return shlex.join(["onsale", "rehearse", *_words(given)])


def _words(given: Mapping[str, Any]) -> Iterator[str]:
    yield from _values(given, CROWD)
    yield from _flags(given, CROWD_FLAGS)
    for habit, usual in dataclasses.asdict(Shares()).items():
        share = getattr(given["shares"], habit)
        if share != usual:
            yield from ("--share", habit, f"{share:g}")
    if given["url"]:
        yield from _values(given, SHOP)
        if given["token_file"]:
            yield from ("--tokens", Path(given["token_file"]).name)
        return
    yield from _values(given, OWN_SALE)
    yield from _values(given, DRAW if given["mode"] == "draw" else {})
    yield from _flags(given, OWN_SALE_FLAGS)
    yield from _values(given, {name: option for name, option in OWN_SALE_MAYBE.items() if given[name]})
    for name, option in OWN_SALE_MANY.items():
        for value in given[name]:
            yield from (option, str(value))


def _values(given: Mapping[str, Any], options: Mapping[str, str]) -> Iterator[str]:
    for name, option in options.items():
        value = given[name]
        yield from (option, f"{value:g}" if isinstance(value, float) else str(value))


def _flags(given: Mapping[str, Any], options: Mapping[str, str]) -> Iterator[str]:
    return (option for name, option in options.items() if given[name])
