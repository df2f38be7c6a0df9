"""What a sale report must make sense of besides the chain: money for tickets, tickets for money, how it opened."""

from __future__ import annotations

import pytest

from onsale.report.verify_report import Different, Report, bills, paid, rates

MADE_AT, LONG_AGO, JUST_NOW = "2026-05-01T20:00:00Z", "2026-05-01T18:59:59Z", "2026-05-01T19:59:59Z"
OPENS_AT = "2026-05-01T10:00:00Z"


def a_line(at=LONG_AGO, **said):
    return {"n": 1, "file line": 2, "at": at, "booking": "b", **said}


def moved(*states, amount_minor=4_500, prices=(4_500,), fees_minor=0, taxes_minor=0):
    """A booking's moves from `new` through these."""
    held = {"amount_minor": amount_minor, "fees_minor": fees_minor, "taxes_minor": taxes_minor, "currency": "eur"}
    held["tickets"] = [[n, price] for n, price in enumerate(prices)]
    moves = {}
    for version, (before, to) in enumerate(zip(("new", *states), states, strict=False), 1):
        moves[version] = a_line(version=version, **{"from": before, "to": to}, **(held if to == "held" else {}))
    return moves


def reported(moves, *, captured_at=None, refunded=False):
    captures = [a_line(captured_at, amount_minor=4_500, currency="eur")] if captured_at else []
    refunds = {"r": [a_line(refund="r", amount_minor=4_500)]} if refunded else {}
    return Report({"made_at": MADE_AT}, moves={"b": moves}, captures=captures, refunds=refunds)


BOUGHT = ("queued", "held", "authorising", "authorised", "committed", "confirmed")
TOO_LATE = ("queued", "held", "authorising", "expired")


@pytest.mark.parametrize(
    "report",
    [
        reported(moved(*BOUGHT), captured_at=LONG_AGO),
        reported(moved(*BOUGHT, amount_minor=0, prices=(0,))),
        reported(moved(*BOUGHT[:-1])),
        reported(moved(*TOO_LATE), captured_at=JUST_NOW),
    ],
)
def test_money_and_tickets_go_together(report):
    paid(report)


@pytest.mark.parametrize(
    ("report", "says"),
    [
        (reported(moved(*BOUGHT)), "no money was taken"),
        (reported(moved(*TOO_LATE), captured_at=LONG_AGO), "for no tickets"),
        # A refund is of tickets that were sold: it excuses nothing here.
        (reported(moved(*TOO_LATE), captured_at=LONG_AGO, refunded=True), "for no tickets"),
        (reported(moved(*BOUGHT), captured_at="2026-05-01T21:00:01Z"), "after the report"),
    ],
)
def test_one_without_the_other_is_found(report, says):
    with pytest.raises(Different, match=says):
        paid(report)


@pytest.mark.parametrize(
    ("more", "taxes_minor", "right"),
    [(0, 0, True), (0, 718, True), (718, 718, True), (717, 718, False), (-1, 0, False), (40_500, 0, False)],
)
def test_a_bill_is_its_tickets_fees_and_tax_on_top_or_within(more, taxes_minor, right):
    bill = {"prices": (4_500, 2_000), "fees_minor": 300, "taxes_minor": taxes_minor, "amount_minor": 6_800 + more}
    report = reported(moved("queued", "held", **bill))
    report.log.append(terms_set())

    if right:
        return bills(report)
    with pytest.raises(Different, match="not what its tickets cost"):
        bills(report)
    return None


def terms_set(**before):
    return {"kind": "price_terms_changed", "body": {"from": before, "to": {"ticket_fee_minor": 150, "tax_bp": 1_200}}}


@pytest.mark.parametrize("log", [[], [terms_set(ticket_fee_included=True)]])
@pytest.mark.parametrize(("more", "right"), [(0, True), (-300, True), (-200, True), (-301, False), (1, False)])
def test_fees_may_be_within_the_prices_unless_the_log_tells_that_they_never_were(log, more, right):
    report = reported(moved("queued", "held", prices=(4_500,), fees_minor=300, amount_minor=4_800 + more))
    report.log.extend(log)

    if right:
        return bills(report)
    with pytest.raises(Different, match="not what its tickets cost"):
        bills(report)
    return None


@pytest.mark.parametrize(
    "bill", [{"prices": (9_000, -4_500)}, {"prices": ("4500",)}, {"fees_minor": -4_500, "amount_minor": 0}]
)
def test_a_bill_is_whole_numbers_from_0_on(bill):
    with pytest.raises(Different, match="whole numbers"):
        bills(reported(moved("queued", "held", **bill)))


@pytest.mark.parametrize("ticket", ["1", 1.0, True, -1])
def test_a_tickets_number_is_written_in_one_way(ticket):
    moves = moved("queued", "held")
    moves[2]["tickets"] = [[ticket, 4_500]]

    with pytest.raises(Different, match="whole numbers"):
        bills(reported(moves))


def acts(*said):
    return [{"n": n, "file line": n, "line": n, "at": at, "kind": kind, "body": body} for n, (at, kind, body) in said]


@pytest.mark.parametrize("opened", [{"version": 3}, {"version": 3, "phase": {"from": "pre_queue", "to": "open"}}])
def test_a_queue_that_opened_out_of_its_pre_queue_is_right(opened):
    dials = {"rate_per_minute": 600, "phase": "open", "opens_at": OPENS_AT}
    set_so = {"phase": {"from": "scheduled", "to": "pre_queue"}}
    log = acts(
        (1, ("2026-05-01T09:00:00Z", "queue_changed", set_so)), (2, ("2026-05-01T10:00:01Z", "queue_opened", opened))
    )

    assert max(rate for _, rate in rates(Report({"dials": dials}, log=log))) == 600


def test_a_queue_that_opened_from_another_phase_than_it_was_set_to_is_not():
    dials = {"rate_per_minute": 600, "phase": "open", "opens_at": OPENS_AT}
    set_so = {"phase": {"from": "scheduled", "to": "pre_queue"}}
    opened = {"version": 3, "phase": {"from": "scheduled", "to": "open"}}
    log = acts(
        (1, ("2026-05-01T09:00:00Z", "queue_changed", set_so)), (2, ("2026-05-01T10:00:01Z", "queue_opened", opened))
    )

    with pytest.raises(Different, match="phase was set to another value"):
        rates(Report({"dials": dials}, log=log))
