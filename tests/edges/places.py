"""The places in Onsale's code where edges are: who commits, calls the bank and sends wake-ups, read off the source.

A place that no story passes has its reason here; a new one without either fails a test.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.edges.edges import ROOT

FOLDERS = ("web", "workers", "db", "onsale/payments", "onsale/report", "onsale/verify")
# They are named after their callers, as in `tests/edges/edges.py`; the provider's own calls are those of its callers.
NO_PLACES = ("db/engine.py", "db/migrations/", "payments/")
COMMITS = frozenset({"transaction", "make_sure"})

# By a place's name, or how the names of many begin (`web/`): nobody is killed there by a story.
AGAIN = "whoever asked sends it again, and no booking or money hangs on what comes between"
ROUND = "a round of a sweep: the next one finds in the record what this one left"
SEPARATE = "what is read off the record later, for others, and made anew when it was lost"
RECOVERS = "what takes over from the killed: a round that is killed itself is the next one's"
NOT_PASSED: Mapping[str, str] = {
    "web/auth.py": AGAIN,
    "web/codes.py": AGAIN,
    "web/dial.py": AGAIN,
    "web/drawing.py": AGAIN,
    "web/guarding.py": AGAIN,
    "web/handing_over.py": AGAIN,
    "web/pricing.py": AGAIN,
    "web/rate_control.py": AGAIN,
    "web/reminding.py": AGAIN,
    "web/sale_reports.py": AGAIN,
    "web/waiting_list.py": AGAIN,
    "web/weighing.py": AGAIN,
    "web/statuses.py": AGAIN,
    "web/refunding.py:set_rules": AGAIN,
    "web/booking.py:extend": AGAIN,
    "web/booking.py:returned": AGAIN,
    "web/booking.py:accept_booking": "a wake-up for who is in already; a lost one is sent again, as others are",
    "web/booking.py:_answer_again": "passed when a killed story is told again, which is the rest of the same story",
    "web/cards.py:saved": "the provider sends its webhook again; saving a card charges nothing",
    "web/api/webhooks.py:_disputed": "the provider sends its webhook again",
    "web/refunding.py:refund": "as cancel_paid, asked by staff: one statement, and the same wake-up",
    "web/refunding.py:say_paid": "staff press once more; it is written down then, and its letter found by the sweep",
    "web/refunding.py:try_again": "staff press once more; the refund is the same row",
    "workers/admissions.py": ROUND,
    "workers/chaining.py": ROUND,
    "workers/drawing.py": AGAIN,
    "workers/following.py": ROUND,
    "workers/journaling.py": ROUND,
    "workers/reminders.py": ROUND,
    "workers/revoking.py": ROUND,
    "workers/scheduled_prices.py": ROUND,
    "workers/stuck.py": ROUND,
    "workers/waiting.py": ROUND,
    "workers/waiting_lists.py": ROUND,
    "workers/changes.py": SEPARATE,
    "workers/reporting.py": SEPARATE,
    "workers/mail.py": "tests/services/test_mail.py kills it at each step",
    "workers/reconcile.py": RECOVERS,
    "workers/recovery.py": RECOVERS,
    "workers/resend.py": RECOVERS,
    "workers/expiry.py:_give_up": "the bank is away for a minute, which no story waits for",
    "workers/lanes.py:_fail": "a booking that makes its lane raise: there is none in a story",
    "workers/lanes.py:work_lane": "a lane with more than a story's one booking",
    "workers/payments.py:_release": "money taken at once, without being reserved first, for tickets that are gone: "
    "a transfer that came too late, of which tests/services/test_later_outcomes.py tells",
    "workers/cancellations.py:_end_paying": "as a buyer's own cancellation while the bank asks",
    "workers/paid_elsewhere.py:_doubt": "a refund that a bank sent back: its payment stays marked until it was heard",
    "workers/refunds.py:_made": "the bank is asked what it made under a key that is older than a day",
    "workers/refunds.py:_note": "a refund that the bank makes later: of transfers, where a webhook tells its end",
    "workers/refunds.py:_settle": "a refund that a bank refused, once more: from the record, at its own time",
    "workers/refunds.py:_refused": "a bank that refuses: tried again by its own time, from the record",
    "db/change_outbox.py": SEPARATE,
    "report/": SEPARATE,
    "verify/": "reads; what it commits is nothing",
}


def places() -> frozenset[str]:
    """Every place there is: `commit of web/booking.py:pay`."""
    found = set()
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            name = str(path.relative_to(ROOT)).removeprefix("onsale/")
            if not name.startswith(NO_PLACES):
                found |= {f"{kind} of {name}:{function}" for kind, function in _edges_in(path)}
    return frozenset(found)


def reason(place: str) -> str | None:
    """Why no story passes it; None when none is given."""
    return next((why for begins, why in NOT_PASSED.items() if _where(place).startswith(begins)), None)


def unused(of: frozenset[str]) -> set[str]:
    """Reasons for none of these places."""
    return {begins for begins in NOT_PASSED if not any(_where(place).startswith(begins) for place in of)}


def _where(place: str) -> str:
    return place.partition(" of ")[2]


def _edges_in(path: Path) -> Iterator[tuple[str, str]]:
    yield from _calls(ast.parse(path.read_text(encoding="utf-8")), "<module>")


def _calls(node: ast.AST, function: str) -> Iterator[tuple[str, str]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and (kind := _kind(ast.unparse(child.func))):
            yield kind, function
        yield from _calls(child, child.name if isinstance(child, ast.FunctionDef) else function)


def _kind(called: str) -> str | None:
    last = called.rpartition(".")[2]
    if last in COMMITS:
        return "commit"
    if ".provider." in called:
        return "call"
    return "wake-up" if last.startswith("wake_") else None
