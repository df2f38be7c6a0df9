"""The house a rehearsal sells: blocks of numbered seats and a standing area, exactly as many as asked for."""

from __future__ import annotations

from onsale.db.catalogue import NewSection

SEATS_PER_ROW = 25
# A block as big houses have them; a small house has fewer, not smaller ones.
BLOCK_SEATS_MAX = 2_000
# One ticket in five is for standing.
STANDING_SHARE = 5
PRICES_MINOR = (9500, 7500, 5500, 3500)
STANDING_PRICE_MINOR = 2500
PICTURE_WIDTH, BLOCK_WIDTH, BLOCK_HEIGHT, TOP, GAP = 1000, 220, 90, 90, 20
BLOCKS_A_ROW = 4


def sections_of(seats: int) -> tuple[NewSection, ...]:
    """Sections of `seats` tickets in all, the best first; the standing area takes what fills no row."""
    rows = (seats - seats // STANDING_SHARE) // SEATS_PER_ROW
    standing = seats - rows * SEATS_PER_ROW
    blocks = _blocks(rows)
    sections = [
        NewSection(
            id=number + 1,
            name=f"Block {number + 1}",
            price_minor=PRICES_MINOR[min(number * len(PRICES_MINOR) // len(blocks), len(PRICES_MINOR) - 1)],
            rows=block,
            seats_per_row=SEATS_PER_ROW,
            map_x=GAP + number % BLOCKS_A_ROW * (BLOCK_WIDTH + GAP),
            map_y=TOP + number // BLOCKS_A_ROW * (BLOCK_HEIGHT + GAP),
            map_w=BLOCK_WIDTH,
            map_h=BLOCK_HEIGHT,
        )
        for number, block in enumerate(blocks)
    ]
    if standing:
        below = TOP + -(-len(blocks) // BLOCKS_A_ROW) * (BLOCK_HEIGHT + GAP)
        place = {"map_x": GAP, "map_y": below, "map_w": PICTURE_WIDTH - 2 * GAP, "map_h": BLOCK_HEIGHT}
        sections.append(NewSection(len(blocks) + 1, "Standing", STANDING_PRICE_MINOR, standing=standing, **place))
    return tuple(sections)


def _blocks(rows: int) -> list[int]:
    """How many rows each block has: at least two blocks where there are two rows, none above the maximum."""
    if not rows:
        return []
    rows_max = BLOCK_SEATS_MAX // SEATS_PER_ROW
    count = max(min(BLOCKS_A_ROW, rows), -(-rows // rows_max))
    return [rows // count + (number < rows % count) for number in range(count)]
