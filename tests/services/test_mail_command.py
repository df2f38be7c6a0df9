"""Operators see what became of letters, and send one once more: `onsale mail`, the doctor, and the workers together."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from onsale.cli.doctor import mail as doctor
from onsale.cli.doctor.finding import Answer
from onsale.cli.mail import mail
from onsale.config import Config
from onsale.db.letters import LetterState, Numbers
from onsale.workers.mail import deliver
from onsale.workers.resend import resend
from tests.builders import run_sql, until
from tests.mail_server import mail_server
from tests.services.post_office import ADA, FROM, confirmed_free, letters_of, the_letter, with_server
from tests.worker_processes import running

S = LetterState


@pytest.fixture
def server():
    with mail_server() as running_server:
        yield running_server


def said(settings, *words, fails=False):
    result = CliRunner().invoke(mail, words, env=settings)
    assert (result.exit_code != 0) == fails, result.output
    return result.output


@pytest.fixture
def refused(shop, server):
    """One letter that was sent, one that was refused."""
    made = confirmed_free(with_server(shop, server), 2, prefix=True)
    server.says[f"2-{ADA}"] = "550 5.1.1 no such mailbox"
    deliver(with_server(shop, server))
    return the_letter(shop.engine, made[1])


def test_the_list_names_what_was_not_sent_and_why(settings, shop, refused):
    text = said(settings, "list")

    assert len(text.splitlines()) == 1
    for word in (str(refused.id), f"2-{ADA}", "failed", "550 5.1.1 no such mailbox", "1 try"):
        assert word in text
    assert "250 taken" in said(settings, "list", "--state", "sent")
    assert said(settings, "list", "--state", "waiting") == "No letter is waiting.\n"
    run_sql(shop.engine, "UPDATE letters SET state = 'sent'")
    assert said(settings, "list") == "No letter waits, and none failed or is unclear.\n"


def test_the_list_is_also_one_object(settings, refused):
    told = json.loads(said(settings, "list", "--json"))

    assert [each["id"] for each in told["letters"]] == [str(refused.id)]
    assert (told["unsent"]["failed"], told["late_seconds"]) == (1, None)


@pytest.mark.parametrize("by", ["id", "booking_id"])
def test_a_letter_is_shown_in_full_by_its_id_or_its_bookings(settings, refused, by):
    named = str(getattr(refused, by))

    text = said(settings, "show", named)
    told = json.loads(said(settings, "show", named, "--json"))

    for word in ("Subject: Your tickets: Show", "Floor, standing", "It is not sent again by itself.", "550 5.1.1"):
        assert word in text
    assert said(settings, "show", named, "--html").startswith("<!doctype html>")
    assert told["letters"][0]["says"]["subject"].startswith("Your tickets")


def test_a_letter_whose_booking_went_on_says_that_it_would_not_be_sent(settings, shop, refused):
    run_sql(shop.engine, "UPDATE letters SET kind = 'needs_buyer' WHERE id = :id", id=refused.id)

    assert "It would not be sent now. The booking is confirmed now." in said(settings, "show", str(refused.id))


def test_a_letter_that_failed_is_sent_once_more(settings, shop, server, refused):
    server.says.clear()

    said(settings, "retry", str(refused.id))
    deliver(with_server(shop, server))

    assert the_letter(shop.engine, refused.booking_id).state is S.SENT
    assert server.addresses() == [f"1-{ADA}", f"2-{ADA}"]


def test_all_that_failed_are_sent_once_more(settings, shop, refused):
    assert str(refused.id) in said(settings, "retry", "--failed")
    assert said(settings, "retry", "--failed") == "No letter has failed.\n"

    assert the_letter(shop.engine, refused.booking_id).state is S.WAITING


def test_what_was_sent_is_not_sent_once_more_and_then_nothing_is(settings, shop, refused):
    run_sql(shop.engine, "UPDATE letters SET state = 'failed' WHERE id = :id", id=refused.id)
    (sent,) = json.loads(said(settings, "list", "--state", "sent", "--json"))["letters"]

    text = said(settings, "retry", str(refused.id), sent["id"], fails=True)

    assert text == f"Error: Letter {sent['id']} has neither failed nor is it unclear. Nothing was changed.\n"
    assert the_letter(shop.engine, refused.booking_id).state is S.FAILED


@pytest.mark.parametrize("words", [("retry",), ("retry", "no-uuid"), ("show", "7")])
def test_what_names_no_letter_is_said_in_a_sentence(settings, words):
    assert "Error: " in said(settings, *words, fails=True)


def test_a_letter_that_is_not_there_is_said_in_a_sentence(settings, engine):
    nobody = "00000001-949d-8253-99b5-164289ea4ab4"

    assert "There is no letter" in said(settings, "show", nobody, fails=True)
    assert "There is no letter" in said(settings, "retry", nobody, fails=True)


# The doctor.


def test_the_doctor_knocks_at_the_server_and_reads_the_record(settings, server, refused):
    config = Config.from_env({**settings, "ONSALE_SMTP_URL": server.url, "ONSALE_MAIL_FROM": FROM})

    seen = dict(doctor.examine(config))

    assert (seen["server"].answer, seen["letters"].answer) == (Answer.OK, Answer.WARNING)
    assert "1 failed and 0 may or may not" in seen["letters"].saw
    assert server.commands[-2:] == ["NOOP", "QUIT"]


def test_the_doctor_says_when_the_server_does_not_let_us_in(settings, server, engine):
    settings |= {"ONSALE_MAIL_FROM": FROM, "ONSALE_SMTP_URL": f"smtp://shop:a-wrong-one@127.0.0.1:{server.port}"}

    seen = dict(doctor.examine(Config.from_env(settings)))

    assert seen["server"].answer is Answer.BROKEN
    assert "STARTTLS" in seen["server"].saw


def test_files_are_fine_for_a_laptop_and_reach_nobody_in_production(config):
    assert doctor.folder(config).answer is Answer.OK
    assert doctor.folder(replace(config, environment="production")).answer is Answer.WARNING


@pytest.mark.parametrize(
    ("by_state", "late", "answer"),
    [
        ({}, None, Answer.OK),
        ({S.WAITING: 3}, 300.0, Answer.OK),
        ({S.WAITING: 3}, 301.0, Answer.WARNING),
        ({S.WAITING: 3}, 3_601.0, Answer.BROKEN),
        ({S.UNCLEAR: 1}, None, Answer.WARNING),
        ({S.FAILED: 1}, None, Answer.WARNING),
    ],
)
def test_letters_that_do_not_get_away_are_judged(by_state, late, answer):
    assert doctor.letters(Numbers(by_state, late)).answer is answer


# The workers.


def test_a_worker_of_the_queue_mail_is_woken_and_sends(shop, settings, server, tmp_path):
    env = {**settings, "ONSALE_SMTP_URL": server.url, "ONSALE_MAIL_FROM": FROM, "ONSALE_LOG_FORMAT": "console"}
    made = confirmed_free(shop, 3, prefix=True)

    with running("mail", env, tmp_path):
        assert resend(shop).mail
        until(lambda: len(server.received) == 3, "the letters are sent")
        until(lambda: all(each.state is S.SENT for one in made for each in letters_of(shop.engine, one)), "and noted")

    assert not resend(shop).mail


def test_many_wake_ups_are_one_until_somebody_begins(shop):
    confirmed_free(shop)

    assert [shop.wakes.wake_mail(), shop.wakes.wake_mail()] == [True, False]
    shop.wakes.mail_started()
    assert shop.wakes.wake_mail()
