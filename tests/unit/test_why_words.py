"""What `onsale why` says reads in the order in which it happened, in sentences with one full stop."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from onsale.db.allocation import Refusal
from onsale.db.code_rules import CodeRefusal
from onsale.db.payments import Attempt, AttemptOutcome
from onsale.db.queue_ways import QueueWay
from onsale.db.refunds import Elsewhere, Refund, RefundReason, RefundState
from onsale.db.states import BookingState as S
from onsale.web import why
from tests.unit.test_timeline import BOOKING, NOW, moves


def attempt(number: int, outcome: AttemptOutcome, *, seconds: float, message: str | None = None) -> Attempt:
    at = NOW + timedelta(seconds=seconds)
    return Attempt(BOOKING.event_id, BOOKING.id, number, "pm", "", outcome, "no", message, None, None, at)


def told(*states: S, **more: object) -> list[str]:
    way = QueueWay(*[None] * len(QueueWay.__dataclass_fields__))
    story = why.Story(BOOKING, way, moves(*states), **more)
    return [one.words for one in why.sentences(story)]


def test_a_card_is_told_after_it_was_given():
    # The attempt is written a moment before the move that it makes.
    first = attempt(1, AttemptOutcome.ABANDONED, seconds=2.9)
    second = attempt(2, AttemptOutcome.AUTHORISED, seconds=3.5)

    words = told(S.QUEUED, S.HELD, S.AUTHORISING, S.AUTHORISED, attempts=[first, second])

    assert [one[:12] for one in words[2:]] == ["A card was g", "Card 1: give", "Card 2: take", "The bank res"]


def test_what_the_bank_says_ends_with_one_full_stop():
    declined = attempt(1, AttemptOutcome.DECLINED, seconds=2.9, message="Your card was declined.")

    words = told(S.QUEUED, S.HELD, S.AUTHORISING, attempts=[declined])

    assert words[-1] == "Card 1: declined, no: Your card was declined."
    assert not any(one.endswith("..") for one in words)


def test_a_refund_that_the_bank_sent_back_is_told_after_all_that_was_given_back():
    refund = Refund(
        UUID(int=3), BOOKING.event_id, BOOKING.id, 1, 4500, 0, "eur", RefundReason.ORGANISER, "test",
        RefundState.FAILED, 1, None, "closed account", None, NOW, NOW + timedelta(seconds=2), None,
    )  # fmt: skip

    words = told(S.CONFIRMED, S.REFUNDING, S.REFUNDED, refunds=[refund])

    assert words[-1] == "The bank refuses the refund: closed account."


def test_money_that_went_back_without_us_is_told_with_how_and_by_whom():
    refund = Refund(
        UUID(int=3), BOOKING.event_id, BOOKING.id, 1, 4500, 0, "eur", RefundReason.ORGANISER, "test",
        RefundState.SUCCEEDED, 1, None, None, None, NOW, NOW + timedelta(seconds=2), NOW + timedelta(seconds=9),
        Elsewhere.OUTSIDE, "staff:7", "bank transfer of 3 December",
    )  # fmt: skip

    words = told(S.CONFIRMED, S.REFUNDING, S.REFUNDED, refunds=[refund])

    how = "€45.00 was paid back in another way: bank transfer of 3 December (said by staff:7)."
    assert words[-1] == how


@pytest.mark.parametrize("reason", [*Refusal, *CodeRefusal])
def test_every_refusal_has_a_sentence(reason):
    assert why.REFUSALS[reason]
