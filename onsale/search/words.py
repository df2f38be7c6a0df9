"""What a search does before it looks, whatever it looks in: makes words plain, refuses what makes no sense."""

from __future__ import annotations

import re
import unicodedata

from onsale.errors import BadRequest
from onsale.search import PAGE_SIZE_MAX, RADIUS_KM_MAX, TERM_CHARACTERS_MAX, Near, SearchQuery, Sort

WORDS_MAX = 10
# Letters that are letters of their own to Unicode.
_WITHOUT_DECOMPOSITION = str.maketrans("øłđ", "old")


def plain(text: str) -> str:
    """Lower case, without accents, words with one space between: as the record's `plain_words` writes them."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(re.findall(r"\w+", bare.translate(_WITHOUT_DECOMPOSITION)))


def check(query: SearchQuery) -> None:
    """BadRequest, with its field, for what cannot be meant."""
    for name in ("artist", "location", "text"):
        if len(getattr(query, name)) > TERM_CHARACTERS_MAX:
            raise BadRequest(f"At most {TERM_CHARACTERS_MAX} characters.", field=name)
    if not 1 <= query.page_size <= PAGE_SIZE_MAX:
        raise BadRequest(f"A page has 1 to {PAGE_SIZE_MAX} events.", field="page_size")
    if query.near:
        _check_near(query.near)
    elif query.sort is Sort.DISTANCE:
        raise BadRequest("Say from where: latitude and longitude.", field="sort")


def _check_near(near: Near) -> None:
    # Each comparison is false for what is not a number.
    for name, value, limit in (("latitude", near.latitude, 90), ("longitude", near.longitude, 180)):
        if not abs(value) <= limit:
            raise BadRequest(f"Degrees from -{limit} to {limit}.", field=name)
    if not 0 < near.radius_km <= RADIUS_KM_MAX:
        raise BadRequest(f"More than 0 and at most {RADIUS_KM_MAX:.0f} km.", field="radius_km")
