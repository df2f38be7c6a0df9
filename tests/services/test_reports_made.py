"""Reports asked for in the console or over the API: made by a worker, with progress, and checked by anyone."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from onsale.config import Config
from onsale.db import catalogue, reports
from onsale.db.engine import transaction
from onsale.db.reports import ATTEMPTS_MAX, ReportState
from onsale.db.staff import Role, Staff, put
from onsale.report.verify_report import check
from onsale.web import tokens
from onsale.workers import reporting
from tests.builders import run_sql
from tests.services.serving import Person, serving


@pytest.fixture
def staff_of(http_sale):
    web = http_sale.web

    def member(role: Role = Role.ADMIN, organiser: str = "Test organiser") -> Person:
        with transaction(http_sale.engine) as connection:
            organiser_id = catalogue.add_organiser(connection, organiser)
            one = put(connection, Staff(uuid4(), organiser_id, f"{uuid4().hex}@example.org", role, "no password"))
        return Person(web.http, tokens.sign(web.office.config, one.id, audience=tokens.STAFF), str(one.id))

    return member


@pytest.fixture
def console(http_sale):
    """The console's page about the log, as this member sees it."""

    def get(member, path=""):
        address = f"/admin/events/{http_sale.event_id}/log{path}"
        return http_sale.web.http.get(address, headers={"Cookie": f"onsale_staff={member.token}"})

    return get


def address(sale, *more):
    return "/".join([f"/v1/admin/events/{sale.event_id}/reports", *map(str, more)])


def test_a_report_is_asked_for_made_and_fetched_over_the_api(http_sale, staff_of):
    member = staff_of()
    asked = member.post(address(http_sale))
    again = member.post(address(http_sale))
    assert (asked.status_code, asked.json()["state"]) == (202, "asked")
    assert again.json()["id"] == asked.json()["id"]
    assert member.get(address(http_sale, asked.json()["id"])).status_code == 404

    assert reporting.make(http_sale.shop, part_bytes=2_000) == 1

    (told,) = member.get(address(http_sale)).json()["reports"]
    assert (told["state"], told["lines_done"], told["parts"] > 1) == ("ready", told["lines_all"], True)
    texts = [
        member.get(address(http_sale, told["id"]), params={"part": n}).json()["text"] for n in range(told["parts"])
    ]
    found = check("".join(texts).encode(), key=http_sale.web.http.get("/.well-known/onsale-report-key").text)
    assert found.head == told["head"]
    assert member.get(address(http_sale, told["id"]), params={"part": told["parts"]}).status_code == 404


def test_the_console_shows_who_did_what_and_gives_the_files(http_sale, staff_of, console):
    member = staff_of()
    asked = member.post(address(http_sale)).json()
    waiting = console(member).text
    assert "waits for a worker" in waiting
    assert 'http-equiv="refresh"' in waiting

    reporting.make(http_sale.shop)

    page = console(member).text
    assert "A report was asked for" in page
    assert "@example.org" in page
    assert "The rules for refunds were changed" in page
    log, people = (console(member, f"/reports/{asked['id']}.{kind}") for kind in ("jsonl", "html"))
    check(log.content)
    assert "attachment" in log.headers["Content-Disposition"]
    assert "The sale in numbers" in people.text


def test_the_form_of_the_console_asks_for_one(http_sale, staff_of, console):
    member = staff_of()
    page = console(member)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)[1]
    session = page.headers["Set-Cookie"].split(";")[0]

    answer = http_sale.web.http.post(
        f"/admin/events/{http_sale.event_id}/log/reports",
        data={"csrf_token": token},
        headers={"Cookie": f"onsale_staff={member.token}; {session}"},
    )

    assert answer.status_code == 303
    assert len(member.get(address(http_sale)).json()["reports"]) == 1


def test_whose_event_it_is_not_sees_nothing_and_a_viewer_only_looks(http_sale, staff_of, console):
    stranger, viewer = staff_of(organiser="Another organiser"), staff_of(Role.VIEWER)

    assert [stranger.get(address(http_sale)).status_code, stranger.post(address(http_sale)).status_code] == [404, 404]
    assert console(stranger).status_code == 404
    assert viewer.post(address(http_sale)).status_code == 403
    assert viewer.get(address(http_sale)).status_code == 200
    assert "your role is viewer" in console(viewer).text


def test_one_whose_maker_died_is_begun_anew_and_given_up_in_the_end(http_sale, staff_of):
    staff_of().post(address(http_sale))
    for attempt in range(1, ATTEMPTS_MAX + 1):
        with transaction(http_sale.engine) as connection:
            claimed = reports.claim(connection)
            assert claimed.attempt == attempt
            assert reports.claim(connection) is None
            assert reports.put_part(connection, claimed, 0, b"half\n", done=1, of=9)
        run_sql(http_sale.engine, "UPDATE sale_reports SET lease_until = now() - interval '1 second'")
    with transaction(http_sale.engine) as connection:
        assert reports.any_due(connection)
        assert reports.claim(connection) is None

        (found,) = reports.of_event(connection, http_sale.event_id)
    assert (found.state, found.why) == (ReportState.FAILED, "Whoever made it died, again and again.")


def test_who_was_given_up_writes_no_more(http_sale, staff_of):
    staff_of().post(address(http_sale))
    with transaction(http_sale.engine) as connection:
        slow = reports.claim(connection)
    run_sql(http_sale.engine, "UPDATE sale_reports SET lease_until = now() - interval '1 second'")

    assert reporting.make(http_sale.shop) == 1

    with transaction(http_sale.engine) as connection:
        assert not reports.put_part(connection, slow, 0, b"", done=1, of=1)
        assert not reports.finish(connection, slow, head="", broken="", page="")


def test_old_ones_go(http_sale, staff_of):
    member = staff_of()
    for _ in range(reports.KEPT + 1):
        member.post(address(http_sale))
        with transaction(http_sale.engine) as connection:
            reports.finish(connection, reports.claim(connection), head="", broken="", page="")

    assert len(member.get(address(http_sale)).json()["reports"]) == reports.KEPT


def test_without_a_key_nothing_is_promised(http_sale, settings, staff_of):
    keyless = Config.from_env({**settings, "ONSALE_REPORT_KEY": ""})
    member = staff_of()
    with serving(keyless) as web:
        answers = [
            web.http.get("/.well-known/onsale-report-key"),
            Person(web.http, member.token, member.id).post(address(http_sale)),
        ]

    assert [answer.status_code for answer in answers] == [409, 409]
    assert answers[1].json()["type"] == "/problems/report-key-missing"


def test_the_program_is_there_for_everybody(http_sale):
    program = http_sale.web.http.get("/.well-known/onsale-verify-report.py")

    assert program.text.startswith('"""Checks a sale report')
