"""The picture of a house from above: where each section's block and its name go."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from onsale.db.sections import PriceAhead
from onsale.db.tiers import ShownTier

# Every plan is drawn in this frame (onsale/sandbox/rooms.py), the stage at the top, in the middle.
PICTURE_WIDTH, PICTURE_HEIGHT = 1000, 800
STAGE_WIDTH, STAGE_HEIGHT = 300, 60
FONT_MAX, FONT_MIN = 34, 12
# An average letter's width in ems, so that a name fits its block.
LETTER_EMS = 0.58
NAMES_WRITTEN_OUT = 2


class Section(Protocol):
    """What the picture needs to know of a section."""

    @property
    def id(self) -> int: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def total_minor(self) -> int: ...
    @property
    def tiers(self) -> tuple[ShownTier, ...]: ...
    @property
    def ahead(self) -> tuple[PriceAhead, ...]: ...
    @property
    def totals_minor(self) -> tuple[int, ...]: ...
    @property
    def free(self) -> int | None: ...
    @property
    def map_x(self) -> int: ...
    @property
    def map_y(self) -> int: ...
    @property
    def map_w(self) -> int: ...
    @property
    def map_h(self) -> int: ...


@dataclass(frozen=True)
class Box:
    """A rectangle with a text size that suits it."""

    x: float
    y: float
    width: float
    height: float
    font: float

    @property
    def middle_x(self) -> float:
        return self.x + self.width / 2

    @property
    def middle_y(self) -> float:
        return self.y + self.height / 2


@dataclass(frozen=True)
class Block(Box):
    """One section in the picture."""

    section: Section
    label: str
    url: str | None
    here: bool


@dataclass(frozen=True)
class House:
    """The whole picture."""

    view_box: str
    blocks: tuple[Block, ...]
    stage: Box | None


def font_for(text: str, width: float, height: float) -> float:
    """The largest letters with which the text fits the block."""
    return round(max(FONT_MIN, min(FONT_MAX, width / (max(len(text), 1) * LETTER_EMS), height * 0.7)), 1)


def short(name: str) -> str:
    """`Block 101` is written `101` in the picture; other names stay."""
    last = name.rpartition(" ")[2]
    return last if last.isdigit() else name


def draw(
    sections: Sequence[Section], link: Callable[[int], str] | None = None, *, here: int | None = None
) -> House | None:
    """The picture of a house; None when no section has a place in it. `link` gives where a block leads."""
    placed = [section for section in sections if section.map_w > 0 and section.map_h > 0]
    if not placed:
        return None
    blocks = tuple(
        Block(
            section.map_x,
            section.map_y,
            section.map_w,
            section.map_h,
            font_for(short(section.name), section.map_w * 0.9, section.map_h),
            section=section,
            label=short(section.name),
            url=link(section.id) if link else None,
            here=section.id == here,
        )
        for section in placed
    )
    # A house with one small block is not drawn as a speck in the middle of nothing.
    bottom = min(PICTURE_HEIGHT, max(block.y + block.height for block in blocks) + 20)
    stage = Box((PICTURE_WIDTH - STAGE_WIDTH) / 2, 8, STAGE_WIDTH, STAGE_HEIGHT - 16, 26)
    return House(f"0 0 {PICTURE_WIDTH} {bottom:g}", blocks, stage)


@dataclass(frozen=True)
class PriceRow:
    """Sections of one kind and one price, or of the same tiers, as one line of the price table."""

    name: str
    kind: str
    total_minor: int
    free: int | None
    tiers: tuple[ShownTier, ...] = ()
    ahead: tuple[PriceAhead, ...] = ()


def price_rows(sections: Sequence[Section]) -> list[PriceRow]:
    """The price table: neighbours of the same kind and price share a line, so that an arena fits a phone."""
    rows = []
    for (kind, price, tiers, ahead), group in groupby(sections, key=_priced_alike):
        members = list(group)
        known = [section.free for section in members if section.free is not None]
        names = [section.name for section in members]
        name = f"{names[0]} to {short(names[-1])}" if len(names) > NAMES_WRITTEN_OUT else ", ".join(names)
        rows.append(PriceRow(name, kind, price, sum(known) if len(known) == len(members) else None, tiers, ahead))
    return rows


def _priced_alike(section: Section) -> tuple[str, int, tuple[ShownTier, ...], tuple[PriceAhead, ...]]:
    return str(section.kind), section.total_minor, section.tiers, section.ahead
