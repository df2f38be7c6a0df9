"""The plans of the sample rooms: which blocks there are, how many seats, what they cost, where they are in the picture.

The picture is 1,000 by 800 units with the stage at the top, 300 wide and 60 high, in the middle. A block's rows run
away from the stage; row 1, seat 1 is its best.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from onsale.db.catalogue import NewSection

PICTURE_WIDTH = 1000
PICTURE_HEIGHT = 800
GAP = 12
# Prices end on a round number: 50 cents, or 100 yen (which have no cents).
ROUND_TO_MINOR = {"jpy": 100}
ROUND_TO_MINOR_ELSE = 50


class Room(StrEnum):
    """The kinds of room in the catalogue, with what they hold."""

    ARENA = "arena"  # 20,000 numbered seats.
    STADIUM = "stadium"  # 50,000 seats and 15,000 standing.
    HALL = "hall"  # 1,480 seats.
    THEATRE = "theatre"  # 540 seats.
    CLUB = "club"  # 500 standing and 80 seats.
    CHAPEL = "chapel"  # 160 seats.


class Box(NamedTuple):
    """Where a block is in the picture."""

    x: int
    y: int
    w: int
    h: int


class _Block(NamedTuple):
    """A block before it has a number and a price; `factor` is in per cent of the show's base price."""

    name: str
    rows: int
    seats_per_row: int
    standing: int
    factor: int
    box: Box


def room(kind: Room, *, price_minor: int, currency: str) -> tuple[NewSection, ...]:
    """The blocks of a room, numbered from 1, the best first; `price_minor` is what the cheapest costs."""
    return tuple(
        NewSection(
            id=number,
            name=block.name,
            price_minor=_rounded(price_minor * block.factor // 100, currency),
            rows=block.rows,
            seats_per_row=block.seats_per_row,
            standing=block.standing,
            map_x=block.box.x,
            map_y=block.box.y,
            map_w=block.box.w,
            map_h=block.box.h,
        )
        for number, block in enumerate(_BLOCKS[kind], start=1)
    )


def _rounded(price_minor: int, currency: str) -> int:
    step = ROUND_TO_MINOR.get(currency, ROUND_TO_MINOR_ELSE)
    return max(step, (price_minor + step // 2) // step * step)


def _grid(area: Box, columns: int, lines: int) -> list[Box]:
    """An area cut into equal boxes with gaps, left to right, then down."""
    width = (area.w - GAP * (columns - 1)) // columns
    height = (area.h - GAP * (lines - 1)) // lines
    return [
        Box(area.x + column * (width + GAP), area.y + line * (height + GAP), width, height)
        for line in range(lines)
        for column in range(columns)
    ]


def _horseshoe(outer: Box, *, depth: int, sides: int, end: int) -> list[Box]:
    """Boxes along the left side, the far end and the right side of a rectangle open towards the stage."""
    tall = outer.h - depth - GAP
    left = _grid(Box(outer.x, outer.y, depth, tall), 1, sides)
    right = _grid(Box(outer.x + outer.w - depth, outer.y, depth, tall), 1, sides)
    far = _grid(Box(outer.x, outer.y + tall + GAP, outer.w, depth), end, 1)
    return [*left, *far, *reversed(right)]


def _seated(names: Iterable[str], boxes: Iterable[Box], *, rows: int, seats: int, factor: int) -> list[_Block]:
    return [_Block(name, rows, seats, 0, factor, box) for name, box in zip(names, boxes, strict=True)]


def _numbers(first: int, count: int) -> list[str]:
    return [f"Block {number}" for number in range(first, first + count)]


def _arena() -> list[_Block]:
    floor = _grid(Box(330, 90, 340, 330), 3, 2)
    lower = _horseshoe(Box(190, 70, 620, 500), depth=110, sides=4, end=4)
    upper = _horseshoe(Box(50, 40, 900, 680), depth=120, sides=5, end=6)
    return [
        *_seated([f"Floor {letter}" for letter in "ABCDEF"], floor, rows=20, seats=25, factor=190),
        *_seated(_numbers(101, 12), lower, rows=22, seats=25, factor=140),
        *_seated(_numbers(401, 16), upper, rows=26, seats=25, factor=100),
    ]


def _stadium() -> list[_Block]:
    pitch = [Box(340, 90, 320, 110), Box(340, 212, 320, 240)]
    lower = _horseshoe(Box(200, 70, 600, 510), depth=120, sides=6, end=8)
    upper = _horseshoe(Box(40, 30, 920, 700), depth=140, sides=6, end=8)
    return [
        _Block("Front standing", 0, 0, 5_000, 200, pitch[0]),
        _Block("Standing", 0, 0, 10_000, 130, pitch[1]),
        *_seated(_numbers(101, 20), lower, rows=25, seats=40, factor=180),
        *_seated(_numbers(501, 20), upper, rows=30, seats=50, factor=100),
    ]


def _hall() -> list[_Block]:
    return [
        _Block("Stalls left", 20, 15, 0, 150, Box(120, 90, 220, 310)),
        _Block("Stalls centre", 20, 20, 0, 180, Box(352, 90, 296, 310)),
        _Block("Stalls right", 20, 15, 0, 150, Box(660, 90, 220, 310)),
        _Block("Circle left", 8, 12, 0, 120, Box(90, 440, 250, 130)),
        _Block("Circle centre", 8, 16, 0, 130, Box(352, 440, 296, 130)),
        _Block("Circle right", 8, 12, 0, 120, Box(660, 440, 250, 130)),
        _Block("Balcony", 8, 20, 0, 100, Box(200, 610, 600, 130)),
    ]


def _theatre() -> list[_Block]:
    return [
        _Block("Stalls", 12, 20, 0, 180, Box(250, 90, 500, 260)),
        _Block("Dress circle", 9, 20, 0, 140, Box(220, 390, 560, 180)),
        _Block("Gallery", 6, 20, 0, 100, Box(190, 610, 620, 120)),
    ]


def _club() -> list[_Block]:
    return [
        _Block("Standing", 0, 0, 500, 100, Box(220, 90, 560, 400)),
        _Block("Balcony", 4, 20, 0, 140, Box(160, 540, 680, 140)),
    ]


def _chapel() -> list[_Block]:
    return [
        _Block("Nave", 6, 20, 0, 120, Box(280, 90, 440, 300)),
        _Block("Gallery", 2, 20, 0, 100, Box(240, 430, 520, 110)),
    ]


_BLOCKS = {
    Room.ARENA: _arena(),
    Room.STADIUM: _stadium(),
    Room.HALL: _hall(),
    Room.THEATRE: _theatre(),
    Room.CLUB: _club(),
    Room.CHAPEL: _chapel(),
}
