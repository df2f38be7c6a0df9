"""The search page: every filter is in the address, so a search can be kept, shared, reloaded, and gone back to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

from flask import Blueprint, render_template, request, url_for

from onsale.errors import BadRequest
from onsale.search import HITS_MAX, Counted, Facets, Hit, PriceBand, SearchPage, SearchQuery, Sort
from onsale.search.highlighting import Highlights, highlights
from onsale.web.box_office import box_office
from onsale.web.pages import atlas, search_form, shows
from onsale.web.pages.search_form import FIELDS, LIST, MAP, SearchForm, month_words, price_words

search = Blueprint("search", __name__)

# Each way out of an empty page is a search of its own.
WAYS_OUT_MAX = 6
COMING_MAX = 4
SORTS = (("", "Best match"), (Sort.DATE.value, "Date"), (Sort.DISTANCE.value, "Distance"))


@dataclass(frozen=True)
class Result:
    """A show of the page, with what of it was asked for."""

    show: Hit
    marked: Highlights


@dataclass(frozen=True)
class Choice:
    """A box to tick: the value in the address, its words, and how many shows it leaves."""

    value: str
    words: str
    count: int
    chosen: bool


@dataclass(frozen=True)
class Link:
    """Somewhere to go from here."""

    words: str
    url: str
    shows: int | None = None


@search.get("/search")
def show() -> str:
    """What matches; an empty search lists every coming show."""
    form = search_form.read(request.args)
    page = None
    if not form.wrong:
        try:
            page = box_office().shows.search(form.query())
        except BadRequest as error:
            field = error.field or "q"
            form = replace(form, wrong={FIELDS.get(field, field): str(error)})
    found = page or SearchPage((), 0, None)
    return render_template(
        "search.html",
        form=form,
        results=_results(found, form.query()) if page else (),
        phases=shows.front().phases,
        found_words=_found_words(page),
        choices=_choices(form, page.facets if page else None),
        sorts=[each for each in SORTS if form.near or each[0] != Sort.DISTANCE],
        filtered=[Link(words, _url(without)) for words, without in form.filtered()],
        clear_url=_url(SearchForm(q=form.q, view=form.view)),
        views=[(view, Link(view.capitalize(), _url(replace(form, view=view, after="")))) for view in (LIST, MAP)],
        atlas=atlas.draw(found.hits) if form.view == MAP else None,
        at_venue=lambda venue: _url(replace(form, location=venue, view=LIST, after="")),
        first_url=_url(replace(form, after="")),
        next_url=_url(replace(form, after=found.next_cursor)) if found.next_cursor else "",
        ways_out=list(islice(_ways_out(form), WAYS_OUT_MAX)) if page and not page.hits else [],
        coming=shows.front().coming[:COMING_MAX] if page and not page.hits else (),
    )


def _url(form: SearchForm) -> str:
    return url_for("search.show", **form.parameters())  # type: ignore[arg-type]  # Flask types values as Any.


def _results(page: SearchPage, query: SearchQuery) -> list[Result]:
    return [Result(hit, highlights(hit, query)) for hit in page.hits]


def _choices(form: SearchForm, facets: Facets | None) -> dict[str, list[Choice]]:
    """The boxes of each filter: what the facets offer, and what is ticked though nothing is left with it."""
    found = facets or Facets((), (), (), ())
    return {
        "genre": _boxes(found.genres, form.genres),
        "city": _boxes(found.cities, form.cities),
        "month": [replace(box, words=month_words(box.value)) for box in _boxes(found.months, form.months)],
        "price": [_price(band, form.price) for band in found.prices],
    }


def _boxes(counted: Iterable[Counted], chosen: tuple[str, ...]) -> list[Choice]:
    boxes = [Choice(one.value, one.value, one.count, one.value in chosen) for one in counted]
    known = {box.value for box in boxes}
    return [Choice(value, value, 0, True) for value in chosen if value not in known] + boxes


def _price(band: PriceBand, chosen: str) -> Choice:
    value = f"{band.min_minor}-{'' if band.max_minor is None else band.max_minor}"
    return Choice(value, price_words(value), band.count, value == chosen)


def _ways_out(form: SearchForm) -> Iterator[Link]:
    """Searches with one filter less that do find something."""
    words_too = [(form.q, replace(form, q="", after=""))] if form.q else []
    for words, without in islice(chain(form.filtered(), words_too), WAYS_OUT_MAX):
        total = box_office().shows.search(replace(without.query(), facets=False, page_size=1)).total
        if total:
            yield Link(f"Without “{words}”", _url(without), total)


def _found_words(page: SearchPage | None) -> str:
    if page is None:
        return "Nothing searched yet"
    if not page.total_is_exact:
        return f"More than {HITS_MAX:,} shows"
    return {0: "No shows", 1: "1 show"}.get(page.total, f"{page.total:,} shows")
