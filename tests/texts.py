"""Texts in many scripts, for tests of what is done to any text."""

import unicodedata

from hypothesis import strategies as st

# Every letter that this Python knows; a record that knows fewer takes the others as they are. No text holds NUL.
KNOWN = [letter for letter in map(chr, range(1, 0x110000)) if unicodedata.category(letter) not in ("Cn", "Cs", "Co")]
# Where words are made of more than letters: marks, joiners, signs, forms, other digits; and what is typed between.
SCRIPTS = (
    "abcXYZ019 .-/'&_\t",
    "áőșțğơĐøŁßẞæÞŉﬁĲ²½ǅſ\u0301\u0323\u00ad",
    "Σίσυφοςΐ",
    "ЙошкарОлаёїґ\u0306",
    "한국어방탄소년단\u1112\u1161\u11ab",
    "夜の街がガー々・、\u3099",
    "हिन्दीक़\u093c\u094d\u200d।",
    "ไทยน้ำ\u0e33",
    "ليلةأحمدـ\u064b\u200c؟",
    "שָׁלוֹם־״",
    "ქართულიᲥ",
    "👩\u200d🎤\ufe0f🇦🇹♥\u2764",
)
texts = st.one_of(
    st.text(st.sampled_from("".join(SCRIPTS)), max_size=60),
    st.text(st.sampled_from(KNOWN), max_size=30),
)
