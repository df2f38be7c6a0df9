"""Whether a visitor is ready for their turn: a short list of what is done and what to do, drawn by the server.

What only the browser knows (its clock, whether it may notify) is added by `readiness.js`.
"""

from __future__ import annotations

from dataclasses import dataclass

from onsale.db import readiness
from onsale.db.engine import reading
from onsale.errors import OnsaleError
from onsale.web import auth
from onsale.web.box_office import BoxOffice


@dataclass(frozen=True)
class Check:
    """One thing to have ready; `endpoint` is the page where it is done, if there is one."""

    ok: bool
    words: str
    what_to_do: str = ""
    endpoint: str = ""


def checks(office: BoxOffice) -> tuple[Check, ...]:
    """What this visitor has ready; nothing while the record is away, which stops nobody from waiting."""
    visitor = auth.buyer_if_any()
    if visitor is None:
        return ()
    try:
        with reading(office.engine) as connection:
            found = readiness.of_buyer(connection, visitor.id)
    except OnsaleError:
        return ()
    sign_up = "" if found.account else "accounts.sign_up"
    return (
        Check(
            found.account,
            "Signed in to an account" if found.account else "You are here as a guest",
            "" if found.account else "Your place is on this device alone. Make an account and it goes with you.",
            sign_up,
        ),
        Check(
            found.address,
            "We have your e-mail address" if found.address else "We have no e-mail address of yours",
            "" if found.address else "Tickets are on the page of your booking; with an address they come by mail too.",
        ),
        Check(
            found.card,
            "A card is saved" if found.card else "No card is saved",
            "" if found.card else "Have one at hand: from your turn on, minutes count.",
        ),
    )
