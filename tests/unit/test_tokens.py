"""Queue tokens and admission tokens: what we signed is read back, everything else is refused, and it is quick."""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.db.ids import EVENT_ID_MAX, BuyerId, EventId
from onsale.errors import BadAdmissionToken, BadQueueToken
from onsale.queue.tokens import LEEWAY_MS, TOKEN_CHARACTERS_MAX, AdmissionToken, QueueToken, Tokens

OLD, NEW = ("k1", "a" * 32), ("k2", "b" * 32)
TOKENS = Tokens([NEW, OLD])
EVENT, BUYER, NOW_MS = EventId(7), BuyerId(UUID(int=5)), 1_800_000_000_000
QUEUE = QueueToken(EVENT, 12, BUYER, NOW_MS)
ADMISSION = AdmissionToken(EVENT, 12, 3, BUYER, NOW_MS)

events = st.integers(1, EVENT_ID_MAX).map(EventId)
numbers = st.integers(1, 2**31 - 1)
buyers = st.uuids().map(BuyerId)
moments = st.integers(0, 2**47)


@given(events, numbers, buyers, moments)
def test_a_queue_token_is_read_back_as_it_was_signed(event: EventId, number: int, buyer: BuyerId, at: int) -> None:
    token = QueueToken(event, number, buyer, at)

    assert TOKENS.verify_queue(TOKENS.sign_queue(token), event_id=event, buyer_id=buyer) == token


@given(events, numbers, st.one_of(st.none(), numbers), buyers, moments)
def test_an_admission_token_is_read_back_as_it_was_signed(
    event: EventId, number: int, back: int | None, buyer: BuyerId, at: int
) -> None:
    token = AdmissionToken(event, number, back, buyer, at)

    assert TOKENS.verify_admission(TOKENS.sign_admission(token), event_id=event, buyer_id=buyer, now_ms=at) == token
    assert token.admission_id == (f"r{back}" if back else str(number))


def test_a_token_of_an_older_key_is_good_until_the_key_is_gone() -> None:
    text = Tokens([OLD]).sign_queue(QUEUE)

    assert TOKENS.verify_queue(text, event_id=EVENT, buyer_id=BUYER) == QUEUE
    with pytest.raises(BadQueueToken):
        Tokens([NEW]).verify_queue(text, event_id=EVENT, buyer_id=BUYER)


def test_another_installations_token_is_refused() -> None:
    text = Tokens([("k2", "c" * 32)]).sign_queue(QUEUE)

    with pytest.raises(BadQueueToken):
        TOKENS.verify_queue(text, event_id=EVENT, buyer_id=BUYER)


@pytest.mark.parametrize(("event", "buyer"), [(EventId(8), BUYER), (EVENT, BuyerId(uuid4()))])
def test_a_token_is_good_for_its_event_and_buyer_alone(event: EventId, buyer: BuyerId) -> None:
    with pytest.raises(BadQueueToken):
        TOKENS.verify_queue(TOKENS.sign_queue(QUEUE), event_id=event, buyer_id=buyer)
    with pytest.raises(BadAdmissionToken):
        TOKENS.verify_admission(TOKENS.sign_admission(ADMISSION), event_id=event, buyer_id=buyer, now_ms=NOW_MS)


def test_an_admission_is_good_ten_seconds_longer_than_it_says() -> None:
    text = TOKENS.sign_admission(ADMISSION)

    assert TOKENS.verify_admission(text, event_id=EVENT, buyer_id=BUYER, now_ms=NOW_MS + LEEWAY_MS) == ADMISSION
    with pytest.raises(BadAdmissionToken):
        TOKENS.verify_admission(text, event_id=EVENT, buyer_id=BUYER, now_ms=NOW_MS + LEEWAY_MS + 1)


def test_one_kind_of_token_is_never_the_other() -> None:
    with pytest.raises(BadAdmissionToken):
        TOKENS.verify_admission(TOKENS.sign_queue(QUEUE), event_id=EVENT, buyer_id=BUYER, now_ms=NOW_MS)
    with pytest.raises(BadQueueToken):
        TOKENS.verify_queue("q1" + TOKENS.sign_admission(ADMISSION)[2:], event_id=EVENT, buyer_id=BUYER)


def test_changing_any_one_character_breaks_a_token() -> None:
    text = TOKENS.sign_queue(QUEUE)

    for index, character in enumerate(text):
        changed = text[:index] + ("A" if character != "A" else "B") + text[index + 1 :]
        with pytest.raises(BadQueueToken):
            TOKENS.verify_queue(changed, event_id=EVENT, buyer_id=BUYER)


def test_padding_and_white_space_are_not_another_spelling() -> None:
    text = TOKENS.sign_queue(QUEUE)

    for other in (text + "=", text + " ", "\n" + text, text.upper(), text + ".", text.replace(".", "..", 1)):
        with pytest.raises(BadQueueToken):
            TOKENS.verify_queue(other, event_id=EVENT, buyer_id=BUYER)


@st.composite
def token_like(draw: st.DrawFn) -> str:
    """Text in the shape of a token, made by somebody else."""
    kind, key = draw(st.sampled_from(["q1", "a1", "q2", ""])), draw(st.sampled_from(["k1", "k2", "k9", "\x00"]))
    payload, signature = (urlsafe_b64encode(draw(st.binary(max_size=60))).decode() for _ in range(2))
    return f"{kind}.{key}.{payload}.{signature}"


@given(st.one_of(st.text(max_size=300), token_like()))
def test_anything_else_is_refused_and_nothing_breaks(text: str) -> None:
    with pytest.raises(BadQueueToken):
        TOKENS.verify_queue(text, event_id=EVENT, buyer_id=BUYER)
    with pytest.raises(BadAdmissionToken):
        TOKENS.verify_admission(text, event_id=EVENT, buyer_id=BUYER, now_ms=0)


def test_a_token_fits_its_limit_with_the_longest_key_id() -> None:
    tokens = Tokens([("k" * 32, "a" * 32)])

    assert len(tokens.sign_admission(ADMISSION)) <= TOKEN_CHARACTERS_MAX


def test_twenty_thousand_admissions_are_signed_and_checked_per_second_of_cpu() -> None:
    people = 5_000
    began = time.process_time()
    for number in range(1, people + 1):
        text = TOKENS.sign_admission(AdmissionToken(EVENT, number, None, BUYER, NOW_MS))
        TOKENS.verify_admission(text, event_id=EVENT, buyer_id=BUYER, now_ms=NOW_MS)
    seconds = time.process_time() - began

    assert people / seconds >= 20_000
