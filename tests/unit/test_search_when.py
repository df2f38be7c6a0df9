"""Days as buyers write them."""

from datetime import UTC, datetime

import pytest

from onsale.errors import BadRequest
from onsale.search import Between
from onsale.search.when import between


def at(*numbers: int) -> datetime:
    return datetime(*numbers, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "first", "end"),
    [
        ("2026-12-24", at(2026, 12, 24), at(2026, 12, 25)),
        ("2026-12", at(2026, 12, 1), at(2027, 1, 1)),
        ("2028-02", at(2028, 2, 1), at(2028, 3, 1)),
        ("2026-12-24T20:00Z", at(2026, 12, 24, 20), None),
        ("2026-12-24T20:00", at(2026, 12, 24, 20), None),
        ("2026-12-24T20:00+02:00", at(2026, 12, 24, 18), None),
        ("2026-12-24T20:00 02:00", at(2026, 12, 24, 18), None),
        ("2026-12-24..2026-12-31", at(2026, 12, 24), at(2027, 1, 1)),
        ("2026-11..2026-12", at(2026, 11, 1), at(2027, 1, 1)),
        ("2026-12-24..", at(2026, 12, 24), None),
        ("..2026-12-24", None, at(2026, 12, 25)),
        ("2026-12-24T20:00:00 10:00", at(2026, 12, 24, 10), None),
        ("2026-12-24T20:00:00.5-0200", at(2026, 12, 24, 22, 0, 0, 500_000), None),
        ("2026-12-24t20:00z", at(2026, 12, 24, 20), None),
        ("2026-12-01..2026-12-03", at(2026, 12, 1), at(2026, 12, 4)),
        ("2026-12-24..2026-12-24", at(2026, 12, 24), at(2026, 12, 25)),
        ("2026-12..2026-12", at(2026, 12, 1), at(2027, 1, 1)),
        ("2026-12-24..2026-12", at(2026, 12, 24), at(2027, 1, 1)),
        ("2026-12-24T10:00Z..2026-12-24T12:00Z", at(2026, 12, 24, 10), at(2026, 12, 24, 12, 1)),
        ("2026-12-24T10:00Z..2026-12-24T10:00Z", at(2026, 12, 24, 10), at(2026, 12, 24, 10, 1)),
        ("2026-12-24T10:00:00Z..2026-12-24T10:00:00Z", at(2026, 12, 24, 10), at(2026, 12, 24, 10, 0, 1)),
        # The calendar of computers ends here; nothing comes after it.
        ("9999-12-31", at(9999, 12, 31), None),
        ("9999-12", at(9999, 12, 1), None),
        ("2026-12-24..9999-12-31", at(2026, 12, 24), None),
        ("9999-12-31..9999-12-31", at(9999, 12, 31), None),
        ("9999-12-31T23:59Z..9999-12-31T23:59Z", at(9999, 12, 31, 23, 59), None),
        (" 2026-12-24 ", at(2026, 12, 24), at(2026, 12, 25)),
    ],
)
def test_a_day_a_month_a_moment_or_a_range(text, first, end):
    assert between(text) == Between(first, end)


@pytest.mark.parametrize(
    "text",
    [
        *("", "tomorrow", "2026-13", "2026-02-30", "2026-12-24..2026-12-01", "0000-00-00", "a..b", "1"),
        *("2026-12-24..2026-12-25..2026-12-26", "0001-01-01T00:00+10:00", "9999-12-31T23:00-10:00"),
        # ISO 8601 as well, and to most who read it a number or a riddle.
        *("20261209", "2026-W50-3", "2026-W50", "2026-343", "20261209..20261210", "20261209T200000Z"),
        *("2026-12-24 20:00", "2026-12-24T20", "2026-12-24T20:00.5", "2026-12-24T20:00Z01", "2026-12-24T25:00"),
        *("2026-12-24T20:00  10:00", "2026-12-24T20:00+1", "\uff12\uff10\uff12\uff16-12-24"),
    ],
)
def test_anything_else_is_refused_with_the_field_named(text):
    with pytest.raises(BadRequest) as refused:
        between(text)

    assert refused.value.field == "dateTime"
