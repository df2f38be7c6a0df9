"""How a refusal names a field: as whoever asks has written it, the same way at every route of the table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from onsale.db import catalogue
from onsale.db.engine import transaction
from onsale.db.ids import EventId
from onsale.db.staff import Role, Staff, put
from onsale.web import api, tokens
from onsale.web.api.contract import Operation
from tests.builders import an_event, open_queue
from tests.services.serving import Person, Web

IN_PATH = {"event_id": "1", "ticket_id": str(1 << 20 | 1), "version": "0" * 24, "name": "x"}
IN_PATH |= {"booking_id": str(uuid4()), "refund_id": str(uuid4()), "letter_id": str(uuid4()), "kind": "turn_near"}
IN_PATH |= {"scheduled_id": "1", "code_id": "1", "report_id": str(uuid4()), "revocation_id": str(uuid4())}
KEY = {"Idempotency-Key": "k"}
# Neither a number nor a word, a day or a flag, a list or a text that may be printed.
NOTHING_IN_TEXT, NOTHING_IN_JSON, NOTHING_IN_A_HEADER = "\x00", {"unheard_of": [{}]}, "a\xe9a".encode("latin-1")
UNKNOWN = "unheard_of"


def checked() -> list[Operation]:
    return [each for each in api.operations() if not each.raw_body]


def fields(operation: Operation) -> Iterator[tuple[str, str]]:
    """Every field of its query, body and headers, with the part it is in."""
    for part in ("query", "body", "headers"):
        model = operation.takes.get(part)
        for name, field in model.model_fields.items() if model else ():
            yield part, field.alias or name


@pytest.fixture(scope="module")
def people(standing_web: Web, standing_engine: Any) -> dict[str | None, Person]:
    """Who may ask: anybody, a buyer, one of the staff. Whatever they ask is refused."""
    web = standing_web
    with transaction(standing_engine) as connection:
        organiser = catalogue.add_organiser(connection, "Test organiser")
        member = put(connection, Staff(uuid4(), organiser, "boss@example.org", Role.OWNER, "no password"))
    token = tokens.sign(web.office.config, member.id, audience=tokens.STAFF)
    guest = web.guest()
    return {None: guest, "buyer": guest, "staff": Person(web.http, token, str(member.id))}


@pytest.fixture
def an_open_event(engine: Any, shop: Any) -> EventId:
    event_id = an_event(engine)
    open_queue(shop, event_id)
    return event_id


def ask(people: dict[str | None, Person], operation: Operation, **more: Any) -> httpx.Response:
    headers = {**(KEY if "headers" in operation.takes else {}), **more.pop("headers", {})}
    path = operation.path.format(**IN_PATH)
    return people[operation.signed_in].ask(operation.method, path, headers=headers, **more)


def named(answer: httpx.Response) -> list[str]:
    """The fields of a refusal."""
    assert answer.status_code == 422, answer.text
    document = answer.json()
    assert document["type"] == "/problems/bad-request"
    assert document["field"] == document["errors"][0]["field"]
    return [each["field"] for each in document["errors"]]


def wrong(part: str, field: str) -> dict[str, Any]:
    """A request whose field fits nothing."""
    return {
        "query": {"params": {field: NOTHING_IN_TEXT}},
        "body": {"json": {field: NOTHING_IN_JSON}},
        "headers": {"headers": {field: NOTHING_IN_A_HEADER}, "json": {}},
    }[part]


@pytest.mark.parametrize("operation", [each for each in checked() if any(fields(each))], ids=lambda each: each.name)
def test_a_field_that_does_not_fit_is_named_as_it_was_written(people, operation):
    known = {field for _, field in fields(operation)}

    for part, field in fields(operation):
        found = named(ask(people, operation, **wrong(part, field)))

        # What a list or an object holds is named behind a dot; what is missing is named as well.
        assert field in {each.partition(".")[0] for each in found}
        assert {each.partition(".")[0] for each in found} <= known
        assert part == "body" or all("." not in each for each in found)


def test_a_parameter_that_nobody_reads_is_refused_by_its_name(people):
    for operation in checked():
        more = {"json": {}} if "body" in operation.takes else {}

        found = named(ask(people, operation, params={UNKNOWN: "1"}, **more))

        assert (operation.name, found) == (operation.name, [UNKNOWN])


def test_a_member_of_a_body_that_nobody_reads_is_refused_by_its_name(people):
    for operation in (each for each in checked() if "body" in each.takes):
        found = named(ask(people, operation, json={UNKNOWN: 1}))

        assert UNKNOWN in found, operation.name


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"quantity": 0}, "wishes.0.quantity"),
        ({"quantity": 9}, "wishes.0.quantity"),
        ({"quantity": 1, "section_id": 99}, "wishes.0.section_id"),
        ({"quantity": 1, "best": 1}, "wishes.0.best"),
        ({"tickets": ["x"]}, "wishes.0.tickets.0"),
        ({"tickets": [1]}, "wishes.0.tickets"),
    ],
)
def test_a_part_of_a_wish_is_named_alike_by_whoever_refuses_it(web, an_open_event, wish, field):
    assert named(web.guest().book(an_open_event, wish))[0] == field


@pytest.mark.parametrize(
    "path", ["/v1/events/{id}", "/v1/events/{id}/seats", "/v1/events/{id}/seats/availability", "/v1/events/{id}/queue"]
)
def test_a_thing_has_one_address(web, an_open_event, path):
    assert web.http.get(path.format(id=an_open_event)).status_code == 200
    for other in other_ways_to_write(an_open_event):
        assert web.http.get(path.format(id=other)).status_code == 404
    assert web.http.get(path.format(id=an_open_event) + "?x=1").status_code == 422


@pytest.mark.parametrize("path", ["/events/{id}", "/events/{id}/choose", "/events/{id}/queue"])
def test_a_page_has_one_address_however_people_came_to_it(web, an_open_event, path):
    there = web.http.get(path.format(id=an_open_event) + "?utm_source=letter")

    assert there.status_code != 404
    for other in other_ways_to_write(an_open_event):
        assert web.http.get(path.format(id=other)).status_code == 404


def other_ways_to_write(number: int) -> list[str]:
    in_another_script = "".join(chr(0xFF10 + int(digit)) for digit in str(number))
    return [f"0{number}", f"+{number}", f"{number}.0", f"{number}%20", in_another_script]
