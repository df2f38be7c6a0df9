"""A value written down for other processes of the same release, as JSON; another release's is not taken for one."""

from __future__ import annotations

from collections.abc import Hashable
from functools import cache
from hashlib import blake2b
from typing import Any, Generic, TypeVar, cast

import orjson
from pydantic import TypeAdapter

V = TypeVar("V")


class Packed(Generic[V]):
    """The form of one kind of values: dataclasses of plain values, times and tuples."""

    def __init__(self, kind: type[V]) -> None:
        self._adapter: TypeAdapter[V]
        self._adapter, self.name = _form_of(cast(Hashable, kind))

    def named(self, key: object) -> str:
        """What a value in this form is called where others may be called by the same key."""
        return f"{self.name}:{key}"

    def pack(self, value: V) -> bytes:
        return self._adapter.dump_json(value)

    def unpack(self, text: bytes) -> V:
        """Raises ValueError for what is not of this form."""
        return self._adapter.validate_json(text)


@cache
def _form_of(kind: Any) -> tuple[TypeAdapter[Any], str]:
    """How values of a kind are read and written, and what that is called; made once a process."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind)
    schema = orjson.dumps(adapter.json_schema(), option=orjson.OPT_SORT_KEYS)
    # A field more or less is another form, with no number to forget.
    return adapter, f"{kind.__name__}-{blake2b(schema, digest_size=6).hexdigest()}"
