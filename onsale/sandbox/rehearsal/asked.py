"""What was typed after `onsale rehearse`: what makes no sense, or cannot be written, is refused before it starts."""

from __future__ import annotations

import dataclasses
import math
import re
import tempfile
from pathlib import Path
from typing import Any

import click
import orjson

from onsale.sandbox.rehearsal.faults import Faults
from onsale.sandbox.rehearsal.plan import KILLS_MAX, Kill
from onsale.sandbox.rehearsal.results import can_be_compared
from onsale.sandbox.rehearsal.slowness import SlowProvider
from onsale.sandbox.visitor.habits import Shares

# A header's value: what is in no JWT would break the request it is sent with.
TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")
# What only a stack of the rehearsal's own has, and what only a shop that runs already needs.
OWN_ONLY = {
    "kills": "--kill",
    "without": "--without-guard",
    "faults": "--faults",
    "auto": "--auto",
    "standby": "--standby",
    "keep": "--keep",
}
SHOP_ONLY = {"event": "--event", "token_file": "--tokens"}


class FiniteRange(click.FloatRange):
    """A range of numbers, and "nan" is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The number; refused where it is none."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number.", param, ctx)
        return number


def kills(_: click.Context, __: click.Parameter, given: tuple[str, ...]) -> tuple[Kill, ...]:
    """`--kill`, each a PROCESS@N."""
    if len(given) > KILLS_MAX:
        raise click.BadParameter(f"at most {KILLS_MAX}")
    try:
        return tuple(Kill.parse(each) for each in given)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def shares(_: click.Context, __: click.Parameter, given: tuple[tuple[str, float], ...]) -> Shares:
    """`--share`, each a habit and how many have it."""
    known = {each.name for each in dataclasses.fields(Shares)}
    for name, _share in given:
        if name not in known:
            raise click.BadParameter(f"{name!r}: there is {', '.join(sorted(known))}")
    try:
        return dataclasses.replace(Shares(), **dict(given))
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


def faults(_: click.Context, __: click.Parameter, given: str | None) -> Faults | SlowProvider | None:
    """A bank's bad day, or a while in which it is slow."""
    if given is None or given == Faults.PAYMENTS:
        return Faults.PAYMENTS if given else None
    try:
        return SlowProvider.parse(given)
    except ValueError as error:
        raise click.BadParameter(f"{error}; or {Faults.PAYMENTS}") from None


def not_empty(_: click.Context, __: click.Parameter, given: str | None) -> str | None:
    """A variable of a script that was not set is no wish for the default."""
    if given is not None and not given.strip():
        raise click.BadParameter("is empty")
    return given


def earlier(_: click.Context, __: click.Parameter, given: Path | None) -> dict[str, Any] | None:
    """What `--compare` names: the object that `--json` printed."""
    if given is None:
        return None
    try:
        found = orjson.loads(given.read_bytes())
    except OSError as error:
        raise click.BadParameter(f"{given} could not be read: {error.strerror}") from None
    except orjson.JSONDecodeError:
        found = None
    if not can_be_compared(found):
        raise click.BadParameter(f"{given} is not what `onsale rehearse --json` printed")
    return dict(found)


def not_an_option(_: click.Context, __: click.Parameter, given: Path | None) -> Path | None:
    """`--keep --json` forgot the folder; nobody wants one of that name."""
    if given is not None and str(given).startswith("-"):
        raise click.BadParameter(f"{given} reads like an option; for a file or folder of that name write ./{given}")
    return given


def tokens_in(file: Path) -> list[str]:
    """The JWTs of a file, one a line."""
    try:
        found = file.read_text(encoding="ascii").split()
    except (OSError, UnicodeDecodeError):
        found = [""]
    if not all(TOKEN.fullmatch(each) for each in found):
        raise click.BadParameter(
            f"{file} wants JWTs, one a line, as `onsale tokens` prints them", param_hint="--tokens"
        )
    return found


def together(given: dict[str, Any]) -> None:
    """Refuse options that contradict each other; a UsageError says which."""
    if given["url"] is None:
        for name, option in SHOP_ONLY.items():
            if given[name] is not None:
                raise click.UsageError(f"{option} is for a shop that runs already; it needs --url.")
        return
    if given["mode"] == "draw" or any(given[name] for name in OWN_ONLY):
        raise click.UsageError(
            f"--mode, {', '.join(OWN_ONLY.values())} work on a stack of the rehearsal's own, without --url."
        )
    if given["event"] is None:
        raise click.UsageError("--url needs --event: which event there, by id or slug.")


def writable(file: Path | None, folder: Path | None) -> None:
    """See that the page can be written and data kept, whose folder is made; a ClickException says what cannot.

    The page's folder is not made: a misspelt one would be found where nobody looks, when the rehearsal is over.
    """
    if file is not None:
        if not file.parent.is_dir():
            raise click.BadParameter(f"{file}: no such folder, {file.parent}", param_hint="--html")
        _can_write(file, file.parent)
    if folder is not None:
        _can_write(folder, folder)


def _can_write(named: Path, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if named != folder and named.exists():
            named.open("ab").close()
        else:
            tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise click.ClickException(f"{named} cannot be written: {error.strerror}.") from None
