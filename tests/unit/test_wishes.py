"""Wishes: the form in the record, and which lists of them make sense."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.db.ids import EventId, TicketId, ticket_id
from onsale.db.wishes import TICKETS_PER_WISH_MAX, WISHES_MAX, Wish, check, wish_from_json
from onsale.errors import BadRequest

EVENT = EventId(7)
tickets = st.lists(st.integers(1, 2**52).map(TicketId), min_size=1, max_size=8, unique=True).map(tuple)
wishes = st.one_of(
    st.builds(Wish, tickets=tickets, or_similar=st.booleans()),
    st.builds(
        Wish,
        quantity=st.integers(1, TICKETS_PER_WISH_MAX),
        section_id=st.none() | st.integers(1, 99),
        max_price_minor=st.none() | st.integers(0, 10_000),
        together=st.booleans(),
    ),
)


@given(wishes)
def test_a_wish_reads_back_as_it_was_written(wish):
    assert wish_from_json(wish.as_json()) == wish


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"quantity": "2"}, "quantity"),
        ({"quantity": -1}, "quantity"),
        ({"quantity": True}, "quantity"),
        ({"tickets": "12"}, "tickets"),
        ({"tickets": [1.5]}, "tickets"),
        ({"quantity": 1, "together": 1}, "together"),
        ({"quantity": 1, "section_id": "A"}, "section_id"),
        ({"quantity": 1, "colour": "red"}, "wishes"),
    ],
)
def test_a_wish_of_the_wrong_form_names_the_field(document, field):
    with pytest.raises(BadRequest) as refused:
        wish_from_json(document)

    assert refused.value.field == field


SEAT = ticket_id(EVENT, 1)


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ((), "wishes"),
        ((Wish(quantity=1),) * (WISHES_MAX + 1), "wishes"),
        ((Wish(),), "wishes.0"),
        ((Wish(tickets=(SEAT,), quantity=1),), "wishes.0"),
        ((Wish(quantity=1), Wish(quantity=5)), "wishes.1.quantity"),
        ((Wish(tickets=tuple(ticket_id(EVENT, each) for each in range(1, 6))),), "wishes.0.tickets"),
        ((Wish(tickets=(SEAT, SEAT)),), "wishes.0.tickets"),
        ((Wish(tickets=(ticket_id(EventId(8), 1),)),), "wishes.0.tickets"),
        ((Wish(tickets=(SEAT,), section_id=1),), "wishes.0"),
        ((Wish(quantity=1, or_similar=True),), "wishes.0.or_similar"),
    ],
)
def test_wishes_that_make_no_sense_are_refused(asked, field):
    with pytest.raises(BadRequest) as refused:
        check(asked, EVENT, tickets_max=4)

    assert refused.value.field == field


def test_as_many_wishes_and_tickets_as_allowed_are_taken():
    check((Wish(quantity=4),) * WISHES_MAX, EVENT, tickets_max=4)
