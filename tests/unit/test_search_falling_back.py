"""A search whose index is away: the record answers, and the index is left alone for a while."""

from __future__ import annotations

import pytest
from elastic_transport import ApiResponseMeta, HttpHeaders, NodeConfig
from elasticsearch import BadRequestError

from onsale.errors import BadRequest, SearchUnavailable
from onsale.search import SearchPage, SearchQuery
from onsale.search.falling_back import REST_SECONDS, FallingBack

PAGE = SearchPage((), 1, None)
OTHER = SearchPage((), 2, None)


class Answering:
    """A search that answers, or fails, as it is told."""

    def __init__(self, page: SearchPage) -> None:
        self.page = page
        self.error: Exception | None = None
        self.asked = 0

    def search(self, query: SearchQuery) -> SearchPage:
        self.asked += 1
        if self.error:
            raise self.error
        return self.page


class Clock:
    """Time that stands until it is moved."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def index() -> Answering:
    return Answering(PAGE)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def search(index: Answering, clock: Clock) -> FallingBack:
    return FallingBack(index, Answering(OTHER), clock=clock)


def test_while_the_index_answers_the_record_is_not_asked(search):
    assert search.search(SearchQuery()) is PAGE


def test_while_the_index_is_away_the_record_answers_and_the_index_rests(search, index, clock):
    index.error = SearchUnavailable()
    assert [search.search(SearchQuery()) for _ in range(3)] == [OTHER] * 3
    assert index.asked == 1

    index.error = None
    clock.now += REST_SECONDS

    assert search.search(SearchQuery()) is PAGE


def test_a_later_page_is_not_begun_anew_by_the_other_search(search, index):
    index.error = SearchUnavailable()

    with pytest.raises(SearchUnavailable):
        search.search(SearchQuery(cursor="of-the-index"))


def test_what_makes_no_sense_is_no_reason_to_ask_the_record(search, index):
    index.error = BadRequest("At most 200 characters.", field="text")

    with pytest.raises(BadRequest):
        search.search(SearchQuery())


def test_nonsense_asked_when_the_index_might_be_back_does_not_keep_it_away(search, index, clock):
    index.error = SearchUnavailable()
    search.search(SearchQuery())
    clock.now += REST_SECONDS
    index.error = BadRequest("At most 200 characters.", field="text")
    with pytest.raises(BadRequest):
        search.search(SearchQuery())

    index.error = None

    assert search.search(SearchQuery()) is PAGE


def test_one_question_that_the_index_refuses_does_not_take_it_from_everybody(search, index):
    meta = ApiResponseMeta(400, "1.1", HttpHeaders(), 0.01, NodeConfig("http", "127.0.0.1", 9200))
    index.error = SearchUnavailable()
    index.error.__cause__ = BadRequestError("too_many_clauses", meta, {})
    assert search.search(SearchQuery()) is OTHER

    index.error = None

    assert search.search(SearchQuery()) is PAGE
