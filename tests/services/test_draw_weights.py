"""A code that counts more in a draw: what it gives, that it gives no more, and that strangers can work it out."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from onsale.cli.draw import draw as command
from onsale.cli.why import _of_buyer
from onsale.db import codes, draw_lots, handovers, queue_settings, waiting_entries, waiting_lists
from onsale.db.engine import reading, transaction
from onsale.db.queue_settings import Phase
from onsale.errors import CodeUnfit, CodeUsed, WeightNotCounted
from onsale.queue.draw import best_of, draw_key, permutation
from onsale.queue.keys import EventKeys
from onsale.queue.state import Standing
from onsale.verify import draw_list
from onsale.workers import drawing, journaling, recovery
from onsale.workers.rounds import rules_of
from onsale.workers.waiting_lists import _take_in
from tests.builders import a_buyer, an_event, open_queue, set_queue, some_buyers
from tests.services.selling_codes import FIVE_OFF, a_code
from tests.services.test_draw import ADDRESS, SEED, VALUE, beacon_came, entries_closed, go_round, on_record
from tests.services.weighted_draw import FIVE_TIMES, a_weighted_draw, an_announced_draw, held, join_with


@pytest.fixture
def announced_draw(engine):
    """A draw that nobody may join yet."""
    return an_announced_draw(engine)


@pytest.fixture
def event_id(shop, engine):
    """A draw with a code that counts five times, in whose pre-queue one may join."""
    return a_weighted_draw(shop, engine)


def test_who_joins_with_a_weight_gets_the_best_of_so_many_numbers_and_the_others_are_nobodys(shop, engine, event_id):
    plain = some_buyers(engine, 10)
    for buyer in plain[:4]:
        shop.store.join(event_id, buyer, address=ADDRESS)
    fan = a_buyer(engine)
    joined = join_with(shop, event_id, fan)
    for buyer in plain[4:]:
        shop.store.join(event_id, buyer, address=ADDRESS)
    waiting_before = shop.store.snapshot(event_id).waiting
    held(shop, engine, event_id)

    rule = permutation(draw_key(SEED, VALUE, 15), 15)
    place = shop.store.place_of(event_id, fan)

    assert (joined.number, joined.weight, waiting_before) == (5, 5, 11)
    assert (place.number, place.pre_queue_number, place.weight) == (best_of(rule, 5, 5).drawn, 5, 5)
    numbers = [place.number] + [shop.store.place_of(event_id, buyer).number for buyer in plain]
    assert len(set(numbers)) == 11
    spare = set(range(1, 16)) - set(numbers)
    assert spare == {rule.drawn(each) for each in best_of(rule, 5, 5).spent}
    assert {shop.store.place_at(event_id, str(number)).standing for number in spare} == {Standing.DONE}


def test_numbers_that_are_nobodys_cost_no_turn(shop, engine, event_id):
    for _ in range(3):
        join_with(shop, event_id, a_buyer(engine))
    people = some_buyers(engine, 5)
    for buyer in people:
        shop.store.join(event_id, buyer, address=ADDRESS)
    set_queue(engine, event_id, rate_per_minute=6_000)
    held(shop, engine, event_id)
    go_round(shop, lambda: shop.store.snapshot(event_id).serving == 20, "everybody was called")

    queue = shop.store.snapshot(event_id)

    assert (queue.admitted_total, queue.admitted, queue.waiting) == (8, 8, 0)


def test_nobody_is_let_in_before_the_numbers_up_to_theirs_were_looked_through(shop, engine, event_id):
    join_with(shop, event_id, a_buyer(engine))
    set_queue(engine, event_id, rate_per_minute=6_000)
    entries_closed(shop, engine, event_id)
    beacon_came(engine, event_id, VALUE)
    drawing.open_by_draw(shop, event_id)
    with reading(engine) as connection:
        settings = queue_settings.get(connection, event_id)
    shop.store.configure(event_id, rules_of(settings), version=settings.version)
    now_ms = shop.store.snapshot(event_id).now_ms + 5_000

    unlooked = shop.store.advance(event_id, now_ms=now_ms)
    drawing.look_ahead(shop, event_id, shop.store.snapshot(event_id))
    looked = shop.store.advance(event_id, now_ms=now_ms + 5_000)

    assert (unlooked.admitted, unlooked.serving) == (0, 0)
    assert (looked.admitted, looked.passed_over) == (1, 4)


def test_a_weight_counts_only_while_a_draws_entries_are_open(shop, engine, event_id):
    plain = an_event(engine)
    open_queue(shop, plain)
    entries_closed(shop, engine, event_id)

    for each in (plain, event_id):
        with pytest.raises(WeightNotCounted):
            shop.store.join(each, a_buyer(engine), address=ADDRESS, weight=5)


def test_who_has_a_number_keeps_the_weight_it_has(shop, engine, event_id):
    plain, fan = a_buyer(engine), a_buyer(engine)
    shop.store.join(event_id, plain, address=ADDRESS)
    first = join_with(shop, event_id, fan)

    again = shop.store.join(event_id, fan, address=ADDRESS)
    more = shop.store.join(event_id, plain, address=ADDRESS, weight=5)

    assert (again.number, again.weight, again.created) == (first.number, 5, False)
    assert (more.number, more.weight) == (1, 1)
    assert shop.store.place_of(event_id, plain).weight == 1


def test_weights_are_published_before_the_pre_queue_opens_and_stay(shop, engine, announced_draw):
    a_code(engine, announced_draw, FIVE_TIMES)
    a_code(engine, announced_draw, FIVE_TIMES)
    a_code(engine, announced_draw, replace(FIVE_TIMES, weight=2, uses_max=10))
    set_queue(engine, announced_draw, phase=Phase.PRE_QUEUE)
    open_queue(shop, announced_draw)

    with pytest.raises(CodeUnfit, match="stays as published"):
        a_code(engine, announced_draw, FIVE_TIMES)

    assert on_record(engine, announced_draw).weights == ((2, 10), (5, 6))
    told = shop.store.snapshot(announced_draw).rules.draw.document()
    assert told["weights"] == [{"weight": 2, "people_max": 10}, {"weight": 5, "people_max": 6}]


@pytest.mark.parametrize(
    ("new", "field"),
    [
        (replace(FIVE_TIMES, weight=1), "weight"),
        (replace(FIVE_TIMES, weight=101), "weight"),
        (replace(FIVE_TIMES, uses_max=None), "uses_max"),
        (replace(FIVE_TIMES, section_ids=(1,)), "sections"),
        (replace(FIVE_OFF, weight=5), "weight"),
    ],
)
def test_a_code_with_a_weight_that_makes_no_sense_is_refused(engine, announced_draw, new, field):
    with pytest.raises(CodeUnfit) as refused:
        a_code(engine, announced_draw, new)

    assert refused.value.field == field


def test_where_it_is_first_come_first_served_there_are_no_weights(engine):
    with pytest.raises(CodeUnfit, match="first come, first served"):
        a_code(engine, an_event(engine), FIVE_TIMES)


def test_a_lost_queue_comes_back_with_its_weights(shop, engine, event_id, redis_client):
    fan, plain = a_buyer(engine), a_buyer(engine)
    join_with(shop, event_id, fan)
    shop.store.join(event_id, plain, address=ADDRESS)
    journaling.write_journal(shop, event_id)
    held(shop, engine, event_id)
    before = shop.store.place_of(event_id, fan)
    redis_client.flushall()

    assert recovery.recover(shop, event_id)
    go_round(shop, lambda: shop.store.snapshot(event_id).spare_to is None, "the spare numbers are passed again")

    after = shop.store.place_of(event_id, fan)
    assert (after.number, after.pre_queue_number, after.weight) == (before.number, before.pre_queue_number, 5)
    assert redis_client.bitcount(EventKeys(event_id).numbers_lane()[4]) == 4


def test_the_first_number_is_on_record_from_the_journal_too(shop, engine, event_id):
    joined = join_with(shop, event_id, a_buyer(engine))

    journaling.write_journal(shop, event_id)

    with reading(engine) as connection:
        assert draw_lots.rows(connection, event_id) == {joined.number: 5}


@pytest.fixture
def exported(shop, engine, event_id, settings, monkeypatch):
    """The lines of the list of a draw with two fans and six others."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    fans, others = some_buyers(engine, 2), some_buyers(engine, 6)
    for fan in fans:
        join_with(shop, event_id, fan)
    for buyer in others:
        shop.store.join(event_id, buyer, address=ADDRESS)
    held(shop, engine, event_id)
    journaling.write_journal(shop, event_id)
    done = CliRunner().invoke(command, ["export", str(event_id)])
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


def test_a_stranger_finds_everybodys_number_in_the_list(shop, exported):
    head, *lines = exported
    entries = [(int(number), name, int(drawn)) for number, name, drawn in (line.split(",") for line in lines)]

    assert json.loads(head)["weights"] == [[5, 3]]
    assert draw_list.check(exported, {"weights": {5: 3}, "size": 16}) == []
    assert [len(row) for _, row in draw_list.rows_of(entries)] == [5, 5, 1, 1, 1, 1, 1, 1]


def changed_list(exported, *, last: int, name: str):
    """The list with this name at the numbers up to the last, and a hash that agrees with it."""
    head, *lines = exported
    split = [line.split(",") for line in lines]
    for at in range(10, last):
        split[at][1] = name
    digest = draw_list.list_hash((int(number), each) for number, each, _ in split)
    return [json.dumps(json.loads(head) | {"list_hash": digest}), *(",".join(each) for each in split)]


def test_a_wrong_weight_is_found(exported):
    twice = changed_list(exported, last=12, name="ab" * 12)
    one_more = changed_list(exported, last=15, name="ab" * 12)
    fewer = [exported[0].replace("[[5, 3]]", "[[5, 1]]"), *exported[1:]]

    assert [one.what for one in draw_list.check(twice, {})] == ["weights"]
    assert draw_list.check(one_more, {}) == []
    assert [one.what for one in draw_list.check(fewer, {})] == ["weights"]
    assert [one.what for one in draw_list.check(exported, {"weights": {5: 2}})] == ["weights"]
    assert [one.what for one in draw_list.check(exported, {"weights": {}})] == ["weights"]


def test_a_code_is_used_no_more_often_than_was_published(shop, engine, event_id):
    for _ in range(3):
        join_with(shop, event_id, a_buyer(engine))

    with pytest.raises(CodeUsed):
        join_with(shop, event_id, a_buyer(engine))

    with reading(engine) as connection:
        assert codes.by_text(connection, event_id, "FANS").used == 3


def test_the_record_keeps_a_buyer_to_one_weight(shop, engine, event_id):
    fan = a_buyer(engine)
    join_with(shop, event_id, fan)

    with transaction(engine) as connection:
        again = draw_lots.take(connection, event_id, fan, "FANS")

    assert again == 5
    with reading(engine) as connection:
        assert connection.execute(text("SELECT count(*) FROM draw_lots")).scalar_one() == 1


def test_of_a_weight_that_was_given_up_the_number_that_counted_is_passed(shop, engine, event_id):
    """Its holder signed in to an account that had a better place; the first of five numbers is hardly the best."""
    account, fan = a_buyer(engine), a_buyer(engine)
    shop.store.join(event_id, account, address=ADDRESS)
    join_with(shop, event_id, fan)
    rule = permutation(draw_key(SEED, VALUE, 6), 6)
    best = best_of(rule, 2, 5).drawn
    with transaction(engine) as connection:
        moved = {"giver": fan, "taker": account, "gave": 2, "number": 1, "given_up": 2, "joined_at_ms": 1}
        handovers.record(connection, event_id, **moved)

    held(shop, engine, event_id)

    assert best != rule.drawn(2), "or the first number would do"
    assert shop.store.place_at(event_id, str(best)).standing is Standing.DONE


def test_a_weight_is_on_the_waiting_list_and_in_support_under_the_number_that_counts(shop, engine, event_id):
    fan = a_buyer(engine)
    join_with(shop, event_id, fan)
    journaling.write_journal(shop, event_id)
    set_queue(engine, event_id, rate_per_minute=0)
    held(shop, engine, event_id)
    best = shop.store.place_of(event_id, fan).number

    with transaction(engine) as connection:
        begun = "INSERT INTO waiting_lists (event_id, began_at) VALUES (:id, clock_timestamp())"
        connection.execute(text(begun), {"id": event_id})
        _take_in(connection, waiting_lists.get(connection, event_id))
        entry = waiting_entries.get(connection, event_id, fan)
    with reading(engine) as connection:
        told = "\n".join(_of_buyer(connection, fan))

    assert entry.number == best
    assert f"drawn as {best}" in told
