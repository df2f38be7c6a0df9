"""3-D Secure: the bank's page between a buyer and a payment, which here has two buttons."""

from __future__ import annotations

import secrets
from urllib.parse import urlencode, urlsplit, urlunsplit

from onsale.sandbox.stripe_simulator.call import Call
from onsale.sandbox.stripe_simulator.cards import Authentication, TestCard
from onsale.sandbox.stripe_simulator.errors import Thing

PATH = "/_simulator/authenticate/"
# The address alone lets somebody decide, so it must not be guessed.
ATTEMPT_BYTES = 24


def wanted(card: TestCard, *, off_session: bool, set_up: bool) -> bool:
    """Whether the bank asks for the cardholder."""
    match card.authentication:
        case Authentication.NEVER:
            return False
        case Authentication.ALWAYS:
            return True
        case Authentication.UNLESS_SET_UP:
            return not (off_session and set_up)
        case Authentication.ON_SESSION:
            return not off_session


def begin(call: Call, intent: Thing, method: Thing) -> Thing:
    """Ask for the cardholder: the intent waits with the page's address in `next_action`."""
    attempt = {
        "id": f"payatt_{secrets.token_hex(ATTEMPT_BYTES)}",
        "object": "authentication",
        "intent": intent["id"],
        "payment_method": method["id"],
        "return_url": call.params.url("return_url"),
    }
    call.tx.add(attempt)
    # The latest attempt counts: an older page must decide nothing any more.
    call.tx.hide(intent["id"], attempt["id"])
    return {
        "type": "redirect_to_url",
        "redirect_to_url": {"return_url": attempt["return_url"], "url": f"{call.base_url}{PATH}{attempt['id']}"},
    }


def way_back(attempt: Thing, intent: Thing, *, succeeded: bool) -> str | None:
    """Where the buyer goes afterwards, with the parameters that Stripe adds; None when the shop named no address."""
    if attempt["return_url"] is None:
        return None
    name = str(intent["object"])
    added = {
        name: intent["id"],
        f"{name}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded" if succeeded else "failed",
    }
    parts = urlsplit(attempt["return_url"])
    query = "&".join(filter(None, (parts.query, urlencode(added))))
    return urlunsplit(parts._replace(query=query))
