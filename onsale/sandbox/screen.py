"""The one screen `onsale run` ends its start with: where to look, as whom, and what to try."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from onsale.sandbox.passwords import ADMIN, BUYER


@dataclass(frozen=True)
class Facts:
    """What the screen tells."""

    web: str
    # Empty when payments go to a real Stripe.
    simulator: str
    folder: Path
    passwords: Path
    # Where letters go: a folder, or a server without its password.
    mail: str
    crowd: bool
    seconds: float


CARDS = """\
  4242 4242 4242 4242  pays          pm_card_visa
  4000 0000 0000 0002  declined      pm_card_chargeDeclined
  4000 0000 0000 9995  no funds      pm_card_chargeDeclinedInsufficientFunds
  4000 0000 0000 3220  3-D Secure    pm_card_threeDSecure2Required"""


def screen(facts: Facts) -> str:
    """The screen, as text; at most 80 columns, so that it never wraps."""
    payments = f"{facts.simulator}   every payment, and faults to try" if facts.simulator else "your Stripe account"
    crowd = (
        "A demo crowd is queueing with you (CROWD=0 leaves it out)."
        if facts.crowd
        else "No demo crowd: you are alone. `onsale crowd` sends one."
    )
    return f"""
{_rule(f" Onsale is running ({facts.seconds:.1f} s) ")}

  Start here      {facts.web}/demo
  Buyer           {BUYER}, or just come in as a guest
  Admin           {ADMIN} at {facts.web}/admin
  Passwords       {shown_path(facts.passwords)}
  API             {facts.web}/v1/docs
  Payments        {payments}
  Mail            {facts.mail}
  Logs            {shown_path(facts.folder / "logs")}

Test cards (the pages and the API take them by name)
{CARDS}

Try next
  1. Join the queue of the show that is selling now; watch people ahead go down.
  2. In another window, as the admin, turn its rate up and down.
  3. Be there when the other one opens, a minute from now.
  4. In a second terminal: onsale config, onsale --help
{crowd}

{_rule(" Ctrl-C stops everything ")}
"""


def _rule(title: str) -> str:
    return f"{title:─^80}"


def shown_path(path: Path) -> str:
    """The path as one would type it from here."""
    here = Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else str(path)
