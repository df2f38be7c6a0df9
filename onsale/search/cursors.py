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
# A moment far beyond any show, in microseconds, and any event's id are smaller; a `real` has no more range.
INTEGER_MAX = 2**53
REAL_MIN, REAL_MAX = 1e-37, 3e38


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
        if [type(value) for value in after] != list(types) or not all(map(_fits, after)):
            raise TypeError(after)
    # Whatever it is, it was not written here.
    except (binascii.Error, ValueError, TypeError, KeyError):
        raise BadRequest("Take the cursor from the page before.", field=FIELD) from None
    return kind, after


def _fits(value: object) -> bool:
    """Whether it may be a sort value: one that a search cannot compare with would look as if the search were down."""
    if isinstance(value, int):
        return abs(value) <= INTEGER_MAX
    return isinstance(value, float) and (value == 0 or REAL_MIN <= abs(value) <= REAL_MAX)
