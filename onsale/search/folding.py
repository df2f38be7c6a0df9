"""Letters as a search sees them: lower case, without accents, cut into words, in every script.

The record does the same in SQL, `plain_words` and `findable_words`; the documents of an index are made here. What is
typed is folded by this too, so that neither engine has a rule of its own.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

PLAIN_KEPT = 10_000
# Different letters that are in use, and then some.
LETTERS_KEPT = 10_000
# What parts words becomes a space; what may stand within one, a hyphen.
SPACE, MARK = " ", "-"
_SPACES = ("Zs", "Zl", "Zp", "Cc")
# What may be left out by who types: accents, Hebrew's and Arabic's vowels, the dot below of Hindi, what stretches an
# Arabic word, chooses the form of a sign, or is not seen. Other marks are letters: the vowels of Hindi and Thai.
_LEFT_OUT = re.compile(
    r"[\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670"
    r"\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0711\u0730-\u074a\u093c\u180b-\u180f\u1ab0-\u1aff\u1dc0-\u1dff"
    r"\u20d0-\u20ff\ufe00-\ufe0f\ufe20-\ufe2f\U000e0000-\U000e0fff]"
)
# Letters to Unicode, apostrophes to people; pictures, also those to come; what has no meaning of its own.
_MARKS = re.compile(r"[\u02b9-\u02bf\U0001f000-\U0001fbff\ue000-\uf8ff\U000f0000-\U0010ffff\ud800-\udfff]")
# Letters of their own to Unicode, and the one Greek writes otherwise at the end of a word.
_OTHERWISE = dict(zip("øłđðħıȷŧƒŋς", "olddhijtfn\u03c3", strict=True)) | {"ß": "ss", "æ": "ae", "œ": "oe", "þ": "th"}
# Scripts without spaces whose every sign is a word here: Chinese, and kana but for katakana; with what voices a kana.
_SIGNS = r"\u3005-\u3007\u3041-\u3096\u309d-\u309f\u3400-\u4dbf\u4e00-\u9fff\U00020000-\U0003ffff"
WORD = re.compile(rf"[{_SIGNS}][\u3099\u309a]*|[^ {_SIGNS}]+")
_ASCII_WORD = re.compile("[a-z0-9]+")
_ASCII = {number: SPACE if number < 33 or number == 127 else MARK for number in range(128) if not chr(number).isalnum()}


# A page of hits has the same names again and again, and so has the next.
@lru_cache(maxsize=PLAIN_KEPT)
def plain(text: str) -> str:
    """The words of a text as a search compares them, with one space between."""
    # Most names: nothing to take apart, and a fifth of the work.
    if text.isascii():
        return " ".join(_ASCII_WORD.findall(text.lower()))
    return " ".join(WORD.findall(folded(text).replace(MARK, SPACE)))


@lru_cache(maxsize=PLAIN_KEPT)
def findable(text: str) -> str:
    """All words by which a text is found: its plain ones, then those there are when what stands within a word is left
    out. AC/DC is found as ac, dc and acdc.
    """
    apart = plain(text).split()
    there = set(apart)
    joined = dict.fromkeys(WORD.findall(folded(text).replace(MARK, "")))
    return " ".join([*apart, *(word for word in joined if word not in there)])


def folded(text: str) -> str:
    """The text taken apart, lower, without accents: letters, SPACE and MARK."""
    if text.isascii():
        return text.lower().translate(_ASCII)
    return "".join(map(_folded_letter, unicodedata.normalize("NFKD", text)))


@lru_cache(maxsize=LETTERS_KEPT)
def _folded_letter(letter: str) -> str:
    category = unicodedata.category(letter)
    if category == "Cf" or _LEFT_OUT.match(letter):
        return ""
    if category in _SPACES:
        return SPACE
    # What is not a letter yet may become one.
    if category[0] in "PS" or _MARKS.match(letter):
        return MARK
    lower = letter.lower()
    return _OTHERWISE.get(lower, lower)
