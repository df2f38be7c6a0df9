"""The draw in a sale report, as the stranger's verifier checks it."""

from __future__ import annotations

from hashlib import sha256

import pytest

from onsale.db.chain_lines import ADDRESS_INSTEAD, without_names
from onsale.report.verify_report import Different, Report, draw

SEED = "ab" * 32
ANNOUNCED = ("draw_announced", {"seed_hash": sha256(bytes.fromhex(SEED)).hexdigest(), "beacon_name": "drand 7"})
CLOSED = ("draw_entries_closed", {"size": 1_000})
BEACON = ("draw_beacon", {"beacon_name": "drand 7", "beacon_value": "c0ffee"})
HELD = ("draw_held", {"size": 1_000, "seed": SEED, "beacon_value": "c0ffee"})


def reported(*acts):
    """A report with these lines of what was done to the sale, in their order."""
    log = [{"n": n, "file line": n, "line": n, "kind": kind, "body": body} for n, (kind, body) in enumerate(acts, 1)]
    return Report({}, log=log)


def held(**other):
    return ("draw_held", {**HELD[1], **other})


def test_a_draw_that_was_held_as_announced_is_right():
    draw(reported(ANNOUNCED, CLOSED, BEACON, HELD))


def test_a_draw_without_a_beacon_is_right_when_none_was_told():
    draw(reported(ANNOUNCED, CLOSED, ("draw_without_beacon", {}), held(beacon_value="")))


def test_what_was_announced_may_be_changed_until_entries_are_closed():
    draw(reported(("draw_announced", {"seed_hash": "0" * 64}), ("draw_withdrawn", {}), ANNOUNCED, CLOSED, BEACON, HELD))


def test_a_sale_without_a_draw_has_nothing_to_check():
    draw(reported(("queue_opened", {"version": 2})))


@pytest.mark.parametrize(
    ("acts", "said"),
    [
        ((ANNOUNCED, CLOSED, BEACON, held(seed="cd" * 32)), "seed"),
        ((CLOSED, BEACON, HELD), "seed"),
        ((CLOSED, BEACON, HELD, ANNOUNCED), "seed"),
        ((BEACON, CLOSED, ANNOUNCED, HELD), "seed"),
        ((ANNOUNCED, BEACON, CLOSED, HELD), "seed and count"),
        ((ANNOUNCED, CLOSED, BEACON, ANNOUNCED, HELD), "seed was changed"),
        ((ANNOUNCED, CLOSED, ("draw_withdrawn", {}), ANNOUNCED, BEACON, HELD), "seed was changed"),
        ((ANNOUNCED, CLOSED, BEACON, BEACON, HELD), "second time"),
        ((ANNOUNCED, CLOSED, CLOSED, BEACON, HELD), "second time"),
        ((ANNOUNCED, CLOSED, BEACON, HELD, HELD), "second time"),
        ((ANNOUNCED, CLOSED, BEACON, held(size=999)), "count"),
        ((ANNOUNCED, CLOSED, BEACON, held(beacon_value="f00d")), "beacon"),
        ((ANNOUNCED, CLOSED, HELD, BEACON), "beacon"),
    ],
)
def test_another_seed_count_or_beacon_is_found_with_its_line(acts, said):
    with pytest.raises(Different, match=f"line . of the log .*{said}"):
        draw(reported(*acts))


def test_no_block_of_addresses_is_in_a_report():
    told = without_names({"body": {"network": "203.0.113.0/24", "places": 3}}, key=b"k")

    assert told == {"body": {"network": ADDRESS_INSTEAD, "places": 3}}
