"""The record folds and cuts words in SQL as the search's code does it in Python, whatever the script."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, NullPool, create_engine, text

from onsale.search.documents import documents
from onsale.search.folding import findable, folded, plain
from onsale.search.postgres import _terms
from tests.builders import a_show
from tests.texts import KNOWN, texts

LETTERS_AT_ONCE = 4_096


@pytest.fixture(scope="module")
def record(postgres_server, migrated_template) -> Iterator[Connection]:
    """A migrated record that is only asked."""
    engine = create_engine(postgres_server.ensure_database("folding", template=migrated_template), poolclass=NullPool)
    with engine.connect() as connection:
        yield connection
    postgres_server.drop_database("folding")


def in_the_record(record: Connection, some: Sequence[str]) -> list[tuple[str, str, str]]:
    """What the record makes of each: folded, plain, findable."""
    asked = text(
        "SELECT folded_words(t), plain_words(t), findable_words(t) FROM unnest(CAST(:some AS text[])) WITH ORDINALITY"
        " AS u (t, place) ORDER BY place"
    )
    return [(row[0], row[1], row[2]) for row in record.execute(asked, {"some": list(some)})]


def in_python(some: str) -> tuple[str, str, str]:
    return folded(some), plain(some), findable(some)


def test_every_letter_there_is_folds_alike(record):
    for begin in range(0, len(KNOWN), LETTERS_AT_ONCE):
        some = [f"{letter}a{letter}" for letter in KNOWN[begin : begin + LETTERS_AT_ONCE]]
        assert in_the_record(record, some) == [in_python(each) for each in some]


@settings(max_examples=50, deadline=None)
@given(st.lists(texts, min_size=1, max_size=40))
def test_any_texts_become_the_same_words(record, some):
    assert in_the_record(record, some) == [in_python(each) for each in some]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.one_of(texts, st.just("ﷺ" * 60), st.just("ẞ" * 2_000)), min_size=1, max_size=40))
def test_any_text_is_found_by_itself(record, some):
    asked = text(
        "SELECT t FROM unnest(CAST(:some AS text[]), CAST(:queries AS text[])) AS u (t, query)"
        " WHERE NOT search_terms(findable_words(t), 'A') @@ CAST(query AS tsquery)"
    )
    words = {each: plain(each) for each in some if plain(each)}
    queries = [_terms(each, weight="A") for each in words.values()]

    assert record.scalars(asked, {"some": list(words), "queries": queries}).all() == []


def test_what_the_search_looks_through_is_what_an_index_would_get(engine):
    for name in ("AC/DC", "방탄소년단", "Σίσυφος", "!!!", "ﷺ" * 60, "x" * 3_000):
        a_show(engine, name, (name, "L'Été"), genre=name)

    with engine.connect() as connection:
        there = connection.execute(text("SELECT * FROM search_documents")).mappings().all()
        wanted = documents(connection, [row["event_id"] for row in there])
    assert len(there) == 6
    for row in there:
        document = wanted[row["event_id"]]
        assert (row["artist_words"], row["place_words"], row["all_words"]) == (
            document["artist"],
            document["place"],
            document["all"],
        )
