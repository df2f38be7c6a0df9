"""What a sale report may say of refunds: as much as the shop's own rules give, and no ticket free by less."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.db.price_terms import PriceTerms
from onsale.db.refund_rules import RefundRules, reckon
from onsale.report.verify_report import Different, Report, bills, returns, tickets

MADE_AT, SOLD_AT, ASKED_AT, SOLD_AGAIN_AT = (f"2026-05-01T{hour}:00:00Z" for hour in (20, 12, 13, 14))
TO_SALE = ("queued", "held", "authorising", "authorised", "committed", "confirmed")


def a_line(at, **said):
    return {"n": 1, "file line": 2, "at": at, **said}


def booked(prices, *more, amount_minor=None, fees_minor=0, taxes_minor=0, at=SOLD_AT):
    """A booking's moves until it has these tickets, and then through these."""
    bill = {"tickets": [list(pair) for pair in prices.items()], "fees_minor": fees_minor, "taxes_minor": taxes_minor}
    bill |= {"currency": "eur", "amount_minor": sum(prices.values()) if amount_minor is None else amount_minor}
    states = (*TO_SALE, *more)
    return {
        version: a_line(
            at if to in TO_SALE and version <= len(TO_SALE) else ASKED_AT,
            version=version,
            **{"from": before, "to": to},
            **(bill if to == "held" else {}),
        )
        for version, (before, to) in enumerate(zip(("new", *states), states, strict=False), 1)
    }


def a_refund(name, ids, amount_minor, kept_minor=0, *, state="failed", booking="b"):
    said = {"refund": name, "booking": booking, "reason": "buyer_cancelled", "currency": "eur", "tickets": list(ids)}
    said |= {"amount_minor": amount_minor, "kept_minor": kept_minor}
    return [a_line(ASKED_AT, state=each, **said) for each in ("requested", "sent", state)]


def reported(moves, refunds, *, rules=None, cancelled_at=None):
    captures = [
        a_line(
            SOLD_AT,
            booking=booking,
            amount_minor=next(each["amount_minor"] for each in of.values() if "tickets" in each),
        )
        for booking, of in moves.items()
    ]
    change = {"from": None, "to": rules and {"fee_minor": rules.fee_minor, "fee_basis_points": rules.fee_basis_points}}
    log = [a_line(SOLD_AT, line=1, kind="refund_rules_changed", body=change)] if rules else []
    log += [a_line(cancelled_at, line=2, kind="event_cancelled", body={})] if cancelled_at else []
    return Report({"made_at": MADE_AT}, moves=moves, captures=captures, refunds=refunds, log=log)


def sold_twice(*more, refunds):
    """Ticket 1 is sold to two bookings, with this made up between."""
    moves = {"b": booked({1: 4_500}, *more), "c": booked({1: 4_500}, at=SOLD_AGAIN_AT)}
    report = reported(moves, refunds)
    returns(report)
    tickets(report)


def test_a_ticket_is_free_from_when_its_booking_went_back_whatever_the_bank_did():
    sold_twice("refunding", refunds={"r": a_refund("r", [1], 4_500)})


@pytest.mark.parametrize(
    ("more", "refunds"),
    [
        ((), {}),
        ((), {"r": a_refund("r", [1], 0)}),
        ((), {"r": a_refund("r", [1], 4_500)}),
        (("refunding",), {}),
        (("refunding",), {"r": a_refund("r", [1], 0)}),
        (("refunding",), {"r": a_refund("r", [1], 0, 4_500)}),
        (("refunding",), {"r": a_refund("r", [2], 4_500)}),
        (("refunding",), {"r": a_refund("r", [1, 1], 4_500)}),
        (("refunding",), {"r": a_refund("r", ["1"], 4_500)}),
        (("refunding",), {"r": a_refund("r", [1], 4_500, booking="d")}),
        (("refunding", "refunded"), {"r": a_refund("r", [1], 4_500)}),
    ],
)
def test_a_made_up_refund_lets_no_ticket_be_sold_twice(more, refunds):
    with pytest.raises(Different):
        sold_twice(*more, refunds=refunds)


@pytest.mark.parametrize(("cancelled_at", "right"), [(None, True), (SOLD_AGAIN_AT, True), (SOLD_AT, False)])
def test_of_an_event_that_was_cancelled_nothing_is_kept_from_then_on(cancelled_at, right):
    refunds = {"r": a_refund("r", [1], 4_000, 500)}
    report = reported(
        {"b": booked({1: 4_500}, "refunding")}, refunds, rules=RefundRules(24, 500), cancelled_at=cancelled_at
    )

    if right:
        return returns(report)
    with pytest.raises(Different, match="500 is kept, and the organiser's rules allow 0"):
        returns(report)
    return None


@given(
    st.lists(st.integers(0, 20_000), min_size=1, max_size=5),
    st.builds(
        PriceTerms,
        ticket_fee_minor=st.integers(0, 900),
        ticket_fee_bp=st.integers(0, 3_000),
        booking_fee_minor=st.integers(0, 900),
        tax_bp=st.integers(0, 3_000),
        tax_included=st.booleans(),
        ticket_fee_included=st.booleans(),
        fees_taxed=st.booleans(),
    ),
    st.none() | st.builds(RefundRules, st.just(24), st.integers(0, 3_000), st.integers(0, 10_000)),
    st.sampled_from([1, 5, 10, 100]),
    st.randoms(),
)
def test_whatever_the_shop_gives_back_and_keeps_is_right(prices, terms, rules, unit, random):
    bill = terms.of_booking(prices)
    left, own, parts = bill.total_minor, dict(enumerate(prices, 1)), []
    order = random.sample(sorted(own), len(own))
    while order and (not parts or random.random() < 0.8):
        ids, order = order[: (size := random.randint(1, len(order)))], order[size:]
        paid = [terms.of_ticket(own[each]).total_minor for each in ids]
        reckoned = reckon(paid, left_minor=left, last=not order, rules=rules, unit_minor=unit)
        left -= reckoned.amount_minor + reckoned.kept_minor
        parts.append(a_refund(f"r{len(parts)}", ids, reckoned.amount_minor, reckoned.kept_minor, state="succeeded"))
    moved = ["refunding", "confirmed"] * len(parts)
    moves = booked(own, *moved, amount_minor=bill.total_minor, fees_minor=bill.fees_minor, taxes_minor=bill.taxes_minor)
    refunds = {steps[0]["refund"]: steps for steps in parts}

    report = reported({"b": moves}, refunds, rules=rules)
    bills(report)
    returns(report)
