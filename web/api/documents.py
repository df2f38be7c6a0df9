"""The documents the API answers with, and the values they share; the OpenAPI describes these very models.

Money is a whole number of minor units with its currency; moments are UTC with a Z.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated
from uuid import UUID

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
)

from onsale.db.ids import EVENT_ID_MAX, TICKETS_PER_EVENT_BITS, TICKETS_PER_EVENT_MAX
from onsale.db.price_terms import Bill
from onsale.search import Suggested
from onsale.web.api.contract import Asked, Told


def _from_address(text: object) -> int:
    """`1_000`, ` 7`, `7.0` and `07` are numbers to Python; in an address there is one way to write each."""
    if not isinstance(text, str) or not PLAIN_NUMBER.fullmatch(text):
        raise ValueError("must be a whole number, as in 7")
    return int(text)


def _in_reach(moment: datetime) -> datetime:
    """The year 1 at +23:59 is a moment to Python and none to PostgreSQL; nothing of ours happened then."""
    if not FIRST_MOMENT.year <= moment.year < LAST_MOMENT.year:
        return FIRST_MOMENT if moment.year < FIRST_MOMENT.year else LAST_MOMENT
    return moment.astimezone(UTC)


def _rfc3339(given: object) -> datetime:
    """Neither seconds since 1970 nor a day alone."""
    if not isinstance(given, str) or not RFC3339.fullmatch(given):
        raise ValueError("must look like 2026-12-24T20:00:00Z")
    return datetime.fromisoformat(given)


def _whole(value: object) -> object:
    """JSON knows one kind of number: 2.0 is 2."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def priced(bill: Bill) -> dict[str, int]:
    """The parts of a price as documents name them."""
    return {"fees_minor": bill.fees_minor, "taxes_minor": bill.taxes_minor, "total_minor": bill.total_minor}


def zulu(moment: datetime) -> str:
    """A moment as the API writes it: UTC, to the millisecond."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


PLAIN_NUMBER = re.compile(r"0|-?[1-9][0-9]{0,19}")
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
FIRST_MOMENT, LAST_MOMENT = datetime(1970, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
# Beside a whole number in a body; the last of its marks, else the document forgets its bounds.
WHOLE = BeforeValidator(_whole)
# Beside a whole number in a path or a query; the last of its marks.
PLAIN = BeforeValidator(_from_address)
# PostgreSQL's text cannot hold a NUL, and no other control character is anybody's name.
PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
EventNumber = Annotated[int, Field(ge=1, le=EVENT_ID_MAX)]
TICKET_ID_MAX = EVENT_ID_MAX << TICKETS_PER_EVENT_BITS | TICKETS_PER_EVENT_MAX
TicketNumber = Annotated[int, Field(ge=1, le=TICKET_ID_MAX)]
Moment = Annotated[datetime, PlainSerializer(zulu, return_type=str), Field(json_schema_extra={"format": "date-time"})]
GivenMoment = Annotated[AwareDatetime, AfterValidator(_in_reach), BeforeValidator(_rfc3339)]
Term = Annotated[str, StringConstraints(max_length=200, pattern=PRINTABLE)]


class EventPath(Asked):
    """Names an event."""

    event_id: Annotated[EventNumber, PLAIN]


class TicketPath(Asked):
    """Names a ticket."""

    ticket_id: Annotated[TicketNumber, PLAIN]


class BookingPath(Asked):
    """Names a booking."""

    booking_id: UUID


class ProblemField(Told):
    """One field that does not fit."""

    field: str
    detail: str


class ProblemDocument(Told):
    """What went wrong (RFC 9457). `type` is stable; `detail` is for people. What does not apply is left out."""

    model_config = ConfigDict(json_schema_serialization_defaults_required=False)

    type: str
    title: str
    status: int
    detail: str
    field: str | None = None
    errors: list[ProblemField] = []
    request_id: str | None = None


class VenueDocument(Told):
    """Where a show is; coordinates in degrees, country as ISO 3166 alpha-2."""

    id: int
    name: str
    city: str
    country: str
    region: str
    latitude: float
    longitude: float


class PriceTermsDocument(Told):
    """What an event adds to the prices of its tickets, or says that they include; rates in basis points.

    A fee of each ticket, a fee of each booking, and a tax of the tickets and (`fees_taxed`) of the fees.
    """

    ticket_fee_minor: int
    ticket_fee_bp: int
    ticket_fee_included: bool
    booking_fee_minor: int
    tax_bp: int
    tax_included: bool
    fees_taxed: bool


class TierDocument(Told):
    """One of a section's prices, as Adult or Child, in the same parts as a section's. `most`: a booking has at most so
    many of it; null: any.
    """

    name: str
    price_minor: int
    total_minor: int
    each_minor: int
    most: int | None


class PriceAheadDocument(Told):
    """What a ticket will cost from a moment on, if it is not changed before; `tier` null: where there are none."""

    due_at: Moment
    tier: str | None
    price_minor: int
    total_minor: int


class SectionDocument(Told):
    """A block of the house and what a ticket in it costs: `total_minor` booked alone, all fees and taxes included, and
    `each_minor` for every further one. `price_minor` is the organiser's price that this comes from. Where there are
    `tiers` these are the first one's, which a ticket is of that is asked for without one.
    """

    id: int
    name: str
    kind: str
    price_minor: int
    fees_minor: int
    taxes_minor: int
    total_minor: int
    each_minor: int
    capacity: int
    tiers: list[TierDocument]
    prices_ahead: list[PriceAheadDocument]


class EventDocument(Told):
    """A show."""

    id: int
    name: str
    slug: str
    description: str
    starts_at: Moment
    on_sale_at: Moment
    status: str
    genre: str
    organiser: str
    currency: str
    tickets_per_buyer: int
    # Over all bookings paid with one card; null where there is no such limit.
    tickets_per_card: int | None
    # Over all bookings from one network address (an IPv6 /64 is one); null where there is no such limit.
    tickets_per_address: int | None
    artists: list[str]
    venue: VenueDocument
    sections: list[SectionDocument]
    # Of these, the ids of those that are sold only to who has a code for them.
    code_only_sections: list[int]
    price_terms: PriceTermsDocument
    seats_url: str
    queue_url: str


class EventsFound(Told):
    """The ids of the events that match, soonest first."""

    event_ids: list[int]


class Price(Told):
    """What a ticket costs booked alone: `total_minor`, with the fees and taxes in it. `amount_minor` is the organiser's
    price.
    """

    amount_minor: int
    fees_minor: int
    taxes_minor: int
    total_minor: int
    currency: str


class SeatDocument(Told):
    """A place in the house; without row and seat for general admission."""

    section: str
    row: str | None
    seat: str | None


class TicketDocument(Told):
    """One ticket, in the words the API began with."""

    ticketId: int
    eventId: int
    eventName: str
    artists: list[str]
    dateTime: Moment
    price: Price
    tiers: list[TierDocument]
    seats: list[SeatDocument]
    state: str


class PartDocument(Told):
    """A piece of a text, marked where it is what was asked for."""

    text: str
    marked: bool


class HitDocument(Told):
    """An event found, with what a list and a map show of it; prices with all fees and taxes.

    `highlights`, when asked for, by field, in pieces.
    """

    event_id: int
    name: str
    slug: str
    starts_at: Moment
    on_sale_at: Moment
    venue: str
    city: str
    country: str
    latitude: float
    longitude: float
    artists: list[str]
    genre: str
    currency: str
    price_min_minor: int | None
    price_max_minor: int | None
    sold_out: bool
    highlights: dict[str, list[PartDocument]] | None


class FacetValueDocument(Told):
    """How many events would be left with this value."""

    value: str
    count: int


class PriceBandDocument(Told):
    """How many events have a ticket from `min_minor` to `max_minor` (null: and more), in their own currency."""

    min_minor: int
    max_minor: int | None
    count: int


class FacetsDocument(Told):
    """What is worth asking for next; each counts as if its own filter were not set."""

    cities: list[FacetValueDocument]
    genres: list[FacetValueDocument]
    months: list[FacetValueDocument]
    prices: list[PriceBandDocument]


class SearchDocument(Told):
    """One page of events, best first; `next_cursor` asks for the next page and is null on the last.

    Where `total_is_exact` is false there are at least `total`. `facets` is null unless asked for.
    """

    events: list[HitDocument]
    total: int
    total_is_exact: bool
    next_cursor: str | None
    facets: FacetsDocument | None


class SuggestionDocument(Told):
    """What may be meant: an artist, event (with its id), venue or city."""

    kind: Suggested
    text: str
    event_id: int | None
    parts: list[PartDocument]


class SuggestionsDocument(Told):
    """What the words may be the beginning of, best first."""

    suggestions: list[SuggestionDocument]
