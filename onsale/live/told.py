"""What a viewer is told, as the bytes of an HTTP/1.1 answer: what the web answers at the same address, and only that.

Any page may read it, because it is for everybody: nothing personal, nothing to sign in for; no cookie is ever asked
for, so none may be sent.
"""

from __future__ import annotations

import time
from functools import lru_cache
from http import HTTPStatus
from wsgiref.handlers import format_date_time

import orjson

from onsale.errors import BadRequest, NotFound, OnsaleError, slug_of
from onsale.live.asked import Wrong

ALWAYS = (
    b"access-control-allow-origin: *\r\n"
    b"x-content-type-options: nosniff\r\n"
    b"content-security-policy: default-src 'none'; frame-ancestors 'none'\r\n"
)
JSON = b"content-type: application/json\r\n"
PLAIN = b"content-type: text/plain\r\n"
PROBLEM = b"content-type: application/problem+json\r\n"
# Who asks for the same version within a second may be given the same answer by a cache in between.
FRESH = b"cache-control: public, max-age=1\r\n"
# "Nothing has changed" must not be kept: it would be given again at once.
NOT_KEPT = b"cache-control: no-store\r\n"
ONCE_MORE = b"retry-after: 1\r\n"
ONLY_READ = b"allow: GET, HEAD\r\n"
CLOSE = b"connection: close\r\n"
WHY = {
    400: "This is no request of HTTP/1.",
    404: "There is nothing here but the availability of an event's seats.",
    405: "Only GET and HEAD.",
    431: "The head of this request is too long.",
    503: "These seats cannot be watched here now. Ask the web.",
}
# As the web names them; all others by their phrase.
KINDS: dict[int, OnsaleError] = {404: NotFound(), 422: BadRequest()}
# One for each second, and the one before.
DATES_KEPT = 2


def news(body: bytes, tag: bytes, *, last: bool) -> bytes:
    """The seats, which may be kept for a second."""
    return _answer(200, b"%s%setag: %s\r\n" % (JSON, FRESH, tag), body, last=last)


def unchanged(tag: bytes, *, last: bool) -> bytes:
    """For whoever has them already."""
    return b"%s%setag: %s\r\n%s\r\n" % (_beginning(304, int(time.time())), FRESH, tag, CLOSE if last else b"")


def is_in(tag: bytes, if_none_match: bytes) -> bool:
    """Whether the header names this version; a cache in between may have made it weak."""
    return any(each.strip().removeprefix(b"W/") in (b"*", tag) for each in if_none_match.split(b","))


def nothing_new(body: bytes, *, draining: bool, last: bool) -> bytes:
    """The end of a wait in which nothing happened. Who had to go at once would be back at once: ask them to rest."""
    return _answer(200, JSON + NOT_KEPT + (ONCE_MORE if draining else b""), body, last=last)


def plain(text: str, *, last: bool) -> bytes:
    """A line for whoever looks after this process."""
    return _answer(200, PLAIN + NOT_KEPT, text.encode() + b"\n", last=last)


def problem(status: int, wrong: Wrong = (), *, last: bool) -> bytes:
    """Why not, in the words of the web's problems; `wrong`: each field that does not fit, and what it wants."""
    kind, phrase = KINDS.get(status), HTTPStatus(status).phrase
    slug, title = (slug_of(type(kind)), str(kind)) if kind else (phrase.lower().replace(" ", "-"), phrase)
    document: dict[str, object] = {"type": f"/problems/{slug}", "title": title, "status": status}
    if wrong:
        document["detail"] = "; ".join(f"{field}: {detail}" for field, detail in wrong[:3])
        document["field"] = wrong[0][0]
        document["errors"] = [{"field": field, "detail": detail} for field, detail in wrong]
    else:
        document["detail"] = WHY[status]
    more = {405: ONLY_READ, 503: ONCE_MORE}.get(status, b"")
    return _answer(status, PROBLEM + NOT_KEPT + more, orjson.dumps(document), last=last)


def without_body(answer: bytes) -> bytes:
    """The same for HEAD."""
    return answer[: answer.index(b"\r\n\r\n") + 4]


def _answer(status: int, headers: bytes, body: bytes, *, last: bool) -> bytes:
    return b"%s%s%scontent-length: %d\r\n\r\n%s" % (
        _beginning(status, int(time.time())),
        headers,
        CLOSE if last else b"",
        len(body),
        body,
    )


@lru_cache(maxsize=DATES_KEPT * len(HTTPStatus))
def _beginning(status: int, second: int) -> bytes:
    line = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ndate: {format_date_time(second)}\r\n"
    return line.encode() + ALWAYS
