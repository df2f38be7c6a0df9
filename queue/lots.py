"""Weights in a draw: who joined with one has so many pre-queue numbers in a row, and the best drawn one counts. Pure.

The queue keeps one bit a number: set where a number is a further one of whoever has the number before. The others of
such a row, once drawn, are nobody's: they are worked out ahead of the queue, a stretch at a time, and passed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onsale.queue.draw import Permutation, best_of


def bitmap(rows: Iterable[tuple[int, int]]) -> bytes:
    """The bits of these (first number, weight), as Redis keeps them."""
    bits = bytearray()
    for first, weight in rows:
        for number in range(first + 1, first + weight):
            if number >> 3 >= len(bits):
                bits.extend(bytes((number >> 3) + 1 - len(bits)))
            bits[number >> 3] |= 0x80 >> (number & 7)
    return bytes(bits)


def is_further(bits: bytes, number: int) -> bool:
    """Whether this number belongs to whoever has the one before."""
    return number >> 3 < len(bits) and bool(bits[number >> 3] & (0x80 >> (number & 7)))


def row_of(bits: bytes, number: int) -> tuple[int, int]:
    """(first number, weight) of the row that a pre-queue number is in; itself and 1 where it has no further ones."""
    first, after = number, number + 1
    while is_further(bits, first):
        first -= 1
    while is_further(bits, after):
        after += 1
    return first, after - first


def spare(bits: bytes, drawn: Permutation, places: range) -> Iterator[int]:
    """Which of these drawn numbers are nobody's, since another one of the same row is better."""
    for place in places:
        number = drawn.joined(place)
        alone = not is_further(bits, number) and not is_further(bits, number + 1)
        if not alone and best_of(drawn, *row_of(bits, number)).drawn != place:
            yield place
