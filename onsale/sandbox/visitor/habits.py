"""What kinds of simulated buyers there are, and how often each comes. Pure; the chance is passed in.

Most want tickets, choose, and pay. The others are what every onsale has: cards that are declined, people who walk away
with tickets in their basket, who press twice, reload, close the tab and come back, or book before their turn.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum

GOOD_CARD = "pm_card_visa"
# One whose bank wants to see its holder first (3-D Secure).
GUARDED_CARD = "pm_card_threeDSecure2Required"
REFUSED_CARDS = ("pm_card_visa_chargeDeclined", "pm_card_visa_chargeDeclinedInsufficientFunds")
PARTY_SIZES = (1, 2, 2, 2, 3, 4)


class Ending(StrEnum):
    """What a buyer does once tickets are within reach."""

    PAYS = "pays"
    # With one card that is declined and then a good one.
    DECLINED_FIRST = "declined_first"
    # Cancels what is held.
    CANCELS = "cancels"
    # Says nothing any more, with tickets held: the hold must run out by itself.
    ABANDONS = "abandons"
    # Gives the place up before choosing.
    LEAVES = "leaves"


@dataclass(frozen=True)
class Shares:
    """Of all buyers, which part is like this (0 to 1); the rest waits, chooses once and pays."""

    declined_first: float = 0.08
    cancels: float = 0.03
    abandons: float = 0.04
    leaves: float = 0.02
    double_clicks: float = 0.10
    # Books in two tabs at once, each with a key of its own: one admission must give one hold.
    two_tabs: float = 0.05
    reloads: float = 0.10
    # Closes the tab while waiting and comes back later.
    goes_away: float = 0.05
    hands_free: float = 0.10
    # Pays with a card whose bank asks who is there; only the simulator's bank takes a click for an answer.
    authenticates: float = 0.0
    # Points at seats on the map instead of taking the best available.
    points_at_seats: float = 0.30

    def __post_init__(self) -> None:
        """Refuse a share outside 0 to 1, and endings that add up to more than everybody."""
        for each in fields(self):
            if not 0 <= getattr(self, each.name) <= 1:
                raise ValueError(f"the share {each.name} wants a number from 0 to 1")
        if self.declined_first + self.cancels + self.abandons + self.leaves > 1:
            raise ValueError("the shares declined_first, cancels, abandons and leaves add up to more than 1")

    def endings(self) -> Mapping[Ending, float]:
        """How likely each ending is."""
        rare = {
            Ending.DECLINED_FIRST: self.declined_first,
            Ending.CANCELS: self.cancels,
            Ending.ABANDONS: self.abandons,
            Ending.LEAVES: self.leaves,
        }
        return {Ending.PAYS: 1 - sum(rare.values()), **rare}


@dataclass(frozen=True)
class Habits:
    """What one buyer is like."""

    ending: Ending = Ending.PAYS
    party: int = 2
    double_clicks: bool = False
    two_tabs: bool = False
    reloads: bool = False
    goes_away: bool = False
    hands_free: bool = False
    points_at_seats: bool = False
    authenticates: bool = False

    @property
    def card(self) -> str:
        """The card that pays in the end."""
        return GUARDED_CARD if self.authenticates else GOOD_CARD


PLAIN = Habits()


def habits(chance: random.Random, shares: Shares) -> Habits:
    """One buyer's habits; the same chance gives the same buyer."""
    endings = shares.endings()
    ending = chance.choices(list(endings), list(endings.values()))[0]
    hands_free = chance.random() < shares.hands_free
    return Habits(
        # Booked before the turn, with a card: there is nothing to leave or abandon.
        ending=ending if not hands_free or ending in (Ending.PAYS, Ending.DECLINED_FIRST) else Ending.PAYS,
        party=chance.choice(PARTY_SIZES),
        double_clicks=chance.random() < shares.double_clicks,
        two_tabs=not hands_free and chance.random() < shares.two_tabs,
        reloads=chance.random() < shares.reloads,
        goes_away=not hands_free and chance.random() < shares.goes_away,
        hands_free=hands_free,
        points_at_seats=chance.random() < shares.points_at_seats,
        authenticates=chance.random() < shares.authenticates,
    )
