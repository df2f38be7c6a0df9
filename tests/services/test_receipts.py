"""A buyer's receipt, and the report of a sale that buyers made over HTTP: each finds their own lines in it."""

from __future__ import annotations

import orjson

from onsale.db import catalogue, clock
from onsale.db.engine import reading
from onsale.report import files
from onsale.report.signing import report_key
from onsale.report.writing import About
from onsale.workers import chaining
from tests.services.buyers_page import Shown
from tests.services.small_sale import verified
from tests.services.test_handing_over import an_account, signs_in
from tests.services.test_sale_report import run_by_a_stranger


def test_a_receipt_tells_the_way_from_the_queue_to_the_payment(http_sale):
    chaining.chain(http_sale.engine)

    paid, back, late = (http_sale.receipt(which) for which in range(3))

    steps = [step["step"] for step in paid["steps"]]
    assert steps == ["joined", "admitted", "queued", "held", "authorising", "authorised", "committed", "confirmed"]
    assert [step["at"] for step in paid["steps"]] == sorted(step["at"] for step in paid["steps"])
    assert paid["steps"][0]["words"] == "Joined the queue as number 1"
    assert [step["step"] for step in back["steps"]][-2:] == ["refunding", "refunded"]
    assert [step["step"] for step in late["steps"]] == ["joined", "admitted", "queued", "unavailable"]
    assert [orjson.loads(each["line"])["t"] for each in paid["lines"]].count("capture") == 1


def test_a_receipt_before_the_log_is_chained_says_so(http_sale):
    found = http_sale.receipt(0)

    assert (found["pseudonym"], found["lines"]) == ("", [])
    assert "within seconds" in http_sale.page(0)


def test_the_page_shows_the_same_and_how_to_look_it_up(http_sale):
    chaining.chain(http_sale.engine)

    page, found = http_sale.page(0), http_sale.receipt(0)

    words = [step["words"] for step in found["steps"]]
    assert [said for _, said in Shown(page).timeline] == words
    assert f"--find {found['pseudonym']}" in page


def test_a_receipt_is_nobody_elses_business(http_sale):
    stranger = http_sale.people[1]

    assert stranger.get(f"/v1/bookings/{http_sale.bookings[0]}/receipt").status_code == 404
    assert http_sale.page_for(stranger, http_sale.bookings[0]).status_code == 404


def test_a_sale_over_http_is_reported_and_each_buyer_finds_their_lines(http_sale, tmp_path):
    chaining.chain(http_sale.engine)
    with reading(http_sale.engine) as connection:
        event = catalogue.event_by_id(connection, http_sale.event_id)
        at = clock.now(connection)
    found = verified(http_sale.shop, http_sale.event_id, agree_seconds=10.0)
    about = About(event, found, at, report_key(http_sale.shop.config))
    made = files.write(http_sale.engine, about, tmp_path, told=lambda *_: None)

    for which, person in enumerate(http_sale.people):
        receipt = http_sale.receipt(which)
        done = run_by_a_stranger(tmp_path, made.name, "--key", about.key.public, "--find", receipt["pseudonym"])
        assert done.returncode == 0, done.stdout + done.stderr
        assert [each["line"] for each in receipt["lines"] if receipt["pseudonym"] in each["line"]] == [
            line for line in done.stdout.splitlines() if line.startswith("{")
        ]
        assert person.id not in made.read_text()
    assert "tickets_sold: 1" in done.stdout
    assert "captured_minor: {'eur': 9000}" in done.stdout
    assert "refunded_minor: {'eur': 4500}" in done.stdout
    assert "admitted: 3" in done.stdout


def test_who_signs_in_later_is_told_whom_the_log_names_and_when_they_joined(http_sale):
    chaining.chain(http_sale.engine)
    before = http_sale.receipt(0)
    account = an_account(http_sale.web, "later@example.org")

    http_sale.people[0] = signs_in(http_sale.web, http_sale.people[0], account)
    after = http_sale.receipt(0)

    named = [line["buyer"] for line in map(orjson.loads, [each["line"] for each in after["lines"]]) if "buyer" in line]
    assert named == [after["buyer_pseudonym"]] == [before["buyer_pseudonym"]]
    assert after["steps"] == before["steps"]
    verdict = verified(http_sale.shop, http_sale.event_id, agree_seconds=10.0)
    assert [one for one in verdict.findings if not one.ok] == []
