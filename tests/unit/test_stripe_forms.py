"""The simulator reads Stripe's nested forms, and never fails on a strange one in another way than by refusing it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.sandbox.stripe_simulator.cards import BY_NUMBER, checksum_fits
from onsale.sandbox.stripe_simulator.errors import ApiError
from onsale.sandbox.stripe_simulator.forms import DEPTH_MAX, FIELDS_MAX, Params, nested, pairs
from onsale.sandbox.stripe_simulator.ids import IdMaker, lowest_at

names = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=10)
trees: Any = st.dictionaries(
    names,
    st.recursive(st.text(max_size=10), lambda below: st.dictionaries(names, below, min_size=1, max_size=3)),
    max_size=3,
)


def flat(tree: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    found = []
    for name, value in tree.items():
        full = f"{prefix}[{name}]" if prefix else name
        found += flat(value, full) if isinstance(value, dict) else [(full, value)]
    return found


@given(trees)
def test_a_nested_form_is_read_as_it_was_meant(tree):
    fields = flat(tree)
    if any(name.count("[") >= DEPTH_MAX for name, _ in fields):
        return

    assert nested(pairs(urlencode(fields))) == tree


def test_lists_come_with_and_without_their_places():
    for body in ("expand[]=a&expand[]=b", "expand[0]=a&expand[1]=b"):
        assert Params(nested(pairs(body))).texts("expand") == ["a", "b"]


@given(st.text(max_size=300))
def test_noise_is_read_or_refused(body):
    with suppress(ApiError):
        params = Params(nested(pairs(body)))
        for name in params:
            params.text(name)
        params.metadata()


def test_the_largest_form_is_read_and_one_field_more_refused():
    body = "&".join(f"a{place}=1" for place in range(FIELDS_MAX))
    assert len(pairs(body)) == FIELDS_MAX

    with pytest.raises(ApiError):
        pairs(body + "&b=1")


def test_the_deepest_form_is_read_and_one_step_more_refused():
    deepest = "a" + "[b]" * (DEPTH_MAX - 1)
    assert nested([(deepest, "1")])

    with pytest.raises(ApiError):
        nested([(deepest + "[b]", "1")])


def test_metadata_is_merged_and_emptied():
    before = {"a": "1", "b": "2"}

    assert Params({"metadata": {"a": "", "c": "3"}}).metadata(before) == {"b": "2", "c": "3"}
    assert Params({"metadata": ""}).metadata(before) == {}
    assert Params({}).metadata(before) == before
    with pytest.raises(ApiError):
        Params({"metadata": {f"k{place}": "v" for place in range(51)}}).metadata()


def test_every_published_card_number_has_its_checksum():
    assert all(checksum_fits(number) for number in BY_NUMBER)
    assert not checksum_fits("4242424242424241")


def test_ids_grow_and_tell_their_time():
    ids = IdMaker()
    made = [ids.new("pi") for _ in range(1000)]

    assert made == sorted(set(made))
    assert lowest_at("pi", 0) < made[0] < lowest_at("pi", 1 << 32)
