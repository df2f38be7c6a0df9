"""The map of a search: shows drawn where they are, on an outline of the land; a plain picture that needs no script.

An equirectangular projection, narrowed by the cosine of the middle latitude: right enough for a picture of places.
Units are hundredths of a degree, as in `static/img/land.svg`.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from onsale.search import Hit

UNITS_PER_DEGREE = 100
# How the picture is cut, whatever is on it.
RATIO = 16 / 10
# A single house is not shown as a dot on nothing.
SPAN_MIN_DEGREES = 8.0
MARGIN = 0.15
# What is beyond has no venues; all of the world is shown flatter for it.
NORTH, SOUTH = 80, -58
# Nearer the poles a degree of longitude is hardly anything.
COSINE_MIN = 0.2
# Parts of the picture's width: circles grow with the root of the number of shows.
RADIUS_MIN, RADIUS_MAX = 0.006, 0.018
LETTER, LETTER_EMS = 0.022, 0.55


@dataclass(frozen=True)
class Spot:
    """A place with shows, in the picture's units; `label` is empty where it would lie on another one's."""

    x: float
    y: float
    radius: float
    venue: str
    city: str
    shows: int
    label: str


@dataclass(frozen=True)
class Atlas:
    """The picture: its window, how much it is narrowed, and what is in it. `letter` is the size of a label."""

    view_box: str
    narrowing: float
    letter: float
    spots: tuple[Spot, ...]


def draw(hits: Sequence[Hit]) -> Atlas | None:
    """The map of these shows; None when there are none."""
    by_place: dict[tuple[float, float, str, str], int] = defaultdict(int)
    for hit in hits:
        by_place[hit.longitude, hit.latitude, hit.venue, hit.city] += 1
    if not by_place:
        return None
    latitudes = [latitude for _, latitude, _, _ in by_place]
    narrowing = max(COSINE_MIN, math.cos(math.radians((min(latitudes) + max(latitudes)) / 2)))
    points = {place: _project(place[0], place[1], narrowing) for place in by_place}
    left, top, width, height = _window(list(points.values()), narrowing)
    most = max(by_place.values())
    spots: list[Spot] = []
    labels: list[tuple[float, float, float]] = []
    # Those with most shows are drawn first and keep their names.
    for place, shows in sorted(by_place.items(), key=lambda each: -each[1]):
        x, y = points[place]
        radius = width * (RADIUS_MIN + (RADIUS_MAX - RADIUS_MIN) * math.sqrt(shows / most))
        label = _label(place[3], (x, y - radius), width, labels)
        spots.append(Spot(round(x, 1), round(y, 1), round(radius, 1), place[2], place[3], shows, label))
    view_box = " ".join(f"{value:.0f}" for value in (left, top, width, height))
    return Atlas(view_box, round(narrowing, 4), round(width * LETTER, 1), tuple(spots))


def _project(longitude: float, latitude: float, narrowing: float) -> tuple[float, float]:
    return longitude * UNITS_PER_DEGREE * narrowing, -latitude * UNITS_PER_DEGREE


def _window(points: Sequence[tuple[float, float]], narrowing: float) -> tuple[float, float, float, float]:
    """Left, top, width and height: all points with a margin, in the picture's ratio, nothing beyond the world."""
    (left, right), (top, bottom) = (_ends(values) for values in zip(*points, strict=True))
    world_width, world_height = 360 * UNITS_PER_DEGREE * narrowing, (NORTH - SOUTH) * UNITS_PER_DEGREE
    width = max(right - left, (bottom - top) * RATIO, SPAN_MIN_DEGREES * UNITS_PER_DEGREE)
    width, height = min(width, world_width), min(width / RATIO, world_height)
    # A window at the world's edge is moved, not cut.
    x = min(max((left + right - width) / 2, -world_width / 2), world_width / 2 - width)
    y = min(max((top + bottom - height) / 2, -NORTH * UNITS_PER_DEGREE), -SOUTH * UNITS_PER_DEGREE - height)
    return x, y, width, height


def _ends(values: Sequence[float]) -> tuple[float, float]:
    margin = (max(values) - min(values)) * MARGIN
    return min(values) - margin, max(values) + margin


def _label(city: str, at: tuple[float, float], width: float, taken: list[tuple[float, float, float]]) -> str:
    """The city's name, unless it would lie on a name that is written already."""
    x, y = at
    letter = width * LETTER
    half = len(city) * letter * LETTER_EMS / 2
    for other_x, other_y, other_half in taken:
        if abs(x - other_x) < half + other_half and abs(y - other_y) < letter * 1.2:
            return ""
    taken.append((x, y, half))
    return city
