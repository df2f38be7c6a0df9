"""The outlook of a queue: the forecast that is published, and the memory that keeps it from getting later unexplained.

Pure. Once a second somebody calls `following(before, state)` and keeps the answer beside the queue. It remembers the
latest moment that was promised to a few numbers; when one of these promises will not hold, a new epoch begins, with
the cause and since when. Clients keep what they were told within an epoch (queue/band.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import orjson

from onsale.queue import band, gaps
from onsale.queue.auto_rate import Because
from onsale.queue.flow import Sample, measured, sampled
from onsale.queue.forecast import Forecast, Piece, forecast
from onsale.queue.state import Phase, QueueState

# Promised to the numbers at these parts of the line; fewer than so many left, and new ones are remembered.
PROMISED_AT = (0.05, 0.15, 0.4, 0.7, 1.0)
PROMISES_LEAST = 4
# A turn that is this much late is not worth a reason.
LATE_MS = 10_000
# As old as this an outlook is still published; whoever lets people in makes a new one each second.
FRESH_MS = 3_000
NOT_OPEN = (Phase.SCHEDULED, Phase.PRE_QUEUE)


class Cause(StrEnum):
    """Why a wait is told later than before; or, after `faster`, sooner."""

    NONE = ""
    PAUSED = "paused"
    ORGANISER = "organiser"
    STOPPED = "stopped"
    FASTER = "faster"
    CHECKOUT = "checkout"
    RETURNS = "returns"
    TICKETS = "tickets"
    PRESENT = "present"
    RECOVERED = "recovered"
    SLOWER = "slower"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What was published at `at_ms`, and what it is remembered with; shares as they were when the epoch began."""

    at_ms: int
    epoch: int
    cause: Cause
    since_ms: int
    phase: Phase
    opens_at_ms: int
    rate: int
    max_active: int
    serving: int
    present: float
    returns_share: float
    slots_bind: bool
    sure: bool = True
    pieces: tuple[Piece, ...] = ()
    returns: tuple[Piece, ...] = ()
    samples: tuple[Sample, ...] = ()
    promises: tuple[tuple[int, int], ...] = ()


def following(before: Outlook | None, state: QueueState, phase: Phase) -> Outlook:
    """The outlook now, after `before`; `phase` as the status says it."""
    samples = sampled(before.samples if before else (), state) if phase is Phase.OPEN else ()
    # When a draw opens nobody knows before it was held.
    drawing = state.rules.draw is not None and state.rules.draw.waits_for is not None
    told = phase in (Phase.OPEN, *NOT_OPEN) and not (state.recovering or state.stopped or drawing)
    seen = forecast(state, measured(samples), samples) if told else Forecast((), (), 1.0, 0.0, False, False)
    now = Outlook(
        at_ms=state.now_ms,
        epoch=before.epoch if before else state.now_ms,
        cause=before.cause if before else Cause.NONE,
        since_ms=before.since_ms if before else 0,
        phase=phase,
        opens_at_ms=int(state.rules.opens_at.timestamp() * 1000) if phase in NOT_OPEN else 0,
        rate=_rate(state),
        max_active=state.rules.max_active,
        serving=state.serving,
        present=seen.present,
        returns_share=seen.returns_share,
        slots_bind=seen.slots_bind,
        sure=seen.sure,
        pieces=seen.pieces,
        returns=seen.returns,
        samples=samples,
    )
    if phase is Phase.CLOSED:
        # Nobody waits any more: no reason that was given for a wait is one now.
        now = replace(now, cause=Cause.NONE)
    else:
        now = _explained(before, now, state, tickets=seen.tickets_bind)
    if before is not None and before.epoch == now.epoch:
        # What the epoch began with: a change that creeps is a change.
        now = replace(now, present=before.present, returns_share=before.returns_share)
    return replace(now, promises=_promises(before, now, state))


def current(kept: Outlook | None, state: QueueState, phase: Phase) -> Outlook:
    """The kept outlook while it is new and nothing was set meanwhile, so that all processes publish the same."""
    if (
        kept is not None
        and 0 <= state.now_ms - kept.at_ms < FRESH_MS
        and (kept.phase, kept.rate, kept.max_active) == (phase, _rate(state), state.rules.max_active)
        and not state.recovering
    ):
        return kept
    return following(kept, state, phase)


def document(outlook: Outlook) -> dict[str, Any]:
    """The outlook as the status document has it: the same for everybody, and no time of day but the reason's."""
    return {
        "epoch": outlook.epoch,
        "opens_at_ms": outlook.opens_at_ms,
        "pieces": _pieces(outlook.pieces),
        "returns": _pieces(outlook.returns),
        "sure": outlook.sure,
        "cause": outlook.cause.value,
        "since": moment(outlook.since_ms).isoformat() if outlook.cause else None,
    }


def kept_bytes(outlook: Outlook) -> bytes:
    """For keeping beside the queue."""
    samples = [astuple(one) for one in outlook.samples]
    return orjson.dumps({**asdict(replace(outlook, samples=())), "samples": samples})


def kept_outlook(kept: bytes) -> Outlook | None:
    """What `kept_bytes` wrote; None for nothing, or for what another version of this program wrote."""
    try:
        fields = orjson.loads(kept)
        return Outlook(
            **{
                **fields,
                "cause": Cause(fields["cause"]),
                "phase": Phase(fields["phase"]),
                "pieces": tuple(Piece(**one) for one in fields["pieces"]),
                "returns": tuple(Piece(**one) for one in fields["returns"]),
                "samples": tuple(Sample(*one) for one in fields["samples"]),
                "promises": tuple((number, to_ms) for number, to_ms in fields["promises"]),
            }
        )
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def moment(at_ms: int) -> datetime:
    """Redis' milliseconds as a time."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _pieces(pieces: tuple[Piece, ...]) -> list[dict[str, Any]]:
    return [{"people": one.people, "fast_per_minute": one.fast, "slow_per_minute": one.slow} for one in pieces]


def _explained(before: Outlook | None, now: Outlook, state: QueueState, *, tickets: bool) -> Outlook:
    """With a new epoch and its cause, where a wait gets later; the cause of the last one otherwise."""
    changed_ms = min(now.at_ms, state.configured_at_ms or now.at_ms)
    if before is None:
        # Nothing is remembered of a queue that has moved: it was restored after a loss.
        return replace(now, cause=Cause.RECOVERED, since_ms=now.at_ms) if state.serving else now
    if now.phase is Phase.PAUSED:
        if before.phase is Phase.PAUSED:
            return now
        return replace(now, epoch=_begin(before, changed_ms, now), cause=Cause.PAUSED, since_ms=changed_ms)
    if before.phase in (Phase.PAUSED, Phase.CLOSED):
        # The pause was the reason, and since when is known; what is told from here on is told anew.
        return replace(now, epoch=now.at_ms)
    if now.phase not in (Phase.OPEN, *NOT_OPEN):
        return now
    if before.phase not in (Phase.OPEN, *NOT_OPEN):
        return replace(now, epoch=now.at_ms, cause=Cause.TICKETS, since_ms=now.at_ms)
    if now.opens_at_ms > before.opens_at_ms or _set_slower(before, now):
        cause = _set_cause(before, now, state)
        return replace(now, epoch=_begin(before, changed_ms, now), cause=cause, since_ms=changed_ms)
    if now.rate > before.rate:
        return replace(now, epoch=_begin(before, changed_ms, now), cause=Cause.FASTER, since_ms=changed_ms)
    if not _breaks(before, now, state):
        return now
    return replace(now, epoch=now.at_ms, cause=_cause(before, now, tickets=tickets), since_ms=now.at_ms)


def _rate(state: QueueState) -> int:
    """How many are let in a minute for now."""
    return 0 if state.stopped else state.rules.rate_per_minute


def _strained(state: QueueState) -> bool:
    """Whether it is checkout, and not the organiser, that lets fewer in than were set."""
    return state.stopped or state.rules.because not in ("", Because.RAMP)


def _begin(before: Outlook, changed_ms: int, now: Outlook) -> int:
    """The epoch that a change of the settings begins: the same in every process that sees it."""
    return changed_ms if changed_ms > before.epoch else now.at_ms


def _set_slower(before: Outlook, now: Outlook) -> bool:
    """Whether the organiser lets fewer in than before."""
    fewer_slots = now.max_active > 0 and (before.max_active == 0 or now.max_active < before.max_active)
    return now.rate < before.rate or (fewer_slots and now.slots_bind)


def _set_cause(before: Outlook, now: Outlook, state: QueueState) -> Cause:
    """Whose doing it is that fewer are let in, or that the opening is later."""
    if now.rate < before.rate and _strained(state):
        return Cause.CHECKOUT
    return Cause.STOPPED if now.rate == 0 < before.rate else Cause.ORGANISER


def _breaks(before: Outlook, now: Outlook, state: QueueState) -> bool:
    """Whether some number that was promised its turn by a moment is now expected clearly after it."""
    body = {"wait": document(now)}
    for number, to_ms in before.promises:
        if number <= now.serving:
            continue
        told = band.told(_turns(number, state), body, now_ms=now.at_ms)
        if told is None or (told.from_ms + told.to_ms) // 2 > to_ms + LATE_MS:
            return True
    return False


def _turns(number: int, state: QueueState) -> int:
    """The turn of this number is the so-maniest from now."""
    return gaps.people(state.serving + 1, number, state.gaps.numbers)


def _cause(before: Outlook, now: Outlook, *, tickets: bool) -> Cause:
    if tickets and not now.pieces:
        return Cause.TICKETS
    if now.returns_share > before.returns_share + 0.05:
        return Cause.RETURNS
    if now.slots_bind:
        return Cause.CHECKOUT
    if tickets:
        return Cause.TICKETS
    return Cause.PRESENT if now.present > before.present else Cause.SLOWER


def _promises(before: Outlook | None, now: Outlook, state: QueueState) -> tuple[tuple[int, int], ...]:
    """The latest moments told in this epoch to a few numbers still waiting."""
    same = before is not None and before.epoch == now.epoch
    live: Mapping[int, int] = {n: to_ms for n, to_ms in before.promises if n > now.serving} if same and before else {}
    waiting, body = state.uncalled, {"wait": document(now)}
    wanted = set(live)
    if waiting > 0 and len(live) < PROMISES_LEAST:
        turns = (max(1, int(waiting * part)) for part in PROMISED_AT)
        wanted |= {gaps.number_at(turn, now.serving, state.gaps.numbers) for turn in turns}
    promised = []
    for number in sorted(wanted):
        told = band.told(_turns(number, state), body, now_ms=now.at_ms)
        if told is not None:
            promised.append((number, min(told.to_ms, live.get(number, told.to_ms))))
    return tuple(promised)
