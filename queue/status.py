"""What everybody may know about a queue: one cacheable document, and from it each buyer's people ahead and wait.

Pure: QueueState in, values out. Everyone polls the same document and subtracts their own number; nothing here is per
person but `people_ahead`, `wait_band` and `poll_seconds`, which a browser computes for itself the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson

from onsale.queue import band, gaps, odds, outlook, rate_words
from onsale.queue.auto_rate import Because
from onsale.queue.band import Band
from onsale.queue.outlook import Outlook
from onsale.queue.state import Phase, QueueRules, QueueState

# A heartbeat counts for two to three slices of 60 s; this leaves room for two that get lost.
HEARTBEAT_SECONDS = 45
# Up to so many seconds before the turn, ask so often; beyond the last, every POLL_SECONDS_MAX. Two polls at the longest
# interval fit into the time for which presence is asked before anybody may be passed over.
POLL_SECONDS_BY_WAIT = ((30, 2), (120, 5), (600, 15), (3_600, 30))
POLL_SECONDS_MAX = 60
# While nobody moves; also for who has no number.
POLL_SECONDS_STILL = 10
POLL_SECONDS_OVER = 30
_OVER = (Phase.SOLD_OUT, Phase.CLOSED)


def derived_phase(state: QueueState) -> Phase:
    """The phase as the page says it: open with nothing free is `all_held` (some may come back) or `sold_out`."""
    phase, draw = state.rules.phase, state.rules.draw
    opens_by_clock = phase in (Phase.SCHEDULED, Phase.PRE_QUEUE) and (draw is None or draw.held)
    if opens_by_clock and state.now_ms >= state.rules.opens_at.timestamp() * 1000:
        phase = Phase.OPEN
    if phase is Phase.OPEN and state.free is not None and state.free <= 0:
        return Phase.ALL_HELD if state.held else Phase.SOLD_OUT
    return phase


def pace_per_minute(state: QueueState) -> int:
    """How many come in per minute for now: the rate, or what was measured where slots or tickets limit it."""
    if derived_phase(state) is not Phase.OPEN or state.stopped:
        return 0
    rules = state.rules
    slots_full = rules.max_active > 0 and state.active >= rules.max_active
    tickets_claimed = state.free is not None and state.choosing >= state.free
    if slots_full or tickets_claimed:
        return min(rules.rate_per_minute, state.admitted_last_minute)
    return rules.rate_per_minute


def why(state: QueueState) -> str:
    """Why fewer come in than the organiser set, in words; empty where as many do."""
    rules = state.rules
    if state.stopped:
        return rate_words.why(Because.RECORD_AWAY, per_minute=0, ceiling=rules.ceiling)
    return rate_words.why(rules.because, per_minute=rules.rate_per_minute, ceiling=rules.ceiling)


def looked_at(state: QueueState) -> Outlook:
    """The outlook of a queue now, after the one that is kept beside it: what the document is made with."""
    return outlook.current(outlook.kept_outlook(state.outlook), state, derived_phase(state))


def document(state: QueueState, looked: Outlook | None = None) -> dict[str, Any]:
    """The public status document, ready for JSON; the largest `serving` a client has seen counts for it.

    `heartbeat.up_to`: numbers up to it show presence every `every_seconds` (return numbers always do). `poll`:
    with at most `ahead` people ahead ask every `seconds`, the first that fits (`ahead` null fits all); `poll_ms` is for
    who has no number. `rate_per_minute` is in force, `ceiling_per_minute` was set, `why` says why it is lower.
    `pace_per_minute`: how many come in now; 0: nobody can say. `wait`: what each reckons the wait with (`band.told`),
    `odds` the chances (`odds.odds`). `gaps`: ranges of numbers that are nobody's since the
    queue was restored. `draw`: null where it is first come, first served. Nothing in it is the time of
    day, so that an unchanged queue keeps its ETag.
    """
    rules, phase, pace = state.rules, derived_phase(state), pace_per_minute(state)
    looked = looked or looked_at(state)
    return {
        "phase": phase.value,
        "draw": rules.draw.document() if rules.draw else None,
        "serving": state.serving,
        "return_serving": state.return_serving,
        "issued": state.issued,
        "waiting": state.waiting,
        "rate_per_minute": 0 if state.stopped else rules.rate_per_minute,
        "ceiling_per_minute": rules.ceiling,
        "why": why(state),
        "admitted_per_minute": state.admitted_last_minute,
        "pace_per_minute": pace,
        "gaps": state.gaps.told(serving=state.serving, return_serving=state.return_serving),
        "returns_waiting": state.returns_uncalled > 0,
        "recovering": state.recovering,
        "free": state.free,
        "held": state.held,
        "tickets_left": _tickets_left(state),
        "wait": outlook.document(looked),
        "odds": odds.document(state, present=looked.present),
        "waiting_list": state.waiting_list,
        "heartbeat": {"up_to": state.asked_to, "every_seconds": HEARTBEAT_SECONDS},
        "poll": _poll_bands(phase, pace),
        "poll_ms": 1000 * (POLL_SECONDS_OVER if phase in _OVER else POLL_SECONDS_STILL),
        **_as_set(rules),
    }


def _as_set(rules: QueueRules) -> dict[str, Any]:
    """What the organiser set, and says."""
    return {
        "opens_at": rules.opens_at.isoformat(),
        "enabled": rules.enabled,
        "selling": rules.selling,
        "reason": rules.reason,
        "notice": rules.notice,
        "enter_seconds": rules.enter_seconds,
        "choose_seconds": rules.choose_seconds,
    }


def etag(body: Mapping[str, Any]) -> str:
    """A strong ETag (quoted) of the document's content; equal content, equal tag, in every process."""
    return f'"{blake2b(orjson.dumps(body, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()}"'


def people_ahead(number: int, body: Mapping[str, Any], *, is_return: bool = False, seen_serving: int = 0) -> int:
    """How many places come before this one; never rises while the largest serving seen is passed in."""
    serving = max(int(body["return_serving" if is_return else "serving"]), seen_serving)
    nobodys = body["gaps"]["returns" if is_return else "numbers"]
    return gaps.people(serving + 1, number - 1, nobodys)


def wait_band(
    number: int, body: Mapping[str, Any], *, now: datetime, is_return: bool = False, seen_serving: int = 0
) -> Band | None:
    """When this place's turn comes, as a band; None where nobody can know (paused, closed, sold out, rate 0).

    `now`: the server's clock. Before the opening the time until then is part of the wait.
    """
    # Including one's own turn, so that the first in line waits for one.
    turns = people_ahead(number, body, is_return=is_return, seen_serving=seen_serving) + 1
    return band.told(turns, body, now_ms=int(now.timestamp() * 1000), is_return=is_return)


def poll_seconds(ahead: int, body: Mapping[str, Any]) -> int:
    """How often a place this far away asks for the status (jitter is the client's)."""
    return next(int(band["seconds"]) for band in body["poll"] if band["ahead"] is None or ahead <= band["ahead"])


def heartbeat_wanted(number: int, body: Mapping[str, Any], *, is_return: bool = False) -> bool:
    """Whether this place is near enough to be asked to show presence."""
    return is_return or number <= int(body["heartbeat"]["up_to"])


def _tickets_left(state: QueueState) -> list[dict[str, Any]]:
    gone = dict(state.so_far.sold_out) if state.so_far else {}
    return [
        {
            "section_id": one.section_id,
            "name": one.name,
            "price_minor": one.price_minor,
            "free": one.free,
            "sold_out_at": outlook.moment(gone[one.section_id]).isoformat() if one.section_id in gone else None,
        }
        for one in state.sections
    ]


def _poll_bands(phase: Phase, pace: int) -> list[dict[str, int | None]]:
    if phase in _OVER:
        return [{"ahead": None, "seconds": POLL_SECONDS_OVER}]
    if pace == 0:
        return [{"ahead": None, "seconds": POLL_SECONDS_STILL}]
    near: list[dict[str, int | None]] = [
        {"ahead": max(1, pace * wait // 60), "seconds": seconds} for wait, seconds in POLL_SECONDS_BY_WAIT
    ]
    return [*near, {"ahead": None, "seconds": POLL_SECONDS_MAX}]
