"""A sale report for people: one HTML file without a script, to be mailed, printed or put on a website."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from onsale.db.prices import decimals
from onsale.report.writing import WORDS, About, Written
from onsale.verify.verdict import SAYS

# Of what was done to the sale; the log has all of it.
ACTS_MAX = 200
KINDS = {
    "queue_changed": "The queue was set",
    "queue_opened": "The queue opened by itself",
    "queue_recovered": "The queue was restored from the record",
    "prices_changed": "Prices were changed",
    "price_terms_changed": "Fees and taxes were changed",
    "refund_rules_changed": "The rules for refunds were changed",
    "event_cancelled": "The event was cancelled",
    "refund_paid_elsewhere": "A refund was paid back in another way",
    "booking_failed": "A booking could not be decided",
    "booking_stuck": "A booking was stuck",
    "report_asked": "A report was asked for",
    "tiers_changed": "Price tiers were changed",
    "price_scheduled": "A price to come was set",
    "scheduled_price_cancelled": "A price to come was taken back",
    "scheduled_prices_applied": "A price that was set before came into force",
    "ticket_limits_changed": "The limits of tickets were changed",
    "codes_made": "Codes were made",
    "code_switched": "A code was switched off, or on again",
    "code_only_changed": "The sections that only a code opens were changed",
    "draw_announced": "A draw was announced",
    "draw_weights_published": "It was published who may count how often in the draw",
    "draw_withdrawn": "The draw was withdrawn",
    "draw_entries_closed": "The entries of the draw were closed",
    "draw_beacon": "The beacon of the draw was told",
    "draw_without_beacon": "The draw went without its beacon",
    "draw_held": "The draw was held",
    "draw_exported": "The list of the draw was exported",
    "rate_control_changed": "How the rate follows checkout was changed",
    "rate_followed": "The rate followed checkout",
    "waiting_list_began": "The waiting list began",
    "waiting_list_changed": "The waiting list was set",
    "guard_changed": "What keeps bots out was changed",
    "places_revoked": "Places were revoked",
    "revocation_undone": "A revocation was undone",
}


def page(written: Written, about: About, *, file: str) -> str:
    """The whole file, about the report of this name."""
    style = _style()
    policy = f"default-src 'none'; style-src '{_hash(style)}'; base-uri 'none'; form-action 'none'"
    verdict = about.verdict
    broken = [one.invariant for one in verdict.findings if one.ok is False]
    acts = written.tally.acts
    return _template().render(
        event=about.event,
        event_id=about.event.id,
        made_at=_moment(about.at),
        starts_at=_moment(about.event.starts_at),
        sale=written.totals["sale"],
        inversions=verdict.numbers["inversions"],
        rate_error=verdict.numbers["rate_error"],
        tickets=verdict.numbers["tickets"],
        findings=[(one.invariant, SAYS[one.invariant], WORDS[one.ok], one.ok) for one in verdict.findings],
        broken=broken,
        acts=[(act["at"], KINDS.get(act["kind"], act["kind"].replace("_", " ")), act) for act in acts[:ACTS_MAX]],
        more_acts=max(0, len(acts) - ACTS_MAX),
        head=written.totals["head"],
        key=written.key,
        file=file,
        style=style,
        policy=policy,
    )


def money(amount_minor: int, currency: str) -> str:
    """`45.00 EUR`."""
    digits = decimals(currency)
    units, rest = divmod(amount_minor, 10**digits)
    return f"{units:,}" + (f".{rest:0{digits}}" if digits else "") + f" {currency.upper()}"


def whole(number: int) -> str:
    return f"{number:,}"


def set_to(body: Mapping[str, object]) -> str:
    """What an act changed, in one line."""
    if body.keys() == {"from", "to"}:
        return _turned(body)
    said = []
    for name, value in sorted(body.items()):
        if isinstance(value, dict) and value.keys() == {"from", "to"}:
            said.append(f"{name.replace('_', ' ')}: {_turned(value)}")
        else:
            said.append(f"{name.replace('_', ' ')}: {_plain(value)}")
    return "; ".join(said)


def _turned(change: Mapping[str, object]) -> str:
    return f"{_plain(change['from'])} → {_plain(change['to'])}"


def _plain(value: object) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return ", ".join(f"{str(name).replace('_', ' ')} {_plain(each)}" for name, each in sorted(value.items()))
    return str(value)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _template() -> Template:
    loader = PackageLoader("onsale.report", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals |= {"money": money, "whole": whole, "set_to": set_to}
    return environment.get_template("page.html")


@cache
def _style() -> str:
    return (resources.files("onsale.report") / "templates" / "page.css").read_text(encoding="utf-8")
