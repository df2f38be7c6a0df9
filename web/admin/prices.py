"""The console's page about prices: sections and their tiers, prices to come, fees and tax, and limits of tickets."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, flash, make_response, render_template, request

from onsale.db.ids import EventId
from onsale.db.price_schedule import NewScheduled
from onsale.db.price_terms import WHOLE_BP
from onsale.db.ticket_limits import LIMIT_MAX
from onsale.db.tiers import TIERS_MAX, Tier
from onsale.errors import BadRequest, NotSignedIn, OnsaleError
from onsale.web import auth, pricing
from onsale.web.admin import console
from onsale.web.box_office import box_office
from onsale.web.pages import going, words

prices = Blueprint("console_prices", __name__, url_prefix="/admin/events/<int:event_id>/prices")
prices.register_error_handler(NotSignedIn, console.ask_to_sign_in)

# Rows of the form beside the tiers that there are.
MORE_TIERS = 3
AMOUNTS = ("ticket_fee_minor", "booking_fee_minor")
RATES = ("ticket_fee_bp", "tax_bp")
SWITCHES = ("ticket_fee_included", "tax_included", "fees_taxed")
LIMITS = ("tickets_per_card", "tickets_per_address")


@prices.get("")
def show(event_id: int) -> Response:
    """What is asked for tickets now and later; `section` opens one to change."""
    office, member = box_office(), auth.current_staff()
    event = pricing.prices(office, EventId(event_id), member)
    asked = request.args.get("section", type=int)
    names = {section.id: section.name for section in event.sections}
    page = render_template(
        "admin/prices.html",
        member=member,
        event=event,
        may_change=member.may_change,
        section=next((each for each in event.sections if each.id == asked), None),
        names=names,
        scheduled=pricing.scheduled(office, event.id, member),
        limits=pricing.limits(office, event.id, member),
        more_tiers=MORE_TIERS,
        tiers_max=TIERS_MAX,
    )
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


@prices.post("/terms")
def set_terms(event_id: int) -> Response:
    """Fees and tax."""
    return _done(event_id, lambda: _change(event_id, terms=_terms(event_id)), "Fees and tax are in force.")


@prices.post("/section")
def set_section(event_id: int) -> Response:
    """What a section costs, or its tiers."""
    return _done(event_id, lambda: _set_section(event_id), "The price is in force. Who has tickets keeps theirs.")


@prices.post("/schedule")
def schedule(event_id: int) -> Response:
    """A price from a moment on."""
    return _done(event_id, lambda: _schedule(event_id), "The price will change by itself. Buyers are told.")


@prices.post("/unschedule")
def unschedule(event_id: int) -> Response:
    """Leave the price as it is."""
    words_ = "It is cancelled: the price stays as it is."
    return _done(event_id, lambda: _unschedule(event_id), words_)


@prices.post("/limits")
def set_limits(event_id: int) -> Response:
    """How many tickets one card and one network address may have."""
    return _done(event_id, lambda: _set_limits(event_id), "The limits are in force. Who has tickets keeps them.")


def _done(event_id: int, do: Callable[[], object], words_: str) -> Response:
    section = request.form.get("section", type=int)
    try:
        do()
    except OnsaleError as error:
        return going.back(error, "console_prices.show", event_id=event_id, section=section)
    flash(words_, "good")
    return going.to("console_prices.show", event_id=event_id, section=section)


def _change(event_id: int, **changes: Any) -> None:
    wanted = {"terms": {}, "prices_minor": {}, **changes}
    pricing.change(box_office(), EventId(event_id), auth.current_staff(), **wanted)


def _terms(event_id: int) -> dict[str, Any]:
    currency = _currency(event_id)
    terms: dict[str, Any] = {name: _amount(name, currency) or 0 for name in AMOUNTS}
    terms |= {name: _rate(name) for name in RATES}
    return terms | {name: request.form.get(name) == "yes" for name in SWITCHES}


def _set_section(event_id: int) -> None:
    """Rows with a name are tiers; a first row without one is the section's one price."""
    currency, section_id = _currency(event_id), _section()
    rows = [
        (name.strip(), price.strip(), most.strip())
        for name, price, most in zip(
            request.form.getlist("name"), request.form.getlist("price"), request.form.getlist("most"), strict=False
        )
    ]
    filled = [row for row in rows if any(row)]
    if not filled:
        raise BadRequest("Give a price.", field="price")
    if len(filled) == 1 and not filled[0][0]:
        price = _typed("price", filled[0][1], currency)
        if price is None:
            raise BadRequest("Give a price.", field="price")
        _change(event_id, tiers_of={section_id: ()}, prices_minor={section_id: price})
        return
    tiers = []
    for name, price_text, most in filled:
        price = _typed("price", price_text, currency)
        if not name or price is None:
            raise BadRequest("Each kind of ticket has a name and a price.", field="name")
        tiers.append(Tier(name, price, _whole("most", most)))
    _change(event_id, tiers_of={section_id: tiers})


def _schedule(event_id: int) -> None:
    price = _amount("price", _currency(event_id))
    if price is None:
        raise BadRequest("Give a price.", field="price")
    new = NewScheduled(_section(), request.form.get("tier") or None, price, _moment())
    pricing.schedule(box_office(), EventId(event_id), auth.current_staff(), new)


def _unschedule(event_id: int) -> None:
    scheduled_id = _whole("scheduled", request.form.get("scheduled", ""))
    pricing.unschedule(box_office(), EventId(event_id), auth.current_staff(), scheduled_id or 0)


def _set_limits(event_id: int) -> None:
    wanted = {name: _whole(name, request.form.get(name, "").strip()) for name in LIMITS}
    if any(most is not None and not 1 <= most <= LIMIT_MAX for most in wanted.values()):
        raise BadRequest(f"A limit is 1 to {LIMIT_MAX:,} tickets, or nothing for none.", field="limits")
    pricing.limit(box_office(), EventId(event_id), auth.current_staff(), wanted)


def _currency(event_id: int) -> str:
    return pricing.prices(box_office(), EventId(event_id), auth.current_staff()).currency


def _section() -> int:
    found = request.form.get("section", type=int)
    if found is None:
        raise BadRequest("Choose a section.", field="section")
    return found


def _amount(name: str, currency: str) -> int | None:
    return _typed(name, request.form.get(name, ""), currency)


def _typed(name: str, text: str, currency: str) -> int | None:
    """An amount as it is typed; None: nothing is."""
    try:
        return words.minor_from(text, currency)
    except ValueError as error:
        raise BadRequest(f"{text!r} is no amount: {error}.", field=name) from None


def _rate(name: str) -> int:
    """Per cent as they are typed, with up to two places, in basis points."""
    try:
        found = words.minor_from(request.form.get(name, ""), "eur") or 0
    except ValueError:
        raise BadRequest("A rate looks like 19 or 8.25.", field=name) from None
    if found > WHOLE_BP:
        raise BadRequest("A rate is at most 100 %.", field=name)
    return found


def _whole(name: str, text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise BadRequest("Give a whole number.", field=name)
    return int(text)


def _moment() -> datetime:
    """A date and a time as a form gives them, in UTC."""
    try:
        return datetime.fromisoformat(request.form.get("due_at", "")).replace(tzinfo=UTC)
    except ValueError:
        raise BadRequest("Give a day and a time, as 2030-12-01 10:00.", field="due_at") from None
