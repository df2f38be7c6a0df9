"""What a viewer asks, read from the head of an HTTP/1.1 request: one document, which may be waited for.

    GET /v1/events/{id}/seats/availability?since=<version>&section=<id>&wait=<seconds>

No request here has a body. One that may have is answered, and its connection closed: nothing is ever read after it, so
that nobody can hide a second request in a first.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from onsale.db.ids import EVENT_ID_MAX, EventId

# A shorter wait than most proxies' patience (30 or 60 s).
WAIT_SECONDS_MAX = 25
SECTION_ID_MAX = (1 << 31) - 1
SINCE_CHARACTERS_MAX = 100
LINE_END, HEAD_END = b"\r\n", b"\r\n\r\n"
FIELDS_MAX, PARAMETERS_MAX = 100, 20
# All who know the same version ask in the same words.
LINES_KEPT, LINE_KEPT_BYTES = 1_024, 256
TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
# A target is a path, or the whole address, as proxies are asked (RFC 9112, 3.2.2).
LINE = re.compile(
    rb"(" + TOKEN + rb"{1,32}) (?:(?i:https?)://[!-.0->@-~]+|(?=/))(/[!->@-~]*)?(?:\?([!-~]*))? HTTP/1\.([01])"
)
# One line, one field: no space before the colon, no line that goes on the one before, no lone CR, LF or NUL. Where two
# readers of the same bytes disagree on these, one can hide a request from the other.
FIELD = re.compile(rb"(" + TOKEN + rb"+):[ \t]*([\t -~\x80-\xff]*)")
PATH = re.compile(rb"/v1/events/([1-9][0-9]{0,9})/seats/availability")
# What our own pages and most others ask; it is asked thousands of times a second.
USUAL = re.compile(rb"(?:section=(0|[1-9][0-9]{0,8})&)?since=([0-9a-z]{1,40}\.[0-9]{1,16})&wait=([0-9]|1[0-9]|2[0-5])")
NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
SINCE = re.compile(r"[\x21-\x7e]*")
# Whoever speaks of a body is not spoken with again.
BODY = (b"content-length", b"transfer-encoding")
# "close", and anything else but this, ends the connection.
KEPT = (b"keep-alive", b"")
READ = (b"GET", b"HEAD")


@dataclass(frozen=True, slots=True)
class Asked:
    """A query that fits: which version of which section (or of all) is known, and how long to wait for another."""

    known: tuple[str | None, int | None]
    wait_seconds: int = 0


# What does not fit of a query: each field, and what it wants.
Wrong = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """The first line of a head. `last`: nothing may follow it, whatever the rest of the head says."""

    method: bytes
    path: bytes
    event_id: EventId | None
    asked: Asked | Wrong
    last: bool
    wants_host: bool


@dataclass(frozen=True, slots=True)
class Fields:
    """The rest of a head. `last`: nothing may follow it; `has`: the tags of what is known already."""

    last: bool
    hosts: int
    has: bytes = b""


class TooMany(ValueError):
    """More fields than anybody sends."""


def request_in(line: bytes) -> Request | None:
    """The request of a head's first line; None when it is none of HTTP/1."""
    return _usual_request_in(line) if len(line) <= LINE_KEPT_BYTES else _request_in(line)


def fields_in(rest: bytes) -> Fields:
    """What the lines after the first say. ValueError where they are no fields; TooMany."""
    lines = rest.split(LINE_END) if rest else []
    if len(lines) > FIELDS_MAX:
        raise TooMany
    last, hosts, has = False, 0, list[bytes]()
    for line in lines:
        found = FIELD.fullmatch(line)
        if found is None:
            raise ValueError(line)
        name, value = found[1].lower(), found[2].strip()
        if name in BODY or (name == b"connection" and value.lower() not in KEPT):
            last = True
        elif name == b"host":
            hosts += 1
        elif name == b"if-none-match":
            has.append(value)
    return Fields(last, hosts, b",".join(has))


def _request_in(line: bytes) -> Request | None:
    found = LINE.fullmatch(line)
    if found is None:
        return None
    method, path, query, minor = found.groups()
    path = path or b"/"
    last = method not in READ or minor == b"0"
    return Request(method, path, event_in(path), asked_in(query or b""), last, wants_host=minor != b"0")


_usual_request_in = lru_cache(LINES_KEPT)(_request_in)


def event_in(path: bytes) -> EventId | None:
    """The event whose seats are at this path."""
    found = PATH.fullmatch(path)
    return EventId(int(found[1])) if found is not None and int(found[1]) <= EVENT_ID_MAX else None


def asked_in(query: bytes) -> Asked | Wrong:
    """What a query asks for, or what of it does not fit, as the web says it."""
    found = USUAL.fullmatch(query)
    if found is not None:
        section, since, wait = found.groups()
        return Asked((since.decode(), None if section is None else int(section)), int(wait))
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, max_num_fields=PARAMETERS_MAX)
    except ValueError:
        return (("query", f"has more than {PARAMETERS_MAX} parameters"),)
    given = dict(pairs)
    names = [name for name, _ in pairs]
    twice = tuple((name, "is given more than once") for name in given if names.count(name) > 1)
    wrong = twice or tuple(_wrong_in(given))
    if wrong:
        return wrong
    section = given.get("section")
    return Asked((given.get("since"), None if section is None else int(section)), int(given.get("wait", "0")))


def _wrong_in(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    since = given.get("since", "")
    if len(since) > SINCE_CHARACTERS_MAX or not SINCE.fullmatch(since):
        yield "since", f"is a version as told, at most {SINCE_CHARACTERS_MAX} characters"
    for name, most in (("section", SECTION_ID_MAX), ("wait", WAIT_SECONDS_MAX)):
        number = given.get(name, "0")
        if not NUMBER.fullmatch(number) or int(number) > most:
            yield name, f"is a whole number from 0 to {most}"
    yield from ((name, "is not read here") for name in given if name not in ("since", "section", "wait"))
