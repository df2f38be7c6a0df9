"""The row `origin`: what reaches the web per second behind a shared cache, at 10,000, 100,000 and a million waiting.

The machine's own nginx with `deploy/nginx.conf` in front of one web, and the same rate of admissions each time. The
crowd asks as often as the status tells each of them to: everybody polls the status by their distance, those near the
front show that they are there, and whoever's turn it is comes in. Counted is what nginx passed on, from its log; the
value is the largest number a second against the smallest, of all requests or of the polls alone, whichever is worse.
People without JavaScript load a page of their own each time; what that costs is said beside it.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener
from uuid import uuid4

from onsale.db import queue_settings
from onsale.db.engine import transaction
from onsale.db.ids import BuyerId, EventId
from onsale.db.queue_settings import QueueChange
from onsale.queue import status
from onsale.sandbox.bench import web_process
from onsale.sandbox.bench.paced import Answers, Stream
from onsale.sandbox.bench.parts import Parts, open_queue, parts, put_on_sale
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec
from onsale.sandbox.bench.web_process import get
from onsale.sandbox.embedded import PartFailed, PartMissing
from onsale.sandbox.nginx import EmbeddedNginx
from onsale.sandbox.ports import LOOPBACK, free_port
from onsale.web import tokens

WAITING = (10_000, 100_000, 1_000_000)
WAITING_IN_A_TRIAL = (2_000, 20_000, 200_000)
RATE_PER_MINUTE = 600
ROWS = 40
SECONDS = 20.0
SECONDS_IN_A_TRIAL = 5.0
# Whoever is called comes in a little later; the first second fills the cache.
COMES_IN_AFTER_SECONDS = 3.0
SETTLED_AFTER_SECONDS = 1.0
FAR_SECONDS = 600
FAR_REQUESTS_PER_MINUTE_MAX = 2.0
# Of what is due, and of what is asked.
ANSWERED_MIN = 0.99
PERSONAL_ANSWERED_MIN = 0.95
PAGE_SECONDS_MAX = 20
_NUMBERS = re.compile(r"(?<=/)[0-9]+")
_CSRF = re.compile(r'name="csrf-token" content="([^"]+)"')
_RENEWED = re.compile(r'http-equiv="refresh" content="([0-9]+)"')


@dataclass(frozen=True)
class Reached:
    """What one size of queue came to: requests a second sent by the crowd, and passed on to the web by kind."""

    waiting: int
    asked_per_second: float
    by_kind: Mapping[str, float]
    faults: tuple[str, ...]

    @property
    def per_second(self) -> float:
        return sum(self.by_kind.values())

    @property
    def polls(self) -> float:
        return sum(each for kind, each in self.by_kind.items() if kind.endswith("/queue"))

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {each:.1f}" for kind, each in sorted(self.by_kind.items()))
        asked = f"{self.waiting:,} waiting: {self.asked_per_second:,.0f} asked a second"
        return f"{asked}, {self.per_second:.1f} reached the web ({kinds})"


def measure(effort: Effort, say: Say) -> Measured:
    sizes = WAITING_IN_A_TRIAL if effort.quick else WAITING
    seconds = SECONDS_IN_A_TRIAL if effort.quick else SECONDS
    reached = []
    try:
        with (
            parts() as own,
            web_process.web_process(own) as web,
            EmbeddedNginx(own.folder / "nginx", web_port=web.port, seats_port=free_port()) as nginx,
        ):
            for waiting in sizes:
                reached.append(_reached(own, nginx, waiting, seconds))
                say(str(reached[-1]))
            pages = _without_scripts(own, nginx)
    except PartMissing as missing:
        return Measured(0.0, (str(missing),))
    value = max(
        _most_to_fewest([each.per_second for each in reached]), _most_to_fewest([each.polls for each in reached])
    )
    faults = tuple(fault for each in reached for fault in each.faults)
    return Measured(value, faults, (*map(str, reached), pages))


def _most_to_fewest(values: list[float]) -> float:
    return max(values) / min(values)


def _reached(own: Parts, nginx: EmbeddedNginx, waiting: int, seconds: float) -> Reached:
    event_id = _a_queue(own, waiting)
    document = status.document(own.shop.store.snapshot(event_id))
    near = _people(own, event_id, min(waiting, document["heartbeat"]["up_to"]))
    streams = _streams(event_id, document, near, waiting)
    began = time.time()
    answers = _asked(nginx.port, seconds, streams)
    paths = [
        _NUMBERS.sub("#", each.path)
        for each in nginx.upstream()
        if SETTLED_AFTER_SECONDS <= each.at - began < seconds and f"/{event_id}/" in f"{each.path}/"
    ]
    by_kind = {path: many / (seconds - SETTLED_AFTER_SECONDS) for path, many in Counter(paths).items()}
    asked = sum(stream["per_second"] for stream in streams)
    return Reached(waiting, asked, by_kind, (*_unanswered(answers), *_too_often(document)))


def _a_queue(own: Parts, waiting: int, *, more: int = 0) -> EventId:
    """An open queue with so many waiting, and numbers for so many more."""
    event_id = put_on_sale(own.shop, rows=ROWS, now=datetime.now(UTC))
    with transaction(own.shop.engine) as connection:
        change = QueueChange(rate_per_minute=RATE_PER_MINUTE)
        queue_settings.change(connection, event_id, change, actor="bench")
    open_queue(own.shop, event_id, numbers=waiting + more, waiting=waiting)
    # Presence is asked for from the second run on.
    own.shop.store.advance(event_id)
    return event_id


def _people(own: Parts, event_id: EventId, last: int) -> list[str]:
    """Everybody near the front, in their order: their JWTs, and their numbers in the queue."""
    buyers = [BuyerId(uuid4()) for _ in range(last)]
    now_ms = int(time.time() * 1_000)
    own.shop.store.restore_joins(event_id, [(number, buyer, now_ms) for number, buyer in enumerate(buyers, 1)])
    return [tokens.sign(own.config, buyer, audience=tokens.BUYERS, guest=True) for buyer in buyers]


def _streams(event_id: EventId, document: Mapping[str, Any], near: list[str], waiting: int) -> list[Stream]:
    me = f"/v1/events/{event_id}/queue/me"
    polls = polls_per_second(document, waiting)
    beats = len(near) / document["heartbeat"]["every_seconds"]
    turns = document["rate_per_minute"] / 60
    enter = [_post(f"{me}/enter", jwt) for jwt in near]
    return [
        Stream(
            name="status", requests=[get(f"/v1/events/{event_id}/queue").decode()], per_second=polls, after_seconds=0
        ),
        # From the back, who is not called meanwhile.
        Stream(
            name="heartbeat",
            requests=[_post(f"{me}/heartbeat", jwt) for jwt in reversed(near)],
            per_second=beats,
            after_seconds=0,
        ),
        Stream(name="enter", requests=enter, per_second=turns, after_seconds=COMES_IN_AFTER_SECONDS),
    ]


def polls_per_second(document: Mapping[str, Any], waiting: int) -> float:
    """How many polls a queue of this length sends, if each asks as often as the status says for their distance."""
    polls, nearer = 0.0, 0
    for band in document["poll"]:
        up_to = waiting if band["ahead"] is None else min(waiting, band["ahead"] + 1)
        polls += max(0, up_to - nearer) / band["seconds"]
        nearer = max(nearer, up_to)
    return polls


def _too_often(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Whether somebody more than ten minutes from the front is told to ask more than twice a minute."""
    ahead = document["pace_per_minute"] * FAR_SECONDS // 60 + 1
    often = 60 / status.poll_seconds(ahead, document)
    if status.heartbeat_wanted(document["serving"] + ahead + 1, document):
        often += 60 / document["heartbeat"]["every_seconds"]
    return (
        (f"ten minutes from the front one asks {often:.1f} times a minute",)
        if often > FAR_REQUESTS_PER_MINUTE_MAX
        else ()
    )


def _unanswered(answers: Mapping[str, Answers]) -> tuple[str, ...]:
    faults = []
    for name, got in answers.items():
        well = sum(many for code, many in got["statuses"].items() if code in ("200", "201", "304"))
        least = ANSWERED_MIN if name == "status" else PERSONAL_ANSWERED_MIN
        if well < least * got["due"]:
            faults.append(f"{name}: {got['due']:,} asked, answered {got['statuses']}")
    return tuple(faults)


def _without_scripts(own: Parts, nginx: EmbeddedNginx) -> str:
    """What somebody behind ten thousand costs without JavaScript: the page, and how often it renews itself."""
    page = f"{nginx.url}/events/{_a_queue(own, WAITING[0], more=1)}/queue"
    with closing(build_opener(HTTPCookieProcessor())) as browser:
        csrf = _CSRF.search(_read(browser, page))
        assert csrf is not None
        _read(browser, page, {"csrf_token": csrf[1]})
        before = len(list(nginx.upstream()))
        renewed = _RENEWED.search(_read(browser, page))
        views = len(list(nginx.upstream())) - before
    assert renewed is not None
    return (
        f"counted apart: without JavaScript number {WAITING[0] + 1:,} reaches the web {views} time every {renewed[1]} s"
    )


def _read(browser: OpenerDirector, page: str, form: dict[str, str] | None = None) -> str:
    data = urlencode(form).encode() if form else None
    with browser.open(page, data, timeout=PAGE_SECONDS_MAX) as answer:
        text: str = answer.read().decode()
    return text


def _asked(port: int, seconds: float, streams: list[Stream]) -> dict[str, Answers]:
    command = [sys.executable, "-m", "onsale.sandbox.bench.paced", str(port), str(seconds)]
    done = subprocess.run(
        command, input=json.dumps(streams), capture_output=True, text=True, check=False, timeout=seconds + 60
    )
    if done.returncode != 0:
        raise PartFailed(f"The crowd of the bench ended:\n{done.stderr}")
    answers: dict[str, Answers] = json.loads(done.stdout)
    return answers


def _post(path: str, jwt: str) -> str:
    head = f"POST {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\nContent-Length: 0\r\n"
    return f"{head}Authorization: Bearer {jwt}\r\n\r\n"


SPEC = Spec(
    "origin",
    "requests a second that reach the web behind nginx, 10 thousand to a million waiting: the most against the fewest",
    "of the fewest",
    floor=1.2,
    goal=1.2,
    measure=measure,
    lower_is_better=True,
)
