"""The console's chart and form, and the picture of the house: plain numbers for a template."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from werkzeug.datastructures import MultiDict

from onsale.db.queue_settings import Phase, QueueSettings
from onsale.errors import BadRequest
from onsale.queue.ramps import Ramp, Step
from onsale.sandbox.rooms import Room, room
from onsale.web.admin import chart, ramp_picture, rates, steering
from onsale.web.pages import house

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)


def test_a_bar_stands_for_people_per_minute():
    drawn = chart.draw([(NOW - timedelta(seconds=10), 150)], [(NOW - timedelta(hours=1), 600)], now=NOW)

    bar = drawn.bars[-1]
    # 150 in a quarter of a minute are 600 a minute: the bar ends where the line of the rate is.
    assert drawn.set_path == f"M{chart.LEFT:.1f} {bar.y:.1f}H{chart.WIDTH}"
    assert "150 in the last one, 600 set" in drawn.words


def test_a_change_of_the_rate_is_a_step():
    rates = [(NOW - timedelta(minutes=20), 300), (NOW - timedelta(minutes=5), 600)]

    drawn = chart.draw([(NOW - timedelta(minutes=8), 10)], rates, now=NOW)

    assert drawn.set_path.count("V") == 1
    assert [line.label for line in drawn.grid] == ["0", "300", "600"]


def test_a_rate_from_before_anybody_came_in_does_not_spoil_the_scale():
    rates = [(NOW - timedelta(minutes=9), 60_000), (NOW - timedelta(minutes=5), 60)]

    drawn = chart.draw([(NOW - timedelta(minutes=4), 15)], rates, now=NOW)

    assert drawn.grid[-1].label == "60"


@pytest.mark.parametrize("most", [1, 9, 10, 11, 99, 100, 601, 12_345, 600_000])
def test_the_scale_ends_on_a_round_number_above_everything(most):
    drawn = chart.draw([], [(NOW, most)], now=NOW)

    top = int(drawn.grid[-1].label.replace(",", ""))
    assert most <= top <= max(10, 2 * most)


@pytest.mark.parametrize("kind", Room)
def test_every_block_of_every_room_is_in_the_picture(kind):
    sections = [_Section(plan) for plan in room(kind, price_minor=5000, currency="eur")]

    drawn = house.draw(sections)

    assert drawn is not None
    assert len(drawn.blocks) == len(sections)
    _, _, width, height = map(float, drawn.view_box.split())
    assert all(each.x >= 0 and each.x + each.width <= width for each in drawn.blocks)
    assert all(each.y >= 0 and each.y + each.height <= height for each in drawn.blocks)


def test_an_arena_has_a_price_table_that_fits_a_phone():
    sections = [_Section(plan) for plan in room(Room.ARENA, price_minor=5000, currency="eur")]

    rows = house.price_rows(sections)

    assert [row.name for row in rows] == ["Floor A to Floor F", "Block 101 to 112", "Block 401 to 416"]
    assert sum(row.free or 0 for row in rows) == 20_000


class _Section:
    """A section of a plan with everything free."""

    def __init__(self, plan):
        self.id, self.name, self.kind, self.total_minor, self.free = (
            plan.id,
            plan.name,
            plan.kind,
            plan.price_minor,
            plan.capacity,
        )
        self.map_x, self.map_y, self.map_w, self.map_h = plan.map_x, plan.map_y, plan.map_w, plan.map_h
        self.tiers = self.ahead = ()


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({}, None),
        ({"rate_per_minute": "-1"}, "rate_per_minute"),
        ({"rate_per_minute": "1.5"}, "rate_per_minute"),
        ({"rate_per_minute": "9999999999"}, "rate_per_minute"),
        ({"max_active": "many"}, "max_active"),
        ({"phase": "closed"}, "phase"),
        ({"phase": "paused", "reason": "  "}, "reason"),
    ],
)
def test_what_a_dial_cannot_be_set_to_is_refused_by_name(form, field):
    with pytest.raises(BadRequest) as refused:
        steering.asked(MultiDict(form))

    assert refused.value.field == field


def test_a_change_says_what_it_was_and_how_to_undo_it():
    before, after = _settings(rate_per_minute=300), _settings(rate_per_minute=600)

    told = steering.described(before, after)

    assert told.words == "Rate 300 → 600 per minute."
    assert told.undo == {"rate_per_minute": "300"}
    assert told.undo_words == "back to 300"


def test_undoing_a_pause_opens_and_undoing_that_pauses_with_the_reason_again():
    opened, paused = _settings(), _settings(phase=Phase.PAUSED, reason="Sound check")

    assert steering.described(opened, paused).undo["phase"] == "open"
    again = steering.asked(MultiDict(steering.described(paused, opened).undo))
    assert (again.phase, again.reason) == (Phase.PAUSED, "Sound check")


def _settings(**changed: object) -> QueueSettings:
    values: dict[str, object] = {
        "event_id": 1,
        "enabled": True,
        "phase": Phase.OPEN,
        "opens_at": NOW,
        "rate_per_minute": 300,
        "max_active": 100,
        "selling": True,
        "reason": "",
        "notice": "",
        "enter_seconds": 120,
        "choose_seconds": 600,
        "pay_seconds": 600,
        "address_limit": 0,
        "handsfree_per_minute": 0,
        "version": 1,
        "updated_at": NOW,
        "updated_by": "",
    }
    return QueueSettings(**{**values, **changed})


RAMP = Ramp.made([Step(0, 300), Step(300, 600), Step(900, 1_200)])


def test_what_checkout_held_down_is_a_line_of_its_own_below_the_rate_set():
    rates = [(NOW - timedelta(minutes=20), 600), (NOW - timedelta(minutes=2), 60)]
    held = [(NOW - timedelta(minutes=5), 120), (NOW - timedelta(minutes=1), None)]

    in_force = chart.lower(rates, held)
    drawn = chart.draw([(NOW - timedelta(minutes=9), 5)], rates, in_force, now=NOW)

    assert [rate for _, rate in in_force] == [600, 120, 60, 60]
    assert drawn.in_force_path.count("V") == 3
    assert drawn.words.endswith("60 set, 60 in force")


def test_a_ramp_is_drawn_with_what_was_in_force_until_now():
    picture = ramp_picture.draw(
        RAMP,
        [(NOW, 300), (NOW + timedelta(seconds=301), 120)],
        begins=NOW,
        rate_set=1_000,
        now=NOW + timedelta(minutes=9),
    )

    assert picture.planned_path.count("V") == 2
    assert picture.in_force_path.count("V") == 1
    assert picture.now_x == pytest.approx((chart.WIDTH + chart.LEFT) / 2)
    # The rate set cuts the plan off.
    assert picture.grid[-1].label == "1,000"
    assert "300 from minute 0, 600 from minute 5, 1,200 from minute 15" in picture.words


def test_a_ramp_that_has_not_begun_shows_no_rate_in_force():
    picture = ramp_picture.draw(RAMP, [(NOW, 300)], begins=NOW + timedelta(hours=1), rate_set=1_200, now=NOW)

    assert (picture.in_force_path, picture.now_x) == ("", None)


def test_the_form_of_a_ramp_takes_rows_in_any_order_and_leaves_empty_ones_out():
    form = {
        "minutes_1": "5",
        "per_minute_1": "600",
        "minutes_2": "",
        "per_minute_2": "",
        "minutes_3": "0.5",
        "per_minute_3": "300",
        "linear": "yes",
    }

    assert rates.asked(form) == Ramp((Step(30, 300), Step(300, 600)), linear=True)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"minutes_1": "soon", "per_minute_1": "600"},
        {"minutes_1": "-1", "per_minute_1": "600"},
        {"minutes_1": "1.", "per_minute_1": ""},
        {"minutes_1": "0", "per_minute_1": "600001"},
        {"minutes_1": "1441", "per_minute_1": "600"},
        {"minutes_1": "", "per_minute_1": "600"},
    ],
)
def test_a_form_of_a_ramp_that_does_not_fit_says_so(form):
    with pytest.raises(BadRequest):
        rates.asked(form)
