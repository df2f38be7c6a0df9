"""The codes of an event: made and switched off by its staff, found by who types one. What they give: `code_rules`."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text
from sqlalchemy.exc import IntegrityError

from onsale.db import code_payable, draw_lots, sale_log, sql
from onsale.db.code_rules import Code, CodeKind
from onsale.db.code_uses import code_of
from onsale.db.ids import BuyerId, EventId
from onsale.db.price_terms import WHOLE_BP, check_amount
from onsale.errors import CodeExists, CodeUnfit, NotFound

MADE_AT_ONCE_MAX = 5_000
USES_MAX = 1_000_000
NOTE_CHARACTERS_MAX = 80
PAGE_MAX = 1_000
# Nothing that one reads as another letter. Ten of them are 49 bits: at the limits on trying, a lifetime of guessing.
LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
RANDOM_CHARACTERS = 10
UNPAYABLE = "It would always leave less to pay than a bank takes, and more than nothing. Take off less, or everything."


@dataclass(frozen=True, slots=True)
class NewCode:
    """What codes of one making have in common. `section_ids` None: all sections; limits None: none."""

    kind: CodeKind
    amount_minor: int = 0
    percent_bp: int = 0
    presale_from: datetime | None = None
    section_ids: tuple[int, ...] | None = None
    stackable: bool = False
    uses_max: int | None = None
    uses_per_buyer: int | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    note: str = ""
    # How often an entry in a draw counts that is made with a `priority` code.
    weight: int = 1


@dataclass(frozen=True, slots=True)
class KnownCode:
    """A code as its staff see it; `used` counts the uses that were not given back, `taken_off_minor` is their sum."""

    id: int
    code: str
    kind: CodeKind
    amount_minor: int
    percent_bp: int
    presale_from: datetime | None
    section_ids: tuple[int, ...] | None
    stackable: bool
    uses_max: int | None
    uses_per_buyer: int | None
    valid_from: datetime | None
    valid_until: datetime | None
    note: str
    off: bool
    made_at: datetime
    used: int
    taken_off_minor: int
    weight: int


@dataclass(frozen=True, slots=True)
class FoundCode:
    """A code that a buyer typed, as it stands for this buyer now; times are those that its words name."""

    code: str
    rules: Code
    valid_from: datetime | None
    valid_until: datetime | None
    presale_from: datetime | None
    opens_at: datetime
    # The general sale is still to come: an early code is of use only then.
    before_opening: bool
    not_yet: bool
    over: bool
    used_up: bool
    weight: int = 1

    @property
    def early_now(self) -> bool:
        """Whether it lets its buyer book before the opening, now."""
        return self.rules.kind is CodeKind.EARLY and self.before_opening and not self.not_yet


def random_codes(how_many: int) -> list[str]:
    """So many new codes that nobody guesses."""
    return ["".join(secrets.choice(LETTERS) for _ in range(RANDOM_CHARACTERS)) for _ in range(how_many)]


def make(
    connection: Connection, event_id: EventId, new: NewCode, codes: Sequence[str], *, actor: str
) -> tuple[KnownCode, ...]:
    """Write these codes (normalised), all or none, with a line in the sale log that names none of them.

    NotFound: no such event or section. CodeExists. CodeUnfit names what does not fit.
    """
    currency = connection.execute(_CURRENCY, {"event_id": event_id}).scalar()
    if currency is None:
        raise NotFound
    _check(new, str(currency))
    _check_sections(connection, event_id, new.section_ids)
    if code_payable.never_payable(rules_of(new), code_payable.on_sale(connection, event_id)):
        raise CodeUnfit(UNPAYABLE, field="amount_minor" if new.kind is CodeKind.AMOUNT else "percent_bp")
    if new.kind is CodeKind.PRIORITY:
        draw_lots.publish(connection, event_id, weight=new.weight, people=(new.uses_max or 0) * len(codes), actor=actor)
    columns = {**asdict(new), "kind": new.kind.value, "event_id": event_id, "codes": list(codes), "made_by": actor}
    columns["section_ids"] = list(new.section_ids) if new.section_ids is not None else None
    try:
        with connection.begin_nested():
            ids = connection.execute(_MAKE, columns).scalars().all()
    except IntegrityError as error:
        raise CodeExists from error
    body = {"kind": new.kind.value, "codes": len(ids), "first_id": min(ids), "last_id": max(ids), "note": new.note}
    body |= {"amount_minor": new.amount_minor, "percent_bp": new.percent_bp, "uses_max": new.uses_max}
    sale_log.append(connection, event_id, actor=actor, kind="codes_made", body=body)
    return tuple(_known(row) for row in connection.execute(_BY_IDS, {"event_id": event_id, "ids": list(ids)}))


def rules_of(new: NewCode) -> Code:
    """What such a code does to prices, before there is one."""
    sections = None if new.section_ids is None else frozenset(new.section_ids)
    return Code(0, new.kind, new.amount_minor, new.percent_bp, sections)


def of_event(
    connection: Connection, event_id: EventId, *, before: int | None = None, limit: int = PAGE_MAX
) -> tuple[KnownCode, ...]:
    """The event's codes, newest first; `before` is the last id of the page before."""
    asked = {"event_id": event_id, "before": before, "limit": min(limit, PAGE_MAX)}
    return tuple(_known(row) for row in connection.execute(_OF_EVENT, asked))


def all_of_event(connection: Connection, event_id: EventId) -> Iterator[KnownCode]:
    """All of them, newest first, a page at a time."""
    page = of_event(connection, event_id)
    while page:
        yield from page
        page = of_event(connection, event_id, before=page[-1].id) if len(page) == PAGE_MAX else ()


def by_text(connection: Connection, event_id: EventId, code: str) -> KnownCode | None:
    """The code that reads so (normalised)."""
    row = connection.execute(_BY_TEXT, {"event_id": event_id, "code": code}).one_or_none()
    return _known(row) if row else None


def switch(connection: Connection, event_id: EventId, code_id: int, *, off: bool, actor: str) -> KnownCode:
    """Switch a code off, or on again; what was held with it stays held. NotFound."""
    asked = {"event_id": event_id, "ids": [code_id]}
    row = connection.execute(_BY_IDS, asked).one_or_none()
    if row is None:
        raise NotFound
    if connection.execute(_SWITCH, {"event_id": event_id, "id": code_id, "off": off}).rowcount:
        body = {"id": code_id, "off": off}
        sale_log.append(connection, event_id, actor=actor, kind="code_switched", body=body)
    return _known(connection.execute(_BY_IDS, asked).one())


def set_code_only(connection: Connection, event_id: EventId, section_ids: Collection[int], *, actor: str) -> None:
    """Let these sections, and no others, be sold only to who has a code that unlocks them. NotFound."""
    wanted = sorted(set(section_ids))
    before = connection.execute(_CODE_ONLY, {"event_id": event_id}).scalar()
    if before is None:
        raise NotFound
    _check_sections(connection, event_id, tuple(wanted))
    if wanted == before:
        return
    connection.execute(_SET_CODE_ONLY, {"event_id": event_id, "section_ids": wanted})
    body = {"from": before, "to": wanted}
    sale_log.append(connection, event_id, actor=actor, kind="code_only_changed", body=body)


def find(connection: Connection, event_id: EventId, buyer_id: BuyerId, codes: Collection[str]) -> dict[str, FoundCode]:
    """Those of these codes (normalised) that the event has, as they stand for this buyer."""
    asked = {"event_id": event_id, "buyer_id": buyer_id, "codes": list(codes)}
    return {row.code: _found(row) for row in connection.execute(sql.load("find_codes"), asked)}


def _check(new: NewCode, currency: str) -> None:
    """CodeUnfit for a code that makes no sense."""
    check_amount(new.amount_minor, currency, field="amount_minor")
    if (new.kind is CodeKind.AMOUNT) != bool(new.amount_minor):
        raise CodeUnfit("A code of kind amount, and no other, has an amount.", field="amount_minor")
    if (new.kind is CodeKind.PERCENT) != bool(new.percent_bp) or not 0 <= new.percent_bp <= WHOLE_BP:
        raise CodeUnfit(f"A code of kind percent, and no other, has 1 to {WHOLE_BP} basis points.", field="percent_bp")
    if (new.kind is CodeKind.EARLY) != (new.presale_from is not None):
        raise CodeUnfit("A code of kind early, and no other, has a beginning of its presale.", field="presale_from")
    _check_weight(new)
    if new.section_ids == ():
        raise CodeUnfit("Name a section, or none for all of them.", field="sections")
    if new.valid_from and new.valid_until and new.valid_from >= new.valid_until:
        raise CodeUnfit("A code ends after it begins.", field="valid_until")
    for name in ("uses_max", "uses_per_buyer"):
        limit = getattr(new, name)
        if limit is not None and not 1 <= limit <= USES_MAX:
            raise CodeUnfit(f"A code is used 1 to {USES_MAX:,} times, or without a limit.", field=name)
    if len(new.note) > NOTE_CHARACTERS_MAX:
        raise CodeUnfit(f"A note has at most {NOTE_CHARACTERS_MAX} characters.", field="note")


def _check_weight(new: NewCode) -> None:
    if (new.kind is CodeKind.PRIORITY) != (new.weight != 1):
        raise CodeUnfit("A code of kind priority, and no other, has a weight.", field="weight")
    if new.kind is CodeKind.PRIORITY and new.uses_max is None:
        raise CodeUnfit("Say how many may use a priority code: it is published.", field="uses_max")
    if new.kind is CodeKind.PRIORITY and (new.section_ids or new.uses_per_buyer):
        field = "sections" if new.section_ids else "uses_per_buyer"
        raise CodeUnfit("A priority code is used once by a buyer, and is for no tickets.", field=field)


def _check_sections(connection: Connection, event_id: EventId, section_ids: tuple[int, ...] | None) -> None:
    there = connection.execute(_SECTIONS, {"event_id": event_id}).scalars().all() if section_ids else ()
    if not set(section_ids or ()) <= set(there):
        raise NotFound("There is no such section.", field="sections")


def _known(row: Row[Any]) -> KnownCode:
    fields = {name: getattr(row, name) for name in KnownCode.__dataclass_fields__}
    sections = None if row.section_ids is None else tuple(row.section_ids)
    return KnownCode(**{**fields, "kind": CodeKind(row.kind), "section_ids": sections})


def _found(row: Row[Any]) -> FoundCode:
    rules = code_of(row)
    full = rules.uses_max is not None and row.used >= rules.uses_max
    full_for_buyer = rules.uses_per_buyer is not None and row.used_by_buyer >= rules.uses_per_buyer
    return FoundCode(
        code=row.code,
        rules=rules,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        presale_from=row.presale_from,
        opens_at=row.opens_at,
        before_opening=row.before_opening,
        not_yet=row.not_yet,
        over=row.over,
        used_up=full or full_for_buyer,
        weight=row.weight,
    )


_CURRENCY = text("SELECT currency FROM events WHERE id = :event_id")
_SECTIONS = text("SELECT id FROM sections WHERE event_id = :event_id")
_MAKE = text("""
    INSERT INTO codes (event_id, code, kind, amount_minor, percent_bp, presale_from, section_ids, stackable, uses_max,
                       uses_per_buyer, valid_from, valid_until, note, weight, made_by)
    SELECT :event_id, made.code, :kind, :amount_minor, :percent_bp, :presale_from, CAST(:section_ids AS integer[]),
           :stackable, :uses_max, :uses_per_buyer, :valid_from, :valid_until, :note, :weight, :made_by
      FROM unnest(CAST(:codes AS text[])) AS made (code)
    RETURNING id
""")
_KNOWN = """
    SELECT c.*, live.taken_off_minor,
           live.used + (SELECT count(*) FROM draw_lots l WHERE l.event_id = c.event_id AND l.code_id = c.id) AS used
      FROM codes c
     CROSS JOIN LATERAL (SELECT count(*) AS used, coalesce(sum(u.discount_minor), 0)::bigint AS taken_off_minor
                           FROM live_code_uses u WHERE u.event_id = c.event_id AND u.code_id = c.id) AS live
     WHERE c.event_id = :event_id AND """
_BY_IDS = text(f"{_KNOWN} c.id = ANY (CAST(:ids AS bigint[])) ORDER BY c.id")
_BY_TEXT = text(f"{_KNOWN} c.code = :code")
_OF_EVENT = text(f"""{_KNOWN} c.id < coalesce(CAST(:before AS bigint), 9223372036854775807)
     ORDER BY c.id DESC LIMIT :limit""")
_SWITCH = text("UPDATE codes SET off = :off WHERE event_id = :event_id AND id = :id AND off <> :off")
_CODE_ONLY = text("SELECT code_only_section_ids FROM events WHERE id = :event_id FOR NO KEY UPDATE")
_SET_CODE_ONLY = text("""
    UPDATE events SET code_only_section_ids = CAST(:section_ids AS integer[]) WHERE id = :event_id
""")
