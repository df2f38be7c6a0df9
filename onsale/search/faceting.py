"""What both searches do with the values of a facet once they are counted."""

from __future__ import annotations

from collections.abc import Iterable

from onsale.search import Counted


def in_their_order(months: Iterable[Counted]) -> tuple[Counted, ...]:
    """Months as in a calendar."""
    return tuple(sorted(months, key=lambda one: one.value))
