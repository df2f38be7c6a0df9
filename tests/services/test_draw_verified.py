"""A sale whose numbers were drawn, exported for strangers and verified on the record; each damage is found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from click.testing import CliRunner
from sqlalchemy import text

from onsale.cli.draw import draw as command
from onsale.db import queue_settings, sale_log
from onsale.db.engine import reading
from onsale.db.queue_settings import Phase, QueueChange
from onsale.db.wishes import Wish
from onsale.queue.draw import entrant_id
from onsale.verify import draw_list
from onsale.verify.check import verify
from onsale.workers import journaling
from tests.builders import a_booking, an_event, some_buyers
from tests.services.serving import Person
from tests.services.test_draw import BEACON, SEED, VALUE, a_draw, entries_closed, joined, on_record, opened
from tests.services.test_draw_pages import joined as joined_page
from tests.services.test_handing_over import PASSWORD, Member, an_account, signs_in

PEOPLE = 12


@pytest.fixture
def sale(shop: Any, engine: Any) -> tuple[Any, list[Any]]:
    """Everybody was drawn; the first three by drawn number have booked."""
    event_id = a_draw(shop, engine)
    buyers = some_buyers(engine, PEOPLE)
    joined(shop, event_id, buyers)
    opened(shop, engine, event_id)
    journaling.write_journal(shop, event_id)
    for buyer, number in zip(buyers, joined(shop, event_id, buyers), strict=True):
        if number <= 3:
            a_booking(engine, event_id, Wish(quantity=1), number=number, buyer_id=buyer)
    return event_id, buyers


def broken(engine: Any, event_id: Any, invariant: str) -> list[str]:
    verdict = verify(engine, event_id, ledger=None, copies_at=None)
    return list(next(finding for finding in verdict.findings if finding.invariant == invariant).examples)


def i5(engine: Any, event_id: Any) -> list[str]:
    return broken(engine, event_id, "I5")


def damage(engine: Any, statement: str, **values: Any) -> None:
    with engine.begin() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        assert connection.execute(text(statement), values).rowcount


def test_bookings_under_drawn_numbers_are_their_buyers(engine, sale):
    assert i5(engine, sale[0]) == []


def test_each_act_of_a_draw_is_one_change_of_the_queue_and_one_line_of_its_log(engine, sale):
    assert broken(engine, sale[0], "I6") == []


def test_a_change_of_a_drawn_queue_that_no_line_tells_of_is_found(engine, sale):
    damage(engine, "UPDATE queue_settings SET version = version + 1 WHERE event_id = :id", id=sale[0])

    assert "and the sale log tells of" in broken(engine, sale[0], "I6")[0]


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE bookings SET number = number + 3 WHERE event_id = :id AND number = 1", "was given to"),
        ("UPDATE draws SET key = sha256(key) WHERE event_id = :id", "does not follow"),
        ("UPDATE draws SET beacon_value = 'x' WHERE event_id = :id", "says beacon_value"),
        ("UPDATE draws SET size = size + 1 WHERE event_id = :id", "says size"),
    ],
)
def test_what_was_changed_after_the_draw_is_found(engine, sale, statement, said):
    damage(engine, statement, id=sale[0])

    assert any(said in what for what in i5(engine, sale[0]))


@pytest.fixture
def run(settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """`onsale draw` on this test's record."""
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    def ran(*arguments: object, code: int = 0) -> str:
        done = CliRunner().invoke(command, [str(each) for each in arguments])
        assert done.exit_code == code, done.output
        return done.output

    return ran


def test_the_exported_list_names_everybody_and_verifies(engine, sale, run, tmp_path: Path):
    event_id, buyers = sale
    file = tmp_path / "draw.csv"

    run("export", event_id, "-o", file)
    said = run(
        "verify", file, "--seed-hash", on_record(engine, event_id).seed_hash, "--beacon", VALUE, "--size", PEOPLE
    )

    assert said.startswith("Every number follows")
    lines = file.read_text().splitlines()
    assert [line.split(",")[1] for line in lines[1:]] == [entrant_id(SEED, buyer) for buyer in buyers]
    with reading(engine) as connection:
        assert sale_log.newest(connection, event_id, limit=1)[0].kind == "draw_exported"


def test_a_list_with_two_numbers_changed_does_not_verify(sale, run, tmp_path: Path):
    file = tmp_path / "draw.csv"
    run("export", sale[0], "-o", file)
    lines = file.read_text().splitlines()
    (one, name, drawn), (two, other, drawn_too) = lines[1].split(","), lines[2].split(",")
    lines[1:3] = [f"{one},{name},{drawn_too}", f"{two},{other},{drawn}"]
    file.write_text("\n".join(lines))

    assert "numbers: 2 of 12 do not follow" in run("verify", file, code=1)
    assert '"what": "numbers"' in run("verify", file, "--json", code=1)


def test_a_draw_that_is_not_held_has_no_list(shop, engine, run):
    event_id = a_draw(shop, engine)

    assert "not drawn yet" in run("export", event_id, code=1)


def test_a_draw_is_run_from_the_command_line(shop, engine, run):
    event_id = a_draw(shop, engine)
    entries_closed(shop, engine, event_id)

    assert '"beacon_value": ""' in run("show", event_id)
    assert "on record" in run("beacon", event_id, "--value", VALUE)

    assert on_record(engine, event_id).beacon == VALUE
    assert "Usage" in run("beacon", event_id, code=2)


def test_a_draw_is_announced_and_withdrawn_from_the_command_line(engine, run):
    later = datetime.now(UTC) + timedelta(hours=1)
    event_id = an_event(engine, queue=QueueChange(phase=Phase.SCHEDULED, opens_at=later))

    said = run("announce", event_id, "--beacon-name", BEACON)

    assert on_record(engine, event_id).seed_hash in said
    assert "first come, first served" in run("withdraw", event_id)
    with reading(engine) as connection:
        assert queue_settings.get(connection, event_id).phase is Phase.SCHEDULED


# Guests who sign in: the list is of who had the numbers when the entries were closed.


@pytest.fixture
def account(web: Any) -> Member:
    return an_account(web, f"{uuid4().hex}@example.org")


def names_in(file: Path) -> list[str]:
    return [line.split(",")[1] for line in file.read_text().splitlines()[1:]]


def name_of(person: Person) -> str:
    return entrant_id(SEED, UUID(person.id))


def test_who_signs_in_after_the_draw_finds_the_name_the_place_was_drawn_under(
    shop, engine, web, account, run, tmp_path: Path
):
    event_id = a_draw(shop, engine)
    browser = joined_page(web, event_id)
    journaling.write_journal(shop, event_id)
    opened(shop, engine, event_id)
    web.office.statuses.forget(event_id)
    before, after = tmp_path / "before.csv", tmp_path / "after.csv"
    run("export", event_id, "-o", before)

    browser.press("/sign-in", browser.page("/sign-in"), email=account.email, password=PASSWORD)
    page = browser.page(f"/events/{event_id}/draw")
    run("export", event_id, "-o", after)

    # Word for word the list of before: who was given its hash finds it again.
    assert before.read_text() == after.read_text()
    assert f"you are <code>{names_in(after)[0]}</code>" in page


@pytest.mark.parametrize("had_a_place", [False, True])
def test_a_guest_who_signed_in_before_and_joined_anew_is_in_the_list_once(
    shop, engine, web, account, run, tmp_path: Path, had_a_place
):
    event_id = a_draw(shop, engine)
    guest = web.guest()
    guest.join(event_id)
    if had_a_place:
        account.join(event_id)
    journaling.write_journal(shop, event_id)
    signs_in(web, guest, account)
    guest.join(event_id)
    journaling.write_journal(shop, event_id)
    opened(shop, engine, event_id)
    file = tmp_path / "draw.csv"

    run("export", event_id, "-o", file)

    given_up = [draw_list.NOBODY] if had_a_place else []
    assert names_in(file) == [name_of(account), *given_up, name_of(guest)]
    assert run("verify", file).startswith("Every number follows")
