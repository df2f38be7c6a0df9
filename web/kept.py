"""An answer that everybody gets alike: its bytes, its ETag and how long a cache may keep it; 304 for whoever has it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from flask import Response, request

# Named by what is in it: whoever has it need never ask again.
FOR_EVER = "public, max-age=31536000, immutable"
LIVE = "public, max-age=1, stale-if-error=30"
# What changes when the organiser changes it: ten seconds in a browser as in a shared cache, which asks while it tells
# the old one; and old rather than nothing. The origin itself is never a second behind (web/fresh.py).
CATALOGUE = "public, max-age=10, s-maxage=10, stale-while-revalidate=30, stale-if-error=600"
# No Vary: these answers look at no header. A shared cache may keep them although a JWT came along, as `public` says.
JSON = "application/json"


@dataclass(frozen=True)
class Kept:
    """A body with what HTTP says about it."""

    body: bytes
    cache_control: str = LIVE
    content_type: str = JSON
    etag: str = field(default="")
    # For whoever would have waited for a change: it is answered at once, and when to come back.
    retry_after_seconds: int | None = None

    def __post_init__(self) -> None:
        if not self.etag:
            object.__setattr__(self, "etag", f'"{hashlib.blake2b(self.body, digest_size=9).hexdigest()}"')

    def answer(self, if_none_match: str | None) -> tuple[int, list[tuple[str, str]], bytes]:
        """Status, headers and body for someone who says which version they have."""
        headers = [("ETag", self.etag), ("Cache-Control", self.cache_control)]
        if self.retry_after_seconds is not None:
            headers.append(("Retry-After", str(self.retry_after_seconds)))
        if if_none_match and self.is_in(if_none_match):
            return 304, headers, b""
        return 200, [("Content-Type", self.content_type), ("Content-Length", str(len(self.body))), *headers], self.body

    def is_in(self, if_none_match: str) -> bool:
        """Whether the header names this version; a cache in between may have made it weak."""
        given = (each.strip().removeprefix("W/") for each in if_none_match.split(","))
        return any(each in ("*", self.etag) for each in given)

    def response(self) -> Response:
        """The same for Flask."""
        status, headers, body = self.answer(request.headers.get("If-None-Match"))
        return Response(body, status, headers)
