"""Where a page of hits ends: opaque to the client, small, and refused when it is not one of ours."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

import orjson

from onsale.errors import BadRequest

CHARACTERS_MAX = 200
FIELD = "cursor"


def written(*, kind: str, after: list[Any]) -> str:
    """The cursor behind a hit with these sort values; `kind` says which search it continues."""
    return base64.urlsafe_b64encode(orjson.dumps([kind, *after])).decode().rstrip("=")


def read(cursor: str, *, kinds: Mapping[str, tuple[type, ...]]) -> tuple[str, list[Any]]:
    """The kind and the sort values; BadRequest when the kind, their number or their types are not as in `kinds`."""
    try:
        if len(cursor) > CHARACTERS_MAX or not cursor.isascii():
            raise ValueError(cursor)
        kind, *after = orjson.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        types = kinds[kind]
        if [type(value) for value in after] != list(types):
            raise TypeError(after)
    # Whatever it is, it was not written here.
    except (binascii.Error, ValueError, TypeError, KeyError):
        raise BadRequest("Take the cursor from the page before.", field=FIELD) from None
    return kind, after
