"""What the queue page says of wait and chances; web/static/js/queue_words.js says the same."""

from __future__ import annotations

from datetime import datetime

from onsale.queue.odds import Odds
from onsale.queue.outlook import Cause

CAUSES = {
    Cause.PAUSED: "The organiser paused the queue",
    Cause.ORGANISER: "The organiser lets people in more slowly",
    Cause.STOPPED: "The organiser lets nobody in for now",
    Cause.FASTER: "The organiser lets people in faster",
    Cause.CHECKOUT: "People take longer to choose and pay",
    Cause.RETURNS: "People whose turn had passed came back, and take half of the turns",
    Cause.TICKETS: "As many are choosing as there are tickets free",
    Cause.PRESENT: "Fewer of those ahead are away than it looked",
    Cause.RECOVERED: "The queue was restored after a fault",
    Cause.SLOWER: "Fewer come in than the rate allows",
}
ROUGH = "Few have finished yet, so how long people stay inside is an estimate: the wait may still change."
ODDS = {
    Odds.VERY_LIKELY: "very likely",
    Odds.LIKELY: "likely",
    Odds.UNLIKELY: "unlikely",
    Odds.NONE_LEFT: "none left for your number",
}


def cause_words(cause: str, since: datetime | None) -> str:
    """Why the wait is told anew, and since when."""
    words = CAUSES.get(Cause(cause))
    return f"{words} (since {since:%H:%M} UTC)." if words and since else ""


def odds_words(odds: Odds | None, held: int | None) -> str:
    """The chances in a few words."""
    if odds is None:
        return "not known yet"
    more = ", some are held and may come back" if odds is Odds.NONE_LEFT and held else ""
    return ODDS[odds] + more
