"""Stripe's request bodies: form-encoded, nested by square brackets, and refused by name when something is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from onsale.sandbox.stripe_simulator.errors import invalid, missing

FIELDS_MAX = 500
DEPTH_MAX = 6
TEXT_MAX = 5_000
METADATA_KEYS_MAX = 50
METADATA_KEY_MAX = 40
METADATA_VALUE_MAX = 500
INTEGER_DIGITS_MAX = 15
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
EMAIL_MAX = 800
DESCRIPTOR_MAX = 22
NOT_ON_A_STATEMENT = frozenset("<>\\'\"*")

Nested = dict[str, Any]


def pairs(body: str) -> list[tuple[str, str]]:
    """The fields of a form body in the order sent."""
    try:
        return parse_qsl(body, keep_blank_values=True, max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise invalid(f"Invalid request body: {error}.") from None


def nested(fields: list[tuple[str, str]]) -> Nested:
    """`a[b]=1&c[]=2&c[]=3` as `{"a": {"b": "1"}, "c": {"0": "2", "1": "3"}}`; a later field of a name wins."""
    top: Nested = {}
    for name, value in fields:
        path = name.replace("]", "").split("[")
        if len(path) > DEPTH_MAX:
            raise invalid(f"Received too deeply nested param: {name[:100]}.", code="parameter_invalid_string")
        here = top
        for step in path[:-1]:
            below = here.setdefault(step, {})
            if not isinstance(below, dict):
                raise invalid(f"Invalid hash: {step}.", param=step)
            here = below
        here[path[-1] or str(len(here))] = value
    return top


class Params:
    """The parameters of one call. Each reader refuses a wrong value with the error that Stripe documents for it."""

    def __init__(self, fields: Mapping[str, Any], *, prefix: str = "") -> None:
        self._fields = fields
        self._prefix = prefix

    def only(self, *names: str) -> None:
        """Refuse every parameter that is not one of these."""
        for name in self._fields:
            if name not in names:
                raise invalid(f"Received unknown parameter: {self._full(name)}", code="parameter_unknown", param=name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._fields)

    def __contains__(self, name: str) -> bool:
        return name in self._fields

    def text(self, name: str, *, longest: int = TEXT_MAX) -> str | None:
        """A string; None when absent, and also when sent empty, which is how Stripe unsets a value."""
        value = self._fields.get(name)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise invalid(f"Invalid string: {self._full(name)}", param=self._full(name))
        if len(value) > longest:
            message = f"Invalid string: must be at most {longest} characters"
            raise invalid(message, code="parameter_invalid_string", param=self._full(name))
        return value

    def needed(self, name: str) -> str:
        """A string that must be there."""
        if (value := self.text(name)) is None:
            if name in self._fields:
                message = f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset it."
                raise invalid(message, code="parameter_invalid_empty", param=self._full(name))
            raise missing(self._full(name))
        return value

    def integer(self, name: str, *, lowest: int | None = None) -> int | None:
        """A whole number; None when absent."""
        value = self.text(name)
        if value is None:
            return None
        digits = value.removeprefix("-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) <= INTEGER_DIGITS_MAX):
            message = f"Invalid integer: {value[:50]}"
            raise invalid(message, code="parameter_invalid_integer", param=self._full(name))
        if lowest is not None and int(value) < lowest:
            message = f"This value must be greater than or equal to {lowest}."
            raise invalid(message, code="parameter_invalid_integer", param=self._full(name))
        return int(value)

    def boolean(self, name: str) -> bool:
        """`true` or `false`; False when absent."""
        value = self.text(name) or "false"
        if value not in ("true", "false"):
            raise invalid(f"Invalid boolean: {value[:50]}", param=self._full(name))
        return value == "true"

    def choice(self, name: str, *allowed: str) -> str | None:
        """One of the words allowed."""
        value = self.text(name)
        if value is not None and value not in allowed:
            message = f"Invalid {name}: must be one of {', '.join(allowed)}"
            raise invalid(message, param=self._full(name))
        return value

    def url(self, name: str) -> str | None:
        """An absolute http(s) address."""
        value = self.text(name)
        if value is not None and not value.startswith(("http://", "https://")):
            raise invalid("Not a valid URL", code="url_invalid", param=self._full(name))
        return value

    def email(self, name: str) -> str | None:
        """An e-mail address."""
        value = self.text(name, longest=EMAIL_MAX)
        if value is not None and not EMAIL.fullmatch(value):
            raise invalid(f"Invalid email address: {value[:100]}", code="email_invalid", param=self._full(name))
        return value

    def descriptor(self, name: str) -> str | None:
        """What a bank may print on a statement: at most 22 Latin characters, a letter among them, none of five."""
        value = self.text(name)
        if value is None:
            return None
        if len(value) > DESCRIPTOR_MAX:
            message = f"The statement descriptor must be at most {DESCRIPTOR_MAX} characters."
            raise invalid(message, param=self._full(name))
        if not (value.isascii() and any(one.isalpha() for one in value)) or set(value) & NOT_ON_A_STATEMENT:
            message = "The statement descriptor must have a Latin letter and none of < > \\ ' \" *."
            raise invalid(message, param=self._full(name))
        return value

    def under(self, name: str) -> Params:
        """The nested parameters under a name; empty when absent."""
        value = self._fields.get(name) or {}
        if not isinstance(value, dict):
            raise invalid("Invalid object", param=self._full(name))
        return Params(value, prefix=self._full(name))

    def texts(self, name: str) -> list[str]:
        """A list of strings."""
        below = self.under(name)
        return [below.needed(key) for key in below]

    def metadata(self, before: Mapping[str, str] | None = None) -> dict[str, str]:
        """`before` with the keys sent: a value sets, an empty one removes, an empty `metadata` removes all."""
        if self._fields.get("metadata") == "":
            return {}
        below = self.under("metadata")
        merged = {**(before or {})}
        for key, value in below._fields.items():
            if len(key) > METADATA_KEY_MAX:
                raise invalid(f"Metadata keys can be at most {METADATA_KEY_MAX} characters", param="metadata")
            merged[key] = below.text(key, longest=METADATA_VALUE_MAX) or ""
            if value == "":
                del merged[key]
        if len(merged) > METADATA_KEYS_MAX:
            raise invalid(f"Metadata can have at most {METADATA_KEYS_MAX} keys", param="metadata")
        return merged

    def _full(self, name: str) -> str:
        return f"{self._prefix}[{name}]" if self._prefix else name
