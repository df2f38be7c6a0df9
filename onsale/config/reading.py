"""Reading one setting from the environment: a reader returns the value, or says in words what it wants."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from onsale.errors import ConfigError

PREFIX = "ONSALE_"
T = TypeVar("T")


def variable(name: str) -> str:
    """The variable of a setting."""
    return PREFIX + name.upper()


class Wanted(ValueError):
    """The value is not what the variable wants; `secret` keeps it out of the sentence."""

    def __init__(self, wanted: str, *, secret: bool = False) -> None:
        super().__init__(wanted)
        self.secret = secret


def read(env: Mapping[str, str], name: str, reader: Callable[[str], T], *, default: str | None = None) -> T:
    """The setting, or its default; ConfigError when it is missing or wrong, which names the variable."""
    given = env.get(variable(name), "").strip()
    if not given and default is None:
        raise ConfigError(f"{variable(name)} is not set; it wants {_wanted(reader)}.", field=variable(name))
    try:
        return reader(given or default or "")
    except Wanted as wanted:
        instead = "what it is set to does not fit" if wanted.secret else f"not {given!r}"
        joint = "; " if wanted.secret else ", "
        raise ConfigError(f"{variable(name)} wants {wanted}{joint}{instead}.", field=variable(name)) from None


def _wanted(reader: Callable[[str], object]) -> str:
    """What a reader wants, asked by giving it nothing: every reader refuses an empty value that has no default."""
    try:
        reader("")
    except Wanted as wanted:
        return str(wanted)
    return "a value"


def whole(lowest: int, highest: int) -> Callable[[str], int]:
    """A whole number within these bounds."""

    def reader(text: str) -> int:
        # isdecimal alone would accept the digits of other scripts, which an operator typed by mistake.
        if text.isascii() and text.isdecimal() and lowest <= int(text) <= highest:
            return int(text)
        raise Wanted(f"a whole number from {lowest} to {highest}")

    return reader


def switch(text: str) -> bool:
    """on or off."""
    if text in ("on", "off"):
        return text == "on"
    raise Wanted("on or off")
