"""How fast may people come in when checkout is slow? Additive increase, multiplicative decrease; pure.

State and signs in, state out. The state is a share of the ceiling, so that an organiser who turns the dial turns the
rate in force with it. Between CALM and 1 nothing changes: a rate turns round only when checkout does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import StrEnum

# Looked at so often; changed no more often than the second, and the journal of rates grows no faster.
LOOK_SECONDS, REST_SECONDS = 1.0, 3.0
WHOLE_PPM = 1_000_000
# From nothing back to everything in so many steps: a minute.
RECOVERY_STEPS = 20
# A strained checkout is left with so many a minute: without anybody in it nobody learns that it is well again.
FLOOR_PER_MINUTE = 6
CALM = 0.7
# The most that one decision takes away: four fifths.
KEPT_LEAST = 0.2
# A booking is decided within a tenth of a second; one that has waited so long says that the lane is behind, or dead.
BACKLOG_SECONDS = 2.0
DEAD_SECONDS = 15.0
# A payment that no worker carries on yet waits like a booking does. A few are between two steps, or try again. More of
# them than are carried are a whole round of the workers behind, which shows earlier than their age, and how far.
UNCARRIED_SECONDS, UNCARRIED_LEAST, ROUND_SECONDS = 1.0, 4, 0.5
# One that is carried waits for a bank, which takes up to 25 seconds now and then; so long in the mean is slow for any.
SLOW_SECONDS, SLOW_LEAST, PAY_SHARE = 12.0, 4, 0.25
# Payments at once are too many at some times what is usual. What is usual is learnt by some looks first; fewer than two
# full worker processes carry are never too many.
PILED_UP_TIMES, PILED_UP_LEAST, LEARNING_LOOKS = 4.0, 32, 5
# A bank that says no to most is ill; ten refusals may be chance.
DECLINED_SHARE, DECLINED_LEAST = 0.5, 10
# How fast what is usual follows what is seen, and only while checkout is calm.
USUAL_WEIGHT = 0.1


class Because(StrEnum):
    """Why the rate in force is lower than the one set."""

    NOTHING = ""
    LANE_BEHIND = "lane_behind"
    LANE_DEAD = "lane_dead"
    PAYMENTS_SLOW = "payments_slow"
    PAYMENTS_PILED_UP = "payments_piled_up"
    PAYMENTS_FAILING = "payments_failing"
    PAYMENTS_DEAD = "payments_dead"
    PROVIDER_AWAY = "provider_away"
    RECOVERING = "recovering"
    RAMP = "ramp"
    RECORD_AWAY = "record_away"


# Nobody is let in while checkout is down; each of these ends by itself, without anybody who tries it out.
STOPS = (Because.LANE_DEAD, Because.PAYMENTS_DEAD, Because.PROVIDER_AWAY, Because.RECORD_AWAY)


@dataclass(frozen=True, slots=True)
class Signs:
    """How checkout is doing.

    `backlog_seconds`: how long the oldest booking waits to be decided. Payments under way are carried by a worker, or
    not yet; their seconds are mean ages. `declined` cards of the last half minute, against `sold` tickets in it (None:
    not known). `provider_away`: some process spares it.
    """

    backlog_seconds: float = 0.0
    carried: int = 0
    carried_seconds: float = 0.0
    uncarried: int = 0
    uncarried_seconds: float = 0.0
    declined: int = 0
    sold: int | None = None
    provider_away: bool = False

    @property
    def paying(self) -> int:
        """Payments under way."""
        return self.carried + self.uncarried


@dataclass(frozen=True, slots=True)
class AutoRate:
    """Of the ceiling so many millionths; `strain` is the last decision's, what is usual is learnt in calm."""

    share_ppm: int = WHOLE_PPM
    because: Because = Because.NOTHING
    strain: float = 0.0
    usual_paying: float = 0.0
    looks: int = 0


def decided(state: AutoRate, signs: Signs, *, pay_seconds: int, rested: bool = True) -> AutoRate:
    """The state after one look; worse signs never give a higher share. Not `rested`: it was changed a moment ago."""
    strain, because = worst(state, signs, pay_seconds=pay_seconds)
    if because in STOPS:
        return replace(state, share_ppm=0, because=because)
    if not rested:
        return state
    # Who was let in before goes on coming: while it gets better what was taken away is enough.
    better = strain < state.strain and state.share_ppm < WHOLE_PPM
    if strain >= 1 and not better:
        share_ppm = int(state.share_ppm * max(KEPT_LEAST, 1 / (1 + strain)))
        return replace(state, share_ppm=share_ppm, because=because, strain=strain)
    state = replace(state if strain >= 1 else _learnt(state, signs), strain=strain)
    if strain >= CALM:
        # The reason stays, but for one that stops everything: that is over.
        return replace(state, because=because) if state.because in STOPS else state
    share_ppm = min(WHOLE_PPM, state.share_ppm + WHOLE_PPM // RECOVERY_STEPS)
    return replace(state, share_ppm=share_ppm, because=Because.RECOVERING if share_ppm < WHOLE_PPM else Because.NOTHING)


def per_minute(state: AutoRate, ceiling: int) -> int:
    """The rate in force under this ceiling; the floor holds unless checkout is down."""
    if state.because in STOPS:
        return 0
    return max(min(FLOOR_PER_MINUTE, ceiling), ceiling * state.share_ppm // WHOLE_PPM)


def worst(state: AutoRate, signs: Signs, *, pay_seconds: int) -> tuple[float, Because]:
    """The sign that is furthest beyond its limit: 1 is the limit; something that is down is infinite."""
    if signs.backlog_seconds >= DEAD_SECONDS:
        return math.inf, Because.LANE_DEAD
    waits = signs.uncarried_seconds if signs.uncarried >= UNCARRIED_LEAST else 0.0
    if waits >= DEAD_SECONDS and not signs.carried:
        return math.inf, Because.PAYMENTS_DEAD
    # One process may have had bad luck with five calls; where tickets are sold meanwhile, the provider is there.
    if signs.provider_away and not signs.sold:
        return math.inf, Because.PROVIDER_AWAY
    return max(
        (signs.backlog_seconds / BACKLOG_SECONDS, Because.LANE_BEHIND),
        (max(_waiting(signs, waits), _slowness(signs, pay_seconds)), Because.PAYMENTS_SLOW),
        (_piled_up(state, signs), Because.PAYMENTS_PILED_UP),
        (_failing(signs), Because.PAYMENTS_FAILING),
        key=lambda found: found[0],
    )


def _waiting(signs: Signs, waits: float) -> float:
    rounds = signs.uncarried / max(signs.carried, UNCARRIED_LEAST) if waits >= ROUND_SECONDS else 0.0
    return max(waits / UNCARRIED_SECONDS, rounds if rounds >= 1 else 0.0)


def _slowness(signs: Signs, pay_seconds: int) -> float:
    slow = min(SLOW_SECONDS, PAY_SHARE * pay_seconds)
    return signs.carried_seconds / slow if signs.carried >= SLOW_LEAST else 0.0


def _piled_up(state: AutoRate, signs: Signs) -> float:
    if state.looks < LEARNING_LOOKS:
        return 0.0
    return signs.paying / max(PILED_UP_LEAST, PILED_UP_TIMES * state.usual_paying)


def _failing(signs: Signs) -> float:
    if signs.provider_away:
        return 1.0
    if signs.sold is None or signs.declined < DECLINED_LEAST:
        return 0.0
    return signs.declined / (signs.declined + signs.sold) / DECLINED_SHARE


def _learnt(state: AutoRate, signs: Signs) -> AutoRate:
    """What is usual follows what is seen while nothing is strained: a mean of the first looks, then slowly."""
    if not signs.paying:
        return state
    looks = min(state.looks + 1, LEARNING_LOOKS)
    weight = 1 / looks if state.looks < LEARNING_LOOKS else USUAL_WEIGHT
    return replace(state, usual_paying=state.usual_paying + weight * (signs.paying - state.usual_paying), looks=looks)
