"""What stands on a buyer's statement keeps Stripe's rules, whatever an event is called."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.payments.wording import SUFFIX_CHARACTERS_MAX, statement_suffix


@pytest.mark.parametrize(
    ("name", "printed"),
    [
        ("Neon Foxes", "NEON FOXES"),
        ("Neon Foxes: the long goodbye", "NEON FOXES"),
        ("Größe & Öl", "GROSSE + O"),
        ("Łódź Æther", "LODZ AETHE"),
        ("O'Brien *live* <now>", "OBRIEN LIV"),
        ("  Two\tspaces\n ", "TWO SPACES"),
        ("1984", None),
        ("椎名林檎", None),
        ("", None),
    ],
)
def test_an_events_name_is_written_as_a_bank_prints_it(name, printed):
    assert statement_suffix(name) == printed


@given(st.text(max_size=100))
def test_whatever_the_name_is_stripe_takes_it(name):
    suffix = statement_suffix(name)

    if suffix is not None:
        assert 1 <= len(suffix) <= SUFFIX_CHARACTERS_MAX
        assert suffix.isascii()
        assert suffix.isprintable()
        assert suffix == suffix.strip()
        assert any(one.isalpha() for one in suffix)
        assert not set(suffix) & set("<>\\'\"*")
