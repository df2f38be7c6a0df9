"""Draws a letter: a subject, a text and an HTML that says the same, from words that are ready to be shown.

Nothing an organiser or a buyer typed can become markup, a header or a second line.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

SUBJECT_CHARACTERS_MAX = 150
# Emoji and some scripts are joined by these; every other invisible character can turn a line around or hide a part.
_JOINERS = frozenset("\u200c\u200d")


@dataclass(frozen=True, slots=True)
class TicketLine:
    """A ticket: where, and what it cost."""

    place: str
    price: str


@dataclass(frozen=True, slots=True)
class PriceLine:
    """A part of a total: what it is, and how much."""

    word: str
    price: str


@dataclass(frozen=True, slots=True)
class Show:
    """What the buyer goes to."""

    name: str
    when: str
    venue: str
    organiser: str


@dataclass(frozen=True, slots=True)
class Contents:
    """All that a letter says. `link` is the booking's page: it shows nothing to whoever is not its buyer.

    `kept`: what of the price was not given back, if anything, and `fee_kept`: the booking's fee, if that was not;
    `reason`: why an event is cancelled. `elsewhere`: what was given back past the card, and how; `to_card`: the rest.
    `free`: there was nothing to pay. `until` and `declined` are for a buyer who is needed: how long the hold lasts, and
    whether the card was refused (else the bank asks for a confirmation). `codes`: what each code took off the prices
    of the tickets, which are told without it. `booking_fee` is a line beside the tickets; `within` says what of the
    total is no ticket.
    """

    show: Show
    tickets: tuple[TicketLine, ...]
    total: str
    link: str
    reference: str
    free: bool = False
    until: str = ""
    declined: bool = False
    codes: tuple[PriceLine, ...] = ()
    booking_fee: str = ""
    within: tuple[PriceLine, ...] = ()
    kept: str = ""
    fee_kept: str = ""
    elsewhere: tuple[PriceLine, ...] = ()
    to_card: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """All that a letter about no booking says. `stop` is where its reader ends such letters.

    `until`: how long an offer is kept, or when the sale opens; empty for whoever was away when a ticket came back.
    """

    show: Show
    link: str
    stop: str
    until: str = ""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A letter, drawn."""

    subject: str
    text: str
    html: str


def draw(kind: str, contents: Contents) -> Drawn:
    """The letter of this kind (the name of its templates); a word the templates do not know is an error."""
    words = {
        "show": contents.show,
        "tickets": contents.tickets,
        "codes": contents.codes,
        "booking_fee": contents.booking_fee,
        "within": contents.within,
        "total": contents.total,
        "link": contents.link,
        "reference": contents.reference,
        "free": contents.free,
        "until": contents.until,
        "declined": contents.declined,
        "kept": contents.kept,
        "fee_kept": contents.fee_kept,
        "elsewhere": contents.elsewhere,
        "to_card": contents.to_card,
        "reason": contents.reason,
    }
    return _letter(kind, words)


def draw_notice(kind: str, notice: Notice) -> Drawn:
    """The letter of this kind, about no booking."""
    words = {"show": notice.show, "link": notice.link, "stop": notice.stop, "until": notice.until}
    return _letter(kind, words)


def _letter(kind: str, words: dict[str, object]) -> Drawn:
    subject = _drawn(f"{kind}.subject.txt", words)
    return Drawn(
        subject=one_line(subject)[:SUBJECT_CHARACTERS_MAX],
        text=_drawn(f"{kind}.txt", words).strip() + "\n",
        html=_drawn(f"{kind}.html", words | {"subject": one_line(subject)}),
    )


def one_line(text: str) -> str:
    """The text on one line, without the characters that end one, turn one around or cannot be seen."""
    spaced = "".join(" " if unicodedata.category(one) in ("Cc", "Zl", "Zp") else one for one in text)
    seen = (one for one in spaced if one in _JOINERS or unicodedata.category(one) not in ("Cf", "Cs", "Co"))
    # Not a no-break space: that one is meant.
    return " ".join(part for part in "".join(seen).split(" ") if part)


def _drawn(template: str, words: dict[str, object]) -> str:
    return _environment().get_template(template).render(words)


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("onsale.mail"),
        # A letter's text is no HTML: escaped there, `Rock & Roll` would read `Rock &amp; Roll`.
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["one_line"] = one_line
    return made
