"""What goes back for which tickets: never more than was paid, the same in parts as at once, rounded for the buyer."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from onsale.db.refund_rules import BASIS_POINTS, RefundRules, cancel_until, fee_of, may_cancel, reckon

SHOW = datetime(2027, 5, 1, 20, tzinfo=UTC)
PRICES = st.lists(st.integers(0, 1_000_000), min_size=1, max_size=12)
RULES = st.builds(
    RefundRules,
    cancel_until_hours=st.integers(0, 500),
    fee_minor=st.integers(0, 5_000),
    fee_basis_points=st.integers(0, BASIS_POINTS),
)


def one_by_one(prices: list[int], paid: int, rules: RefundRules | None) -> tuple[int, int]:
    back = kept = 0
    for number, price in enumerate(prices, start=1):
        left = paid - back - kept
        reckoned = reckon([price], left_minor=left, last=number == len(prices), rules=rules)
        back, kept = back + reckoned.amount_minor, kept + reckoned.kept_minor
    return back, kept


@given(PRICES, RULES | st.none())
def test_in_parts_as_much_goes_back_as_at_once(prices, rules):
    whole = reckon(prices, left_minor=sum(prices), last=True, rules=rules)

    assert one_by_one(prices, sum(prices), rules) == (whole.amount_minor, whole.kept_minor)


@given(PRICES, st.integers(0, 100_000), RULES | st.none())
def test_with_the_last_ticket_all_that_is_left_is_given_back_or_kept(prices, fees_on_top, rules):
    paid = sum(prices) + fees_on_top

    assert sum(one_by_one(prices, paid, rules)) == paid


@given(PRICES, st.integers(0, 1_000_000), st.booleans(), RULES | st.none())
def test_never_more_goes_back_than_is_left_and_nothing_is_kept_without_a_rule(prices, left, last, rules):
    reckoned = reckon(prices, left_minor=left, last=last, rules=rules)

    assert 0 <= reckoned.amount_minor <= left
    assert 0 <= reckoned.kept_minor <= left - reckoned.amount_minor
    assert rules is not None or reckoned.kept_minor == 0


@given(st.integers(0, 1_000_000), RULES)
def test_the_fee_is_rounded_down_and_never_more_than_the_price(price, rules):
    exactly = rules.fee_minor + price * rules.fee_basis_points / BASIS_POINTS

    assert fee_of(price, rules) == min(price, int(exactly))


@given(st.lists(st.integers(0, 100_000).map(lambda price: 10 * price), min_size=1, max_size=12), RULES)
def test_a_currency_charged_in_tens_is_given_back_in_tens(prices, rules):
    """Kuwaiti dinars have three decimals, of which cards know two."""
    reckoned = reckon(prices, left_minor=sum(prices), last=True, rules=rules, unit_minor=10)

    assert reckoned.amount_minor % 10 == reckoned.kept_minor % 10 == 0


def test_a_buyer_may_cancel_until_so_many_hours_before_the_show():
    rules, moment = RefundRules(48), timedelta(microseconds=1)
    until = cancel_until(rules, SHOW)

    assert until == SHOW - timedelta(hours=48)
    assert may_cancel(rules, starts_at=SHOW, now=until - moment)
    assert not may_cancel(rules, starts_at=SHOW, now=until)


def test_without_a_rule_a_buyer_may_not_cancel():
    assert cancel_until(None, SHOW) is None
    assert not may_cancel(None, starts_at=SHOW, now=SHOW - timedelta(days=400))
