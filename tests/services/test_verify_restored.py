"""A queue that was lost with people and return numbers waiting, and restored: an honest sale stays one (I5)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any
from uuid import UUID

from onsale.db.engine import reading
from onsale.db.ids import BookingId
from onsale.db.queue_settings import QueueChange
from onsale.report.verify_report import check
from onsale.verify import sql
from onsale.verify.admissions import Run
from tests.builders import an_event, open_queue, some_buyers, until
from tests.services.small_sale import Sale
from tests.services.test_recovery import go_on, join, passed, write_down
from tests.services.test_sale_report import a_report

SLOW = QueueChange(rate_per_minute=600)
# More than the recovery goes on behind: a burst, and what was earned in the time that it may have missed.
PEOPLE = 32
NOBODYS = BookingId(UUID(int=0))


def runs_of(sale: Sale) -> list[Run]:
    with reading(sale.engine) as connection:
        return [Run(*row) for row in connection.execute(sql.load("admissions"), {"event_id": sale.event_id})]


def test_a_queue_lost_with_both_kinds_of_numbers_waiting_is_in_order_on_record_and_in_its_report(
    paying_shop: Any, engine: Any, redis_client: Any, tmp_path: Any
) -> None:
    event_id = an_event(engine, queue=SLOW)
    sale = Sale(paying_shop, engine, event_id, [], NOBODYS, NOBODYS)
    open_queue(paying_shop, event_id)
    first, store = some_buyers(engine, 2 * PEOPLE), paying_shop.store
    away = [join(paying_shop, event_id, buyer_id) for buyer_id in first[:PEOPLE]]
    for number in away:
        passed(paying_shop, event_id, number)
    returns = [store.come_back(event_id, number) for number in away]
    waiting = [join(paying_shop, event_id, buyer_id) for buyer_id in first[PEOPLE:]]
    write_down(paying_shop, event_id)

    redis_client.flushall()
    go_on(paying_shop, event_id)
    store.set_stock(event_id, [], free=2 * PEOPLE, held=0)
    # One person a run, and so one kind of number in each.
    until(lambda: store.advance(event_id, admit_max=1).serving >= max(waiting), "all are called")
    until(lambda: store.advance(event_id, admit_max=1).return_serving >= max(returns), "all are called again")
    write_down(paying_shop, event_id)

    runs = runs_of(sale)
    restored = next(after.seq for before, after in pairwise(runs) if after.seq != before.seq + 1)
    after = [run for run in runs if run.seq >= restored]
    jumps = [next(run.seq for run in after if getattr(run, last)) for last in ("last", "return_last")]
    assert jumps[0] != jumps[1]
    assert sale.finding("I5").examples == ()
    assert check(a_report(sale, tmp_path).read_bytes()).called == 0
