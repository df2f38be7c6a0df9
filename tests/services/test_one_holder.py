"""A number is one person's: after a sign-in, a draw, a lost Redis, on a waiting list; and a turn that was left ends."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from onsale.db import handovers, waiting_entries, waiting_handovers, waiting_lists
from onsale.db.engine import transaction
from onsale.db.ids import BuyerId, EventId
from onsale.db.waiting_entries import Wanted
from onsale.errors import HasTicketsAlready
from onsale.queue.state import Standing
from onsale.verify.check import verify
from onsale.workers import journaling, recovery
from onsale.workers.waiting_lists import _take_in
from tests.builders import a_buyer, an_event, open_queue, until
from tests.services.serving import Person, Web
from tests.services.test_draw import a_draw, opened
from tests.services.test_handing_over import PASSWORD, Member, an_account, number, signs_in
from tests.services.test_place_pages import Browser, joined

ENTRANTS = 12


@pytest.fixture
def event_id(engine, shop) -> EventId:
    event_id = an_event(engine)
    open_queue(shop, event_id)
    return event_id


@pytest.fixture
def account(web: Web) -> Member:
    return an_account(web, f"{uuid4().hex}@example.org")


def in_queue(person: Person, event_id: EventId, token: str | None = None):
    return person.post(f"/v1/events/{event_id}/queue", **({"queue_token": token} if token else {}))


def slug(answer) -> str:
    return answer.json()["type"].removeprefix("/problems/")


def i5(engine, event_id) -> list[str]:
    verdict = verify(engine, event_id, ledger=None, copies_at=None)
    return list(next(finding for finding in verdict.findings if finding.invariant == "I5").examples)


def let_in(shop, event_id, person: Person) -> None:
    def there() -> bool:
        shop.store.advance(event_id)
        return shop.store.place_of(event_id, UUID(person.id)).standing is Standing.ADMITTED

    until(there, "the turn has come")


# A draw.


@pytest.fixture
def drawing(shop, engine, web, account):
    """A draw's entrants, the last of whom is the account; nobody was drawn yet."""
    event_id = a_draw(shop, engine)
    people: list[Person] = [*web.guests(ENTRANTS - 1), account]
    for one in people:
        one.join(event_id)
    journaling.write_journal(shop, event_id)
    return event_id, people


def standings(shop, event_id, people: list[Person]) -> dict[str, tuple[int, str]]:
    places = {one.id: shop.store.place_of(event_id, UUID(one.id)) for one in people}
    return {name: (place.number, place.standing) for name, place in places.items() if place}


@pytest.mark.parametrize("nth", range(4))
def test_who_signs_in_after_a_draw_gives_up_an_own_number_and_nobody_elses(shop, engine, web, account, drawing, nth):
    event_id, people = drawing
    opened(shop, engine, event_id)
    before = standings(shop, event_id, people)
    guest = people[nth]

    signs_in(web, guest, account)

    after = standings(shop, event_id, people)
    two = before[guest.id][0], before[account.id][0]
    assert guest.id not in after
    assert after.pop(account.id)[0] == min(two)
    assert shop.store.place_at(event_id, str(max(two))).standing is Standing.DONE
    assert after == {name: place for name, place in before.items() if name not in (guest.id, account.id)}


def test_who_signs_in_before_a_draw_is_held_takes_nobodys_number(shop, engine, web, account, drawing):
    event_id, people = drawing
    signs_in(web, people[3], account)

    opened(shop, engine, event_id)

    left = [one for one in people if one is not people[3]]
    found = standings(shop, event_id, left)
    assert {standing for _, standing in found.values()} <= {Standing.AHEAD, Standing.ADMITTED}
    nobodys = set(range(1, ENTRANTS + 1)) - {place for place, _ in found.values()}
    assert [shop.store.place_at(event_id, str(one)).standing for one in nobodys] == [Standing.DONE]


def test_a_booking_of_an_account_under_a_drawn_number_of_its_guest_is_in_order(shop, engine, web, account):
    event_id = a_draw(shop, engine)
    guest = web.guest()
    guest.join(event_id)
    journaling.write_journal(shop, event_id)
    opened(shop, engine, event_id)
    person = signs_in(web, guest, account)

    assert person.book(event_id, {"quantity": 1}).status_code == 202
    assert i5(engine, event_id) == []


# A token of a number that was handed over.


@pytest.fixture
def handed_over(web, shop, event_id, account):
    """A guest whose number went along to the account, and the guest's token of it."""
    guest = web.guest()
    token = guest.join(event_id)["queue_token"]
    journaling.write_journal(shop, event_id)
    person = signs_in(web, guest, account)
    return guest, token, person


@pytest.mark.parametrize("lost", [False, True])
def test_a_number_that_was_handed_over_is_not_given_for_its_old_token(
    web, shop, event_id, redis_client, handed_over, lost
):
    guest, token, person = handed_over
    if lost:
        redis_client.flushall()
        assert recovery.recover(shop, event_id)
        open_queue(shop, event_id)

    answers = [
        in_queue(guest, event_id, token),
        guest.get(f"/v1/events/{event_id}/queue/me", headers={"Queue-Token": token}),
        guest.book(event_id, {"quantity": 1}, queue_token=token),
    ]

    assert [(one.status_code, slug(one)) for one in answers] == [(409, "place-handed-over")] * 3
    assert (number(guest, event_id), number(person, event_id)) == (None, 1)


def test_who_goes_on_without_it_gets_a_new_number_which_a_lost_redis_knows_again(
    engine, web, shop, event_id, redis_client, handed_over
):
    guest, _, person = handed_over

    assert in_queue(guest, event_id).json()["number"] == 2
    assert guest.book(event_id, {"quantity": 1}).status_code == 202
    assert journaling.write_journal(shop, event_id).joins == 1
    redis_client.flushall()
    assert recovery.recover(shop, event_id)

    assert (number(guest, event_id), number(person, event_id)) == (2, 1)
    assert i5(engine, event_id) == []


def test_a_number_is_had_by_one_account_however_many_sign_in_with_the_guest(web, shop, event_id, handed_over):
    guest, token, person = handed_over
    others = [an_account(web, f"{uuid4().hex}@example.org") for _ in range(3)]

    for one in others:
        in_queue(guest, event_id, token)
        signs_in(web, guest, one)

    assert [number(one, event_id) for one in (person, *others)] == [1, None, None, None]


def test_an_accounts_own_token_of_a_number_it_gave_up_moves_it_nowhere(web, shop, event_id, account):
    token = account.join(event_id)["queue_token"]
    account.ask("DELETE", f"/v1/events/{event_id}/queue/me").raise_for_status()
    guest = web.guest()
    guest.join(event_id)
    journaling.write_journal(shop, event_id)
    person = signs_in(web, guest, account)

    assert in_queue(person, event_id, token).json()["number"] == 2


def test_a_token_restores_a_number_that_nobody_else_has(web, shop, event_id, redis_client):
    guest = web.guest()
    token = guest.join(event_id)["queue_token"]
    redis_client.flushall()
    assert recovery.recover(shop, event_id)
    open_queue(shop, event_id)

    assert in_queue(guest, event_id, token).json()["number"] == 1


def test_a_turn_that_went_along_is_not_the_guests_any_more(web, shop, event_id, account):
    guest = web.guest()
    guest.join(event_id)
    journaling.write_journal(shop, event_id)
    let_in(shop, event_id, guest)
    admission = guest.enter(event_id)
    person = signs_in(web, guest, account)

    refused = guest.book(event_id, {"quantity": 1}, admission_token=admission)

    assert (refused.status_code, slug(refused)) == (409, "place-handed-over")
    assert person.book(event_id, {"quantity": 1}, admission_token=person.enter(event_id)).status_code == 202


def test_whose_turn_it_is_keeps_it_though_a_guests_number_is_lower(web, shop, event_id, account):
    guest = web.guest()
    for one in (guest, account):
        one.join(event_id)
    journaling.write_journal(shop, event_id)
    let_in(shop, event_id, account)
    admission = account.enter(event_id)
    guest_place = shop.store.place_of(event_id, UUID(guest.id))
    shop.store._client.zrem(f"q:{{{event_id}}}:admitted", guest_place.number)

    person = signs_in(web, guest, account)

    assert number(person, event_id) == 2
    assert person.book(event_id, {"quantity": 1}, admission_token=admission).status_code == 202


def test_what_a_guest_had_who_made_an_account_stays_that_accounts(web, shop, event_id, account):
    guest = web.guest()
    guest.join(event_id)
    journaling.write_journal(shop, event_id)
    guest.post("/v1/accounts", {"email": f"{uuid4().hex}@example.org", "password": PASSWORD}).raise_for_status()

    person = signs_in(web, guest, account)

    assert (number(guest, event_id), number(person, event_id)) == (1, None)


def test_a_page_with_the_old_place_says_where_it_went_and_leads_on(web, shop, event_id, account):
    old = Browser(web.address)
    joined(old, event_id)
    old.go("/move")
    journaling.write_journal(shop, event_id)
    session = old.http.cookies["onsale_buyer"]
    signs_in(web, Person(web.http, session, ""), account)

    old.go(f"/events/{event_id}/queue")
    told = old.words
    old.press(f"/events/{event_id}/queue/anew")
    old.press(f"/events/{event_id}/queue")
    after = old.words
    old.http.close()

    assert "Your place is in your account" in told
    assert "Sign in to the same account" in told
    assert "Your number 2" in after


def test_a_crash_between_record_and_queue_leaves_the_number_to_one(web, shop, event_id, account, redis_client):
    guest = web.guest()
    token = guest.join(event_id)["queue_token"]
    journaling.write_journal(shop, event_id)
    with transaction(shop.engine) as connection:
        handovers.record(
            connection,
            event_id,
            giver=BuyerId(UUID(guest.id)),
            taker=BuyerId(UUID(account.id)),
            gave=1,
            number=1,
            given_up=None,
            joined_at_ms=1,
        )
    assert (number(guest, event_id), number(account, event_id)) == (1, None)

    redis_client.flushall()
    assert recovery.recover(shop, event_id)

    assert (number(guest, event_id), number(account, event_id)) == (None, 1)
    assert slug(in_queue(guest, event_id, token)) == "place-handed-over"


# The waiting list.


def test_in_a_draw_the_list_takes_people_in_by_their_drawn_numbers(shop, engine, drawing):
    event_id, people = drawing
    opened(shop, engine, event_id)
    with transaction(engine) as connection:
        begun = "INSERT INTO waiting_lists (event_id, began_at) VALUES (:id, clock_timestamp())"
        connection.execute(text(begun), {"id": event_id})
        _take_in(connection, waiting_lists.get(connection, event_id))

    with transaction(engine) as connection:
        listed = {one.id: waiting_entries.get(connection, event_id, UUID(one.id)) for one in people}
    places = {one.id: shop.store.place_of(event_id, UUID(one.id)).number for one in people}
    assert {name: entry.number for name, entry in listed.items() if entry} == places


def test_two_people_are_never_on_a_list_under_one_number(engine, event_id):
    first, second = a_buyer(engine), a_buyer(engine)
    with transaction(engine) as connection:
        waiting_entries.put(connection, event_id, first, 83, Wanted())

    with pytest.raises(HasTicketsAlready), transaction(engine) as connection:
        waiting_entries.put(connection, event_id, second, 83, Wanted())


@pytest.mark.parametrize("both", [False, True])
def test_a_guests_entry_is_the_accounts_under_the_number_that_counts(engine, web, shop, event_id, account, both):
    guest = web.guest()
    people = [guest, account] if both else [guest]
    for one in people:
        place = one.join(event_id)["number"]
        with transaction(engine) as connection:
            waiting_entries.put(connection, event_id, UUID(one.id), place, Wanted(quantity=2))
    journaling.write_journal(shop, event_id)

    signs_in(web, guest, account)

    with transaction(engine) as connection:
        left, got = (waiting_entries.get(connection, event_id, UUID(one.id)) for one in (guest, account))
    assert (left.end_reason, got.ended_at, got.number, got.wanted.quantity) == ("left", None, 1, 2)


def test_who_goes_on_after_handing_over_is_on_the_list_under_the_new_number(engine, event_id):
    guest = a_buyer(engine)
    with transaction(engine) as connection:
        waiting_entries.put(connection, event_id, guest, 1, Wanted())
        waiting_handovers.move_line(connection, event_id, giver=guest, taker=a_buyer(engine), number=1)

    with transaction(engine) as connection:
        waiting_entries.put(connection, event_id, guest, 90, Wanted())
        assert waiting_entries.get(connection, event_id, guest).number == 90


# Leaving.


def test_who_left_books_nothing_with_that_turn_and_is_told_so(web, shop, event_id):
    guest = web.guest()
    guest.join(event_id)
    let_in(shop, event_id, guest)
    admission = guest.enter(event_id)
    guest.ask("DELETE", f"/v1/events/{event_id}/queue/me").raise_for_status()

    answers = [
        guest.book(event_id, {"quantity": 1}, admission_token=admission),
        guest.book(event_id, {"quantity": 1}),
        guest.post(f"/v1/events/{event_id}/queue/me/enter"),
        guest.post(f"/v1/events/{event_id}/queue/me/return"),
    ]

    assert [(one.status_code, slug(one)) for one in answers] == [(409, "place-given-up")] * 4


def test_only_who_has_a_booking_is_told_of_one(web, shop, event_id):
    guest = web.guest()
    guest.join(event_id)
    let_in(shop, event_id, guest)
    admission = guest.enter(event_id)
    assert guest.book(event_id, {"quantity": 1}, admission_token=admission).status_code == 202
    guest.ask("DELETE", f"/v1/events/{event_id}/queue/me").raise_for_status()

    again = guest.book(event_id, {"quantity": 1}, admission_token=admission)
    entered = guest.post(f"/v1/events/{event_id}/queue/me/enter")

    assert [slug(one) for one in (again, entered)] == ["admission-spent"] * 2
