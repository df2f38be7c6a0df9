"""Says in words why fewer come in than was set; everybody in the queue reads it. Pure."""

from __future__ import annotations

from onsale.queue.auto_rate import STOPS, Because

WORDS = {
    Because.LANE_BEHIND: "Bookings are decided slowly",
    Because.LANE_DEAD: "Bookings are not being decided",
    Because.PAYMENTS_SLOW: "The payment provider answers slowly",
    Because.PAYMENTS_PILED_UP: "More payments than usual are under way",
    Because.PAYMENTS_FAILING: "Many payments fail",
    Because.PAYMENTS_DEAD: "Payments are not being carried on",
    Because.PROVIDER_AWAY: "The payment provider does not answer",
    Because.RECOVERING: "Checkout has caught up",
    Because.RAMP: "The organiser lets people in step by step",
    Because.RECORD_AWAY: "Bookings cannot be taken for the moment",
}


def why(because: str, *, per_minute: int, ceiling: int) -> str:
    """One sentence; empty where as many come in as was set."""
    if not because or (per_minute >= ceiling and because not in STOPS):
        return ""
    said = WORDS[Because(because)]
    if per_minute == 0 and because == Because.RAMP:
        return f"{said}: nobody for the moment."
    if per_minute == 0:
        return f"{said}: nobody is let in until that is over."
    if because == Because.RECOVERING:
        return f"{said}: letting in {per_minute:,} a minute and soon more, up to {ceiling:,}."
    return f"{said}: letting in {per_minute:,} instead of {ceiling:,} a minute."
