"""What the row `origin` reckons with: how often a queue asks, and what a paced crowd counts."""

from __future__ import annotations

import pytest

from onsale.sandbox.bench.origin import polls_per_second
from onsale.sandbox.bench.paced import Group, Reader, Stream

DOCUMENT = {"poll": [{"ahead": 9, "seconds": 2}, {"ahead": 99, "seconds": 10}, {"ahead": None, "seconds": 60}]}


@pytest.mark.parametrize(("waiting", "polls"), [(0, 0.0), (10, 5.0), (100, 5.0 + 9.0), (700, 5.0 + 9.0 + 10.0)])
def test_each_asks_as_often_as_the_status_says_for_their_distance(waiting, polls):
    assert polls_per_second(DOCUMENT, waiting) == pytest.approx(polls)


@pytest.mark.parametrize("size", [1, 5, 13, 1_000])
def test_a_status_line_counts_once_however_the_answers_arrive(size):
    reader, answers = (
        Reader(),
        b"HTTP/1.1 200 OK\r\nx: y\r\n\r\n{}HTTP/1.1 304 NOT MODIFIED\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    )

    for at in range(0, len(answers), size):
        reader.data_received(answers[at : at + size])

    assert reader.statuses == {"200": 2, "304": 1}


def test_what_is_due_is_sent_whether_or_not_anything_was_answered():
    group = Group(Stream(name="polls", requests=["one", "two"], per_second=10, after_seconds=1))
    sent: list[bytes] = []
    group.readers.append(_Deaf(sent))

    for passed in (0.5, 1.0, 1.2, 1.2, 2.0):
        group.send(passed)

    assert group.due == 10
    assert b"".join(sent) == b"onetwo" * 5


class _Deaf(Reader):
    """Reads nothing; keeps what is written."""

    def __init__(self, sent: list[bytes]) -> None:
        super().__init__()
        self.transport = _Written(sent)  # type: ignore[assignment] # a pen is all that is used of it


class _Written:
    def __init__(self, sent: list[bytes]) -> None:
        self.write = sent.append
