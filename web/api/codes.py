"""Codes: what one gives, for its buyer; making, listing and switching them, for staff."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, StringConstraints

from onsale import errors as e
from onsale.db.code_rules import CodeKind
from onsale.db.codes import MADE_AT_ONCE_MAX, NOTE_CHARACTERS_MAX, USES_MAX, FoundCode, KnownCode, NewCode
from onsale.db.draw_lots import WEIGHT_MAX
from onsale.db.ids import EventId
from onsale.db.price_terms import WHOLE_BP
from onsale.db.prices import AMOUNT_MINOR_MAX
from onsale.web import codes as service
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.api.documents import PLAIN, PRINTABLE, WHOLE, EventPath, GivenMoment, Moment
from onsale.web.auth import Buyer, StaffMember
from onsale.web.box_office import box_office

codes = Routes("codes", "Codes")

SECTIONS_MAX = 1_000
PAGE = 200
_BIG = (1 << 63) - 1
_PRIVATE = {"Cache-Control": "no-store"}

# JSON has no enums: a word becomes the kind before the strict model looks.
KindWord = Annotated[CodeKind, BeforeValidator(lambda word: CodeKind(word) if isinstance(word, str) else word)]
TypedCode = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=PRINTABLE)]
Section = Annotated[int, Field(ge=0, le=(1 << 31) - 1), WHOLE]
Uses = Annotated[int, Field(ge=1, le=USES_MAX), WHOLE]


class CheckBody(Asked):
    """The code as its buyer typed it: case, spaces and dashes do not count. In a body, so that no log keeps it."""

    code: TypedCode


class CodeGivesDocument(Told):
    """What a code gives now: a sum off the booking, a share off each ticket, or a way in.

    `amount_minor` and `percent_bp` come off the tickets' prices, before fees and tax; 0 where it is not of that kind.
    `sections`: for which tickets, by their ids; null: all. An `early` code books without waiting, until `opens_at`;
    with a `priority` code one joins a draw, where the entry counts `weight` times.
    """

    code: str
    kind: CodeKind
    amount_minor: int
    percent_bp: int
    sections: list[int] | None
    stackable: bool
    valid_until: Moment | None
    opens_at: Moment
    weight: int


class CodePath(EventPath):
    """Names a code of an event."""

    code_id: Annotated[Annotated[int, Field(ge=1, le=_BIG)], PLAIN]


class CodesAsked(Asked):
    """Which page of the list."""

    before: Annotated[Annotated[int, Field(ge=1, le=_BIG)], PLAIN] | None = Field(
        None, description="The next_before of the page before."
    )


class NewCodesBody(Asked):
    """One chosen `code`, or `count` random ones. What a code gives is never changed after: make another.

    `amount` takes `amount_minor` off a booking, `percent` takes `percent_bp` off each ticket, `unlock` opens sections
    that only a code opens, `early` books before the opening, from `presale_from`, `priority` makes an entry in the draw
    count `weight` times: it needs `uses_max`, is made before the pre-queue opens and published at once. `sections`: for
    which tickets; left out: all. `uses_max` 1 is single use. Of the codes of a booking one at most may not be
    `stackable`.
    """

    kind: KindWord
    code: TypedCode | None = None
    count: Annotated[int, Field(ge=1, le=MADE_AT_ONCE_MAX), WHOLE] = 1
    amount_minor: Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX), WHOLE] = 0
    percent_bp: Annotated[int, Field(ge=0, le=WHOLE_BP), WHOLE] = 0
    presale_from: GivenMoment | None = None
    sections: list[Section] | None = Field(None, min_length=1, max_length=SECTIONS_MAX)
    stackable: bool = False
    uses_max: Uses | None = None
    uses_per_buyer: Uses | None = None
    valid_from: GivenMoment | None = None
    valid_until: GivenMoment | None = None
    note: Annotated[str, StringConstraints(max_length=NOTE_CHARACTERS_MAX, pattern=PRINTABLE)] = ""
    weight: Annotated[int, Field(ge=1, le=WEIGHT_MAX), WHOLE] = 1

    def new(self) -> NewCode:
        given = self.model_dump(exclude={"code", "count", "sections"})
        return NewCode(**given, section_ids=None if self.sections is None else tuple(self.sections))


class CodeDocument(Told):
    """A code; `used` counts its uses that were not given back, `taken_off_minor` is what they took off."""

    id: int
    code: str
    kind: CodeKind
    amount_minor: int
    percent_bp: int
    presale_from: Moment | None
    sections: list[int] | None
    stackable: bool
    uses_max: int | None
    uses_per_buyer: int | None
    valid_from: Moment | None
    valid_until: Moment | None
    note: str
    off: bool
    made_at: Moment
    used: int
    taken_off_minor: int
    weight: int


class CodesDocument(Told):
    """Codes, newest first; `next_before` asks for the next page and is null on the last."""

    codes: list[CodeDocument]
    code_only_sections: list[int]
    next_before: int | None


class MadeDocument(Told):
    """The codes that were made; `warning`: for which tickets they leave what nobody can pay, null for none."""

    codes: list[CodeDocument]
    warning: str | None


class SwitchBody(Asked):
    """Off, or on again, for bookings that are not decided yet."""

    off: bool


class CodeOnlyBody(Asked):
    """These sections, and no others, are sold only to who has a code that unlocks them."""

    code_only_sections: list[Section] = Field(max_length=SECTIONS_MAX)


WRONG = (e.CodeUnknown, e.CodeNotYet, e.CodeOver, e.CodeUsed, e.TooManyRequests)


@codes.post("/v1/events/{event_id}/codes", raises=WRONG)
def check_code(path: EventPath, body: CheckBody, buyer: Buyer) -> Answer[CodeGivesDocument]:
    """What a code gives this buyer now; it changes nothing, and is not used by it"""
    found = service.check(box_office(), EventId(path.event_id), buyer.id, body.code)
    return Answer(_gives(found), headers=_PRIVATE)


@codes.get("/v1/admin/events/{event_id}/codes")
def list_codes(path: EventPath, query: CodesAsked, staff: StaffMember) -> Answer[CodesDocument]:
    """The codes of an event, newest first, with their uses"""
    return _listed(EventId(path.event_id), staff, before=query.before)


@codes.post(
    "/v1/admin/events/{event_id}/codes",
    answers={201: MadeDocument},
    raises=(e.NotAllowed, e.CodeExists, e.CodeUnfit, e.BadRequest),
)
def make_codes(path: EventPath, body: NewCodesBody, staff: StaffMember) -> Answer[MadeDocument]:
    """Make a code, or many random ones"""
    office, event_id, new = box_office(), EventId(path.event_id), body.new()
    made = service.make(office, event_id, staff, new, code=body.code, how_many=body.count)
    event = service.listed(office, event_id, staff, before=None, limit=1).event
    warning = service.warning(office, event, new) or None
    return Answer(MadeDocument(codes=[_document(each) for each in made], warning=warning), 201, _PRIVATE)


@codes.patch("/v1/admin/events/{event_id}/codes", raises=(e.NotAllowed,))
def set_code_only(path: EventPath, body: CodeOnlyBody, staff: StaffMember) -> Answer[CodesDocument]:
    """Say which sections only a code opens"""
    event_id = EventId(path.event_id)
    service.set_code_only(box_office(), event_id, staff, body.code_only_sections)
    return _listed(event_id, staff, before=None)


@codes.patch("/v1/admin/events/{event_id}/codes/{code_id}", raises=(e.NotAllowed,))
def switch_code(path: CodePath, body: SwitchBody, staff: StaffMember) -> Answer[CodeDocument]:
    """Switch a code off, or on again"""
    switched = service.switch(box_office(), EventId(path.event_id), staff, path.code_id, off=body.off)
    return Answer(_document(switched), headers=_PRIVATE)


def _listed(event_id: EventId, staff: StaffMember, *, before: int | None) -> Answer[CodesDocument]:
    listed = service.listed(box_office(), event_id, staff, before=before, limit=PAGE)
    document = CodesDocument(
        codes=[_document(each) for each in listed.codes],
        code_only_sections=list(listed.event.code_only),
        next_before=listed.next_before,
    )
    return Answer(document, headers=_PRIVATE)


def _document(code: KnownCode) -> CodeDocument:
    named = {name: getattr(code, name) for name in CodeDocument.model_fields if name != "sections"}
    return CodeDocument(**named, sections=None if code.section_ids is None else list(code.section_ids))


def _gives(found: FoundCode) -> CodeGivesDocument:
    rules = found.rules
    return CodeGivesDocument(
        code=found.code,
        kind=rules.kind,
        amount_minor=rules.amount_minor,
        percent_bp=rules.percent_bp,
        sections=None if rules.section_ids is None else sorted(rules.section_ids),
        stackable=rules.stackable,
        valid_until=found.valid_until,
        opens_at=found.opens_at,
        weight=found.weight,
    )
