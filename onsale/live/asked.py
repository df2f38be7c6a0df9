"""What a viewer asks, read from the head of an HTTP/1.1 request: one document, which may be waited for.

    GET /v1/events/{id}/seats/availability?since=<version>&section=<id>&wait=<seconds>

No request here has a body. One that may have is answered, and its connection closed: nothing is ever read after it, so
that nobody can hide a second request in a first.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from onsale.db.ids import EVENT_ID_MAX, EventId

# A shorter wait than most proxies' patience (30 or 60 s).
WAIT_SECONDS_MAX = 25
SECTION_ID_MAX = (1 << 31) - 1
SINCE_CHARACTERS_MAX = 100
LINE_END, HEAD_END = b"\r\n", b"\r\n\r\n"
# All who know the same version ask in the same words.
LINES_KEPT, LINE_KEPT_BYTES = 1_024, 256
LINE = re.compile(rb"([A-Z]{1,16}) (/[!->@-~]*)(?:\?([!-~]*))? HTTP/1\.([01])")
PATH = re.compile(rb"/v1/events/([1-9][0-9]{0,9})/seats/availability")
# What our own pages and most others ask; it is asked thousands of times a second.
USUAL = re.compile(rb"(?:section=(0|[1-9][0-9]{0,8})&)?since=([0-9a-z]{1,40}\.[0-9]{1,16})&wait=([0-9]|1[0-9]|2[0-5])")
NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
SINCE = re.compile(r"[\x21-\x7e]*")
# Anywhere in the head, however it is spelled: whoever speaks of a body is not spoken with again.
BODY = (b"content-length", b"transfer-encoding")
CONNECTION = b"\r\nconnection:"
# "close", and anything else but this, ends the connection.
KEPT = (b"keep-alive", b"")


@dataclass(frozen=True, slots=True)
class Asked:
    """A query that fits: which version of which section (or of all) is known, and how long to wait for another."""

    known: tuple[str | None, int | None]
    wait_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """The first line of a head. `last`: nothing may follow it, whatever the rest of the head says."""

    method: bytes
    path: bytes
    event_id: EventId | None
    asked: Asked | None
    last: bool


def request_in(line: bytes) -> Request | None:
    """The request of a head's first line; None when it is none of HTTP/1."""
    return _usual_request_in(line) if len(line) <= LINE_KEPT_BYTES else _request_in(line)


def is_last(fields: bytes) -> bool:
    """Whether the rest of a head, which begins and ends with the end of a line, says that nothing may follow it."""
    lower = fields.lower()
    if any(word in lower for word in BODY):
        return True
    at = lower.find(CONNECTION)
    if at < 0:
        return False
    at += len(CONNECTION)
    return lower[at : lower.index(LINE_END, at)].strip() not in KEPT


def _request_in(line: bytes) -> Request | None:
    found = LINE.fullmatch(line)
    if found is None:
        return None
    method, path, query, minor = found.groups()
    last = method != b"GET" or minor == b"0"
    return Request(method, path, event_in(path), asked_in(query or b""), last)


_usual_request_in = lru_cache(LINES_KEPT)(_request_in)


def event_in(path: bytes) -> EventId | None:
    """The event whose seats are at this path."""
    found = PATH.fullmatch(path)
    return EventId(int(found[1])) if found is not None and int(found[1]) <= EVENT_ID_MAX else None


def asked_in(query: bytes) -> Asked | None:
    """What a query asks for; None when it does not fit."""
    found = USUAL.fullmatch(query)
    if found is not None:
        section, since, wait = found.groups()
        return Asked((since.decode(), None if section is None else int(section)), int(wait))
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query), max_num_fields=3)
    except ValueError:
        return None
    given = dict(pairs)
    if len(given) < len(pairs) or given.keys() - {"since", "section", "wait"}:
        return None
    since, section, wait = given.get("since"), given.get("section"), given.get("wait", "0")
    fits = (
        (since is None or (len(since) <= SINCE_CHARACTERS_MAX and SINCE.fullmatch(since)))
        and (section is None or (NUMBER.fullmatch(section) and int(section) <= SECTION_ID_MAX))
        and NUMBER.fullmatch(wait)
        and int(wait) <= WAIT_SECONDS_MAX
    )
    return Asked((since, None if section is None else int(section)), int(wait)) if fits else None
