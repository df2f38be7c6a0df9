"""Money and tickets that go back, in a sale report: every honest one is right, and a made up one frees no ticket."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from onsale.db import paid_elsewhere, refund_settings
from onsale.db.engine import transaction
from onsale.db.refund_rules import RefundRules
from onsale.db.refunds import Elsewhere, Paid, RefundReason
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.report.verify_report import Different, check
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from onsale.workers.refunds import settle
from tests.builders import a_booking, an_event, booking, open_queue, seat
from tests.services.refunding import PRICE, VISA, a_paid_booking, ask
from tests.services.small_sale import Sale
from tests.services.test_paid_elsewhere import a_failed_refund
from tests.services.test_sale_report import a_report, resigned

RULES = RefundRules(24, fee_minor=500, fee_basis_points=1_000)


@pytest.fixture
def refunded(paying_shop: Any, engine: Any) -> Sale:
    """Every way of a refund: in parts, with a fee kept, failed for good, paid elsewhere; and seats sold again."""
    event_id = an_event(engine)
    open_queue(paying_shop, event_id)
    parts, failed, elsewhere, cancelled, over = (
        a_paid_booking(paying_shop, event_id=event_id, number=number) for number in range(1, 10, 2)
    )
    with transaction(engine) as connection:
        refund_settings.change(connection, event_id, RULES, actor="test")
    ask(paying_shop, parts, tickets=(seat(event_id, 1),), rules=RULES)
    settle(paying_shop, parts)
    ask(paying_shop, parts, rules=RULES)
    settle(paying_shop, parts)
    a_failed_refund(paying_shop, failed)
    given = a_failed_refund(paying_shop, elsewhere, tickets=(seat(event_id, 5),))
    with transaction(engine) as connection:
        assert paid_elsewhere.end(connection, given, Paid(Elsewhere.OUTSIDE, "staff:1", "in cash"))
    for booking_id, reason in ((cancelled, RefundReason.BUYER_CANCELLED), (over, RefundReason.EVENT_CANCELLED)):
        rules = RULES if reason is RefundReason.BUYER_CANCELLED else None
        ask(paying_shop, booking_id, reason=reason, rules=rules)
        settle(paying_shop, booking_id)
    for seats, number in (((1, 2), 21), ((3, 4), 22)):
        sold_again(paying_shop, event_id, seats, number=number)
    return Sale(paying_shop, engine, event_id, [parts], failed, elsewhere)


def sold_again(shop: Any, event_id: Any, seats: tuple[int, ...], *, number: int) -> None:
    wish = Wish(tickets=tuple(seat(event_id, n) for n in seats))
    booking_id = a_booking(shop.engine, event_id, wish, number=number, payment_method=VISA)
    work_lane(shop, event_id, last_look=True)
    resume(shop, booking_id)
    assert booking(shop.engine, booking_id).state is BookingState.CONFIRMED


def lines_of(sale: Sale, folder: Any) -> list[bytes]:
    return a_report(sale, folder).read_bytes().splitlines()


def changed(sale: Sale, lines: list[bytes], change: Any) -> None:
    """Check the report as a shop would chain and sign it that changes these lines."""
    check(resigned(sale.shop.config, lines, change))


def test_a_report_with_every_kind_of_refund_is_right(refunded, tmp_path):
    report = check(a_report(refunded, tmp_path).read_bytes())

    assert len(report.refunds) == 6
    assert sorted(steps[-1]["state"] for steps in report.refunds.values()) == ["failed", *["succeeded"] * 5]
    # As many as were given back, of which four were sold again.
    assert len(report.back) == 9


LATER_BY = "2099-01-01T00:00:00Z"
LIES: dict[str, tuple[str, dict[str, Any], str]] = {
    "nothing given back": ("failed", {"amount_minor": 0}, "for which 9000 to 9000 eur was paid"),
    "all of it kept": ("failed", {"amount_minor": 0, "kept_minor": 2 * PRICE}, "rules allow 1900"),
    "more than was paid": ("failed", {"amount_minor": 2 * PRICE + 1}, "for which 9000 to 9000 eur was paid"),
    "a sum below nothing": ("failed", {"amount_minor": -1}, "whole numbers"),
    "a sum that is a text": ("failed", {"amount_minor": "9000"}, "'amount_minor' is '9000'"),
    "a sum that is true": ("failed", {"amount_minor": True}, "'amount_minor' is True"),
    "no tickets": ("failed", {"tickets": []}, "has not, or not any more"),
    "no list of tickets": ("failed", {"tickets": None}, "'tickets' is None"),
    "other money": ("failed", {"currency": "usd"}, "eur was paid"),
    "nobody's booking": ("failed", {"booking": "nobody"}, "belong together|has not, or not any more"),
    "a fee of a show that was cancelled": ("over", {"amount_minor": 2 * PRICE - 500, "kept_minor": 500}, "allow 0"),
    "a state that is none": ("failed", {"state": "done"}, "the refund is done"),
    "never asked for": ("failed", {"state": "failed"}, "nobody asked"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_refund_that_was_made_up_is_different(refunded, tmp_path, lie):
    lines = lines_of(refunded, tmp_path)
    which, other, says = LIES[lie]
    told = [orjson.loads(line) for line in lines]
    states = {line["refund"]: (line["state"], line["reason"]) for line in told if line["t"] == "refund"}
    wanted = {"failed": lambda state, _: state == "failed", "over": lambda _, reason: reason == "event_cancelled"}
    (refund,) = (each for each, said in states.items() if wanted[which](*said))

    def change(line: dict[str, Any]) -> dict[str, Any]:
        return {**line, **other} if line.get("refund") == refund and line["t"] == "refund" else line

    changed(refunded, lines, lambda line: line)
    with pytest.raises(Different, match=says):
        changed(refunded, lines, change)


def test_one_step_that_tells_another_sum_is_different(refunded, tmp_path):
    lines = lines_of(refunded, tmp_path)

    with pytest.raises(Different, match="told otherwise before"):
        changed(refunded, lines, lambda line: {**line, "amount_minor": 1} if line.get("state") == "sent" else line)


def test_tickets_that_were_given_back_once_are_not_given_back_again(refunded, tmp_path):
    lines = lines_of(refunded, tmp_path)
    told = [orjson.loads(line) for line in lines]
    (first, second) = dict.fromkeys(
        tuple(line["tickets"]) for line in told if line["t"] == "refund" and len(line["tickets"]) == 1
    ).keys() & {(int(seat(refunded.event_id, n)),) for n in (1, 2)}

    def change(line: dict[str, Any]) -> dict[str, Any]:
        return {**line, "tickets": list(first)} if line.get("tickets") == list(second) else line

    with pytest.raises(Different, match="has not, or not any more"):
        changed(refunded, lines, change)


def test_money_that_is_said_to_be_back_and_is_not_is_different(refunded, tmp_path):
    lines = lines_of(refunded, tmp_path)

    def later(line: dict[str, Any]) -> dict[str, Any]:
        if line["t"] == "header":
            return {**line, "made_at": LATER_BY}
        return {**line, "state": "sent"} if line.get("state") == "succeeded" else line

    with pytest.raises(Different, match="said to be given back, and was not"):
        changed(refunded, lines, later)


def test_a_refund_whose_booking_stayed_as_it_was_frees_no_ticket(refunded, tmp_path):
    lines = lines_of(refunded, tmp_path)

    def stayed(line: dict[str, Any]) -> dict[str, Any]:
        return {**line, **{end: "confirmed" for end in ("from", "to") if line.get(end) == "refunding"}}

    def stayed_long_ago(line: dict[str, Any]) -> dict[str, Any]:
        return {**line, "made_at": LATER_BY} if line["t"] == "header" else stayed(line)

    # Of the last hour one line of the two may be missing, but nothing is sold again by a refund alone.
    with pytest.raises(Different, match="was sold before"):
        changed(refunded, lines, stayed)
    with pytest.raises(Different, match="belong together"):
        changed(refunded, lines, stayed_long_ago)
