"""What is kept for others to ask: the first pages of what many look for, once it was asked twice."""

from __future__ import annotations

import pytest

from onsale.search import Near, SearchQuery
from onsale.web.showing import COMMON_CHARACTERS_MAX, Lately, is_common


@pytest.mark.parametrize(
    ("query", "common"),
    [
        (SearchQuery(), True),
        (SearchQuery(text="x" * COMMON_CHARACTERS_MAX), True),
        (SearchQuery(text="x" * COMMON_CHARACTERS_MAX, artist="y"), False),
        (SearchQuery(text="jazz", cursor="next"), False),
        (SearchQuery(near=Near(48.2, 16.4, 10.0)), False),
    ],
)
def test_a_first_page_by_few_words_from_nowhere_in_particular_is_common(query: SearchQuery, common: bool) -> None:
    assert is_common(query) is common


def test_what_was_asked_is_remembered_and_made_up_questions_push_each_other_out() -> None:
    lately = Lately(most=3)

    assert [lately.has(question) for question in ("a", "a", "b", "a", "c", "d", "b", "a")] == [
        False,
        True,
        False,
        True,
        False,
        False,
        False,
        False,
    ]
