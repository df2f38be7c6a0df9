"""Folding a text for a search: whatever form it has, it has the same words."""

from __future__ import annotations

import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from onsale.search.folding import findable, plain
from tests.texts import SCRIPTS, texts


@settings(max_examples=200, deadline=None)
@given(texts)
def test_plain_words_stay_as_they_are(some):
    assert plain(plain(some)) == plain(some)
    assert findable(some).split()[: len(plain(some).split())] == plain(some).split()


@settings(max_examples=200, deadline=None)
@given(texts)
def test_a_text_taken_apart_or_put_together_has_the_same_words(some):
    for form in ("NFD", "NFC", "NFKD", "NFKC"):
        assert plain(unicodedata.normalize(form, some)) == plain(some)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from("".join(SCRIPTS)), max_size=60))
def test_capitals_are_the_same_words(some):
    assert plain(some.upper()) == plain(some) == plain(some.lower())
