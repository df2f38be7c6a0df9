"""How a sale stands, for the pages: the queue's status of the last second in the words a buyer needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from onsale.db.ids import EventId
from onsale.queue import band, status
from onsale.queue.state import Phase, QueueState
from onsale.web.box_office import BoxOffice
from onsale.web.pages import draw_words, queue_words, words
from onsale.web.pages.draw_words import DrawView
from onsale.web.statuses import Status

# A sale opening within this time is news.
SOON = timedelta(hours=24)
SOLD = (Phase.ALL_HELD, Phase.SOLD_OUT)
NOT_OPEN = (Phase.SCHEDULED, Phase.PRE_QUEUE)


@dataclass(frozen=True)
class SectionLeft:
    """How many tickets a section has at its price in full; None where nobody knows. `sold_out_at` stays while it is."""

    section_id: int
    name: str
    price_minor: int
    free: int | None
    sold_out_at: datetime | None


@dataclass(frozen=True)
class Sale:
    """A sale as a buyer sees it."""

    phase: str
    enabled: bool
    selling: bool
    opens_at: datetime
    opens_soon: bool
    waiting: int
    serving: int
    rate_per_minute: int
    free: int | None
    held: int | None
    sections: tuple[SectionLeft, ...]
    wait_words: str
    why: str
    cause_words: str
    odds_figures: Mapping[str, Any]
    reason: str
    notice: str
    enter_words: str
    choose_words: str
    pay_seconds: int
    status_url: str
    # Tickets that come back are a waiting list's.
    waiting_list: bool = False
    # None: first come, first served.
    draw: DrawView | None = None

    @property
    def gone(self) -> tuple[SectionLeft, ...]:
        """The sections that are sold out, in the order it happened."""
        dated = [(one.sold_out_at, one) for one in self.sections if one.sold_out_at]
        return tuple(one for _, one in sorted(dated, key=lambda pair: pair[0]))


def sale(office: BoxOffice, event_id: EventId) -> Sale:
    """The sale of an event. Raises what `Statuses.of` raises."""
    return _sale(event_id, office.statuses.of(event_id))


def sale_if_known(office: BoxOffice, event_id: EventId) -> Sale | None:
    """The same for a page that has something to say without it."""
    found = office.statuses.known(event_id)
    return _sale(event_id, found) if found else None


def _sale(event_id: EventId, found: Status) -> Sale:
    state, rules = found.state, found.rules
    phase = status.derived_phase(state)
    now = datetime.fromtimestamp(state.now_ms / 1000, UTC)
    told = status.wait_band(state.issued + 1, found.document, now=now)
    low, high = band.seconds(told, state.now_ms) if told else (None, None)
    return Sale(
        phase=phase.value,
        enabled=rules.enabled,
        selling=rules.selling,
        opens_at=rules.opens_at,
        opens_soon=phase in NOT_OPEN and rules.opens_at - now < SOON,
        waiting=state.waiting,
        serving=state.serving,
        rate_per_minute=rules.rate_per_minute,
        free=state.free,
        held=state.held,
        sections=_sections(found),
        wait_words=words.band(low, high),
        why=_why(state) + ("" if found.document["wait"]["sure"] else f" {queue_words.ROUGH}"),
        cause_words=status.why(state) or _cause_words(found.document["wait"]),
        odds_figures=found.document["odds"],
        reason=rules.reason,
        notice=rules.notice,
        enter_words=words.duration(rules.enter_seconds),
        choose_words=words.duration(rules.choose_seconds),
        pay_seconds=rules.pay_seconds,
        status_url=f"/v1/events/{event_id}/queue",
        waiting_list=state.waiting_list and phase in SOLD,
        draw=draw_words.view(rules.draw, opens_at=rules.opens_at, now=now),
    )


def _why(state: QueueState) -> str:
    """Where the band of a wait comes from."""
    if status.derived_phase(state) is not Phase.OPEN:
        return ""
    if slowed := status.why(state):
        return slowed
    if state.rules.rate_per_minute == 0:
        return "The organiser lets nobody in for now, so nobody knows how long it takes."
    pace, rate = status.pace_per_minute(state), state.rules.rate_per_minute
    if pace < rate:
        return f"About {pace:,} people per minute now: as many are inside as fit, and people come in as others finish."
    return f"At {rate:,} people per minute, between everybody taking their turn and some staying away."


def _cause_words(wait: Mapping[str, Any]) -> str:
    since = wait["since"]
    return queue_words.cause_words(wait["cause"], datetime.fromisoformat(since) if since else None)


def _sections(found: Status) -> tuple[SectionLeft, ...]:
    """Tickets left by section, in the organiser's order."""
    return tuple(
        SectionLeft(
            one["section_id"],
            one["name"],
            one["price_minor"],
            one["free"],
            datetime.fromisoformat(one["sold_out_at"]) if one["sold_out_at"] else None,
        )
        for one in found.document["tickets_left"]
    )
