"""The page of one show: what, when, where, the prices, the house, and how its sale stands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from flask import Blueprint, render_template
from werkzeug.datastructures import MultiDict

from onsale.db.catalogue import Event, Section
from onsale.db.sections import PriceAhead
from onsale.db.tiers import ShownTier
from onsale.db.wishes import Wish
from onsale.errors import BadRequest, OnsaleError
from onsale.web.box_office import BoxOffice, box_office
from onsale.web.pages import (
    codes,
    house,
    places,
    price_words,
    sales,
    shows,
    test_cards,
    tier_choice,
    waiting_list,
    words,
)

events = Blueprint("events", __name__)

COPIED = ("id", "name", "kind", "total_minor", "each_minor", "tiers", "ahead", "totals_minor")
PLACED = ("map_x", "map_y", "map_w", "map_h")
BEFORE_THE_END = ("pre_queue", "open", "paused", "all_held")


@dataclass(frozen=True)
class SectionNow:
    """A section with what is left of it; `free` is None where nobody knows."""

    section: Section
    free: int | None
    id: int = field(init=False)
    name: str = field(init=False)
    kind: str = field(init=False)
    total_minor: int = field(init=False)
    each_minor: int = field(init=False)
    map_x: int = field(init=False)
    map_y: int = field(init=False)
    map_w: int = field(init=False)
    map_h: int = field(init=False)
    tiers: tuple[ShownTier, ...] = field(init=False)
    ahead: tuple[PriceAhead, ...] = field(init=False)
    totals_minor: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        for name in COPIED + PLACED:
            object.__setattr__(self, name, getattr(self.section, name))


@dataclass(frozen=True)
class WishForm:
    """The wish form as it is filled in."""

    section: int | None = None
    quantity: int = 2
    max_price: str = ""
    together: bool = True


@events.get("/events/<int:event_id>")
def show(event_id: int) -> str:
    """One show."""
    office = box_office()
    event = shows.event(event_id)
    mine = codes.kept_codes(office, event)
    event = codes.offered(event, mine)
    sale = sales.sale_if_known(office, event.id)
    sections = sections_now(office, event)
    place = places.place_if_known(office, event.id)
    return render_template(
        "event.html",
        event=event,
        sale=sale,
        mine=place,
        codes=mine,
        early=codes.may_come_early(mine),
        house=house.draw(sections),
        price_rows=house.price_rows(sections),
        prices=prices_of(event),
        # In a draw there is no number yet to book under: it would be refused.
        handsfree_open=bool(
            sale and sale.enabled and sale.phase in BEFORE_THE_END and not (sale.draw and sale.draw.pending)
        ),
        sections=sections,
        methods=test_cards.cards(office.config),
        wish=WishForm(quantity=min(2, event.tickets_per_buyer)),
        reminded=waiting_list.reminders_of(office, event) if sale and sale.phase == "scheduled" else (),
        notices=office.notices.known(event.id),
    )


@dataclass(frozen=True)
class Prices:
    """From the cheapest ticket to the dearest; None for a show without sections."""

    low: int | None
    high: int | None


def prices_of(event: Event) -> Prices:
    """The range of an event's prices, with fees and taxes."""
    each = [total for section in event.sections for total in section.totals_minor]
    return Prices(min(each, default=None), max(each, default=None))


def sections_now(office: BoxOffice, event: Event) -> list[SectionNow]:
    """The sections with what is left; when nobody can say, the page comes without."""
    try:
        free = {each.section_id: each.free for each in office.availabilities.of(event.id).sections}
    except OnsaleError:
        free = {}
    return [SectionNow(section, free.get(section.id)) for section in event.sections]


def wishes_from(form: MultiDict[str, str], event: Event) -> tuple[Wish, ...]:
    """What a wish form asks for, the dearest wish first. BadRequest says what does not fit."""
    section_text = form.get("section", "")
    section = int(section_text) if section_text.isascii() and section_text.isdigit() else None
    tiers = tier_choice.asked(form, event)
    quantity_text = str(len(tiers)) if "count" in form else form.get("quantity", "")
    if not (quantity_text.isascii() and quantity_text.isdigit() and 1 <= int(quantity_text) <= event.tickets_per_buyer):
        raise BadRequest(f"Choose between 1 and {event.tickets_per_buyer} tickets.", field="quantity")
    if section_text and section not in {each.id for each in event.sections}:
        raise BadRequest("Choose a section of this house.", field="section")
    try:
        most = words.minor_from(form.get("max_price", ""), event.currency)
    except ValueError as error:
        raise BadRequest(f"The highest price per ticket: {error}.", field="max_price") from None
    together = form.get("together") == "1"
    shown = price_words.shown(form, event)
    wish = Wish(quantity=int(quantity_text), section_id=section, max_price_minor=most, together=together)
    wish = replace(wish, tiers=tiers if any(tiers) else ())
    anywhere = replace(wish, section_id=None, expected_total_minor=shown.anywhere(wish.quantity, wish.tiers))
    if section is None:
        return (anywhere,)
    wish = replace(wish, expected_total_minor=shown.in_section(section, wish.quantity, wish.tiers))
    # The nearest thing: as many as good as there are elsewhere, within the same price.
    return (wish, anywhere) if form.get("or_similar") == "1" else (wish,)
