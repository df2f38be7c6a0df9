"""What a search does with words before it looks for them, whatever it looks in."""

from __future__ import annotations

import re
import unicodedata

from onsale.errors import BadRequest
from onsale.search import PAGE_SIZE_MAX, TERM_CHARACTERS_MAX, SearchQuery

WORDS_MAX = 10
# Letters that are letters of their own to Unicode.
_WITHOUT_DECOMPOSITION = str.maketrans("øłđ", "old")


def plain(text: str) -> str:
    """Lower case, without accents, words with one space between: as the record's `plain_words` writes them."""
    decomposed = unicodedata.normalize("NFKD", text.lower())
    bare = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(re.findall(r"\w+", bare.translate(_WITHOUT_DECOMPOSITION)))


def check(query: SearchQuery) -> None:
    """BadRequest, with its field, for what is too long to be meant."""
    for name in ("artist", "location", "text"):
        if len(getattr(query, name)) > TERM_CHARACTERS_MAX:
            raise BadRequest(f"At most {TERM_CHARACTERS_MAX} characters.", field=name)
    if not 1 <= query.page_size <= PAGE_SIZE_MAX:
        raise BadRequest(f"A page has 1 to {PAGE_SIZE_MAX} events.", field="page_size")
