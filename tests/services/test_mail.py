"""Letters reach a real SMTP server once, whatever it answers and wherever a worker is killed."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
from dataclasses import replace
from email import message_from_bytes, policy
from pathlib import Path

import pytest

from onsale.db.engine import transaction
from onsale.db.letters import LetterState, retry
from onsale.workers import event_letters, mail
from onsale.workers import letters as composing
from onsale.workers.mail import deliver
from tests.builders import let_the_hold_run_out, run_sql, until
from tests.mail_server import MailServer, mail_server
from tests.services.post_office import (
    ADA,
    DECLINED,
    FROM,
    THREE_D_SECURE,
    confirmed_free,
    hands_free,
    make_due,
    the_letter,
    with_server,
)

S = LetterState
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def server():
    with mail_server() as running:
        yield running


@pytest.fixture
def office(shop, server):
    """A shop whose letters go to the server, and one letter that waits."""
    return with_server(shop, server)


@pytest.fixture
def booking_id(office):
    (only,) = confirmed_free(office)
    return only


def test_a_letter_arrives_once_with_what_its_buyer_needs(paying_shop, server):
    office = with_server(paying_shop, server)
    booking_id = hands_free(office)

    deliver(office), deliver(office)

    (received,) = server.received
    letter = the_letter(office.engine, booking_id)
    message = received.message
    assert (received.sender, received.recipients) == ("tickets@onsale.example", [ADA])
    assert (message["To"], message["From"], message["Message-ID"]) == (ADA, FROM, f"<{letter.id}@onsale.example>")
    assert message["Subject"].startswith("Your tickets: Show ")
    for part in ("plain", "html"):
        said = message.get_body((part,)).get_content()
        for word in ("Parterre, row A, seat 1", "45.00 EUR", "Test Hall, Vienna", "UTC", f"/bookings/{booking_id}"):
            assert word in said
    assert (letter.state, letter.tries, letter.why) == (S.SENT, 1, "250 taken")


@pytest.mark.parametrize(("card", "word"), [(THREE_D_SECURE, "bank wants you to confirm"), (DECLINED, "was declined")])
def test_who_is_needed_is_told_why_and_until_when(paying_shop, server, card, word):
    office = with_server(paying_shop, server)
    booking_id = hands_free(office, card)

    deliver(office)

    (received,) = server.received
    text = received.message.get_body(("plain",)).get_content()
    assert all(each in text for each in (word, "To pay: 45.00 EUR", f"/bookings/{booking_id}"))
    assert f"until {event_letters.until_words(the_hold(office, booking_id))}" in text.replace("\n", " ")
    # What the bank gave us to go on with is a secret.
    assert not any(each in str(received.message) for each in ("authenticate", "secret"))


def the_hold(office, booking_id):
    with office.engine.connect() as connection:
        return composing.bookings.get(connection, booking_id).hold_until


def test_a_letter_that_would_come_too_late_is_dropped(paying_shop, server):
    office = with_server(paying_shop, server)
    booking_id = hands_free(office, THREE_D_SECURE)
    let_the_hold_run_out(office.engine, booking_id)

    deliver(office)

    assert (server.received, the_letter(office.engine, booking_id).state) == ([], S.DROPPED)


# What the server may answer.


@pytest.mark.parametrize(
    ("verb", "answer", "state", "tries"),
    [
        ("RCPT", "450 4.2.1 mailbox busy", S.WAITING, 1),
        ("RCPT", "550 5.1.1 no such mailbox", S.FAILED, 1),
        ("DATA", "451 4.3.0 later", S.WAITING, 1),
        (".", "452 4.3.1 disk full", S.WAITING, 1),
        (".", "554 5.7.1 looks like spam", S.FAILED, 1),
        ("MAIL", "451 4.7.1 too fast", S.WAITING, 0),
        ("MAIL", "550 5.7.1 who are you?", S.WAITING, 0),
        ("RCPT", "421 4.3.2 going down", S.WAITING, 0),
        (".", "421 4.3.2 going down", S.WAITING, 0),
    ],
)
def test_a_no_is_about_the_letter_or_about_the_server(office, server, booking_id, verb, answer, state, tries):
    server.says[verb] = answer

    delivered = deliver(office)

    letter = the_letter(office.engine, booking_id)
    assert (letter.state, letter.tries, letter.why) == (state, tries, answer)
    assert delivered.away == (tries == 0)
    assert server.received == []


@pytest.mark.parametrize("verb", ["EHLO", "MAIL", "RCPT", "DATA"])
def test_a_connection_lost_before_the_letter_is_tried_again(office, server, booking_id, verb):
    server.hang_up = verb
    deliver(office)
    lost = the_letter(office.engine, booking_id)
    server.hang_up = ""
    make_due(office.engine)

    deliver(office)

    assert (lost.state, lost.tries) == (S.WAITING, 0)
    assert the_letter(office.engine, booking_id).state is S.SENT
    assert server.addresses() == [ADA]


def test_a_connection_lost_before_the_answer_leaves_it_unclear_and_is_not_tried_again(office, server, booking_id):
    server.hang_up = "."
    deliver(office)
    server.hang_up = ""
    make_due(office.engine)

    deliver(office)

    assert the_letter(office.engine, booking_id).state is S.UNCLEAR
    assert server.addresses() == [ADA]


def test_what_an_operator_sends_once_more_is_the_same_letter(office, server, booking_id):
    server.hang_up = "."
    deliver(office)
    server.hang_up = ""
    with transaction(office.engine) as connection:
        retry(connection, the_letter(office.engine, booking_id).id)

    deliver(office)

    first, second = server.received
    assert first.message["Message-ID"] == second.message["Message-ID"]
    assert first.raw == second.raw
    assert the_letter(office.engine, booking_id).state is S.SENT


@pytest.mark.parametrize("url", ["smtp://127.0.0.1:9?starttls=off", "smtp://a..b", "smtp://no-such-host.invalid"])
def test_a_server_that_is_not_there_stops_the_run_and_uses_up_no_tries(shop, url):
    office = with_server(shop, MailServer(), smtp_url=url)
    confirmed_free(office, 3)

    delivered = deliver(office)

    assert (delivered.away, dict(delivered.ended)) == (True, {S.WAITING: 1})


def test_a_letter_that_is_refused_does_not_keep_the_others(shop, server):
    office = with_server(shop, server)
    made = confirmed_free(office, 5, prefix=True)
    server.says[f"2-{ADA}"] = "550 no such mailbox"
    server.says[f"3-{ADA}"] = "450 busy"
    run_sql(office.engine, "UPDATE letters SET address = 'a@b, c@d' WHERE address = :address", address=f"4-{ADA}")

    deliver(office)

    states = [the_letter(office.engine, each).state for each in made]
    assert states == [S.SENT, S.FAILED, S.WAITING, S.FAILED, S.SENT]
    # Over one connection.
    assert len([each for each in server.commands if each.startswith("EHLO")]) == 1


def test_a_letter_that_cannot_be_drawn_does_not_keep_the_others(shop, server):
    office = with_server(shop, server)
    made = confirmed_free(office, 2, prefix=True)
    # What is no wish breaks whoever reads the booking; and it is the first in line.
    run_sql(office.engine, "UPDATE bookings SET wishes = '[1]' WHERE id = :id", id=made[0])
    run_sql(office.engine, "UPDATE letters SET due_at = due_at - interval '1 min' WHERE booking_id = :id", id=made[0])
    with pytest.raises(TypeError):
        deliver(office)

    deliver(office)

    assert the_letter(office.engine, made[1]).state is S.SENT
    assert the_letter(office.engine, made[0]).state is S.WAITING


# Killed between two steps. `deliver` runs in a process of its own, which kills itself at the step.

_KILLED = """
import os, signal, sys
from onsale.config import Config
from onsale.db import letters
from onsale.workers import mail
from onsale.workers.shop import open_shop

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

edge = sys.argv[1]
if edge == "before it begins":
    letters.begin_sending = die
elif edge == "begun, and before it sends":
    mail.SmtpPost._send = die
elif edge == "sent, and before it is written down":
    letters.end = die
mail.deliver(open_shop(Config.from_env(os.environ)), marked=edge != "unmarked")
"""


def killed(settings, server: MailServer, edge: str) -> int:
    """How the process ended."""
    env = {**os.environ, **settings, "ONSALE_SMTP_URL": server.url, "ONSALE_MAIL_FROM": FROM, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", _KILLED, edge], env=env, cwd=ROOT, timeout=60).returncode


@pytest.mark.parametrize(
    ("edge", "left", "then"),
    [
        ("before it begins", S.WAITING, S.SENT),
        ("begun, and before it sends", S.SENDING, S.UNCLEAR),
        ("sent, and before it is written down", S.SENDING, S.UNCLEAR),
    ],
)
def test_a_worker_killed_between_two_steps_sends_nothing_twice(office, settings, server, booking_id, edge, left, then):
    assert killed(settings, server, edge) == -signal.SIGKILL
    found = the_letter(office.engine, booking_id).state
    make_due(office.engine)

    deliver(office), deliver(office)

    assert found is left
    assert the_letter(office.engine, booking_id).state is then
    assert len(server.received) == (0 if edge.startswith("begun") else 1)


@pytest.fixture
def kill_while_the_server_thinks(office, settings, server):
    """Kill a worker that has handed its letter over and has no answer, and let the next one come by."""

    def kill(how: str) -> None:
        server.answer.clear()
        env = {**os.environ, **settings, "ONSALE_SMTP_URL": server.url, "ONSALE_MAIL_FROM": FROM}
        process = subprocess.Popen([sys.executable, "-c", _KILLED, how], env={**env, "PYTHONPATH": str(ROOT)}, cwd=ROOT)
        until(server.came.is_set, "the server has the letter")
        process.kill()
        process.wait(20)
        server.answer.set()
        make_due(office.engine)
        deliver(office)

    return kill


def test_a_worker_killed_while_the_server_thinks_sends_nothing_twice(
    office, server, booking_id, kill_while_the_server_thinks
):
    kill_while_the_server_thinks("none")

    assert the_letter(office.engine, booking_id).state is S.UNCLEAR
    assert server.addresses() == [ADA]


def test_without_the_mark_a_killed_worker_would_have_sent_it_twice(server, booking_id, kill_while_the_server_thinks):
    """The guard's negative control: the commit before the server may take a letter is left out."""
    kill_while_the_server_thinks("unmarked")

    assert server.addresses() == [ADA, ADA]


def test_a_worker_that_was_stopped_for_long_does_not_send_what_another_has_sent(office, server, booking_id):
    class Slow(mail.SmtpPost):
        """Stands still at the brink, as a stopped process does, while another worker comes by."""

        def hand_over(self, envelope, message, *, at_the_brink):
            make_due(office.engine)
            deliver(office)
            return super().hand_over(envelope, message, at_the_brink=at_the_brink)

    with transaction(office.engine) as connection:
        letter = mail.letters.claim(connection)
    post = Slow(mail.server_of(server.url), named="onsale.example")

    mail._deliver(office, post, letter, marked=True)

    assert server.addresses() == [ADA]
    assert the_letter(office.engine, booking_id).state is S.SENT


def test_a_record_that_goes_away_at_the_brink_sends_nothing_and_tries_again(office, server, booking_id):
    run_sql(office.engine, _GOES_AWAY)
    run_sql(office.engine, "CREATE TRIGGER away BEFORE UPDATE ON letters FOR EACH ROW EXECUTE FUNCTION away()")
    went_away = deliver(office).away
    run_sql(office.engine, "DROP TRIGGER away ON letters")
    left = the_letter(office.engine, booking_id)
    make_due(office.engine)

    deliver(office)

    # Not even a QUIT, which is no command there, and would be waited for.
    assert until(lambda: server.cut_off, "it was hung up on") == [b""]
    assert (went_away, left.state, left.tries) == (True, S.WAITING, 0)
    assert server.addresses() == [ADA]


# As a server says that shuts down (57P01), at the one step that is asked about.
_GOES_AWAY = """
    CREATE FUNCTION away() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.state = 'sending' THEN RAISE 'it goes away' USING ERRCODE = '57P01'; END IF;
        RETURN NEW;
    END $$"""


# Encrypted, and as whom.


@pytest.fixture(scope="module")
def secure(tmp_path_factory):
    """A certificate for 127.0.0.1 that signs itself, and a server's side of it."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return cert, context


def test_a_letter_and_our_password_go_encrypted(shop, secure, monkeypatch):
    cert, context = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with mail_server(tls=context) as server:
        office = with_server(shop, server, smtp_url=f"smtp://shop:pass%20of%20mail@127.0.0.1:{server.port}")
        (booking_id,) = confirmed_free(office)

        deliver(office)

    assert the_letter(office.engine, booking_id).state is S.SENT
    assert [each.split(" ")[0] for each in server.commands][:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]


@pytest.mark.parametrize("trusted", [True, False])
def test_who_does_not_encrypt_or_cannot_prove_who_it_is_gets_nothing(shop, secure, monkeypatch, trusted):
    cert, context = secure
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with mail_server(tls=None if trusted else context) as server:
        office = with_server(shop, server, smtp_url=f"smtp://shop:pass%20of%20mail@127.0.0.1:{server.port}")
        (booking_id,) = confirmed_free(office)

        assert deliver(office).away

    letter = the_letter(office.engine, booking_id)
    assert (letter.state, server.received) == (S.WAITING, [])
    assert ("STARTTLS" if trusted else "CERTIFICATE_VERIFY_FAILED") in letter.why
    assert not any(each.startswith("AUTH") for each in server.commands)


def test_a_wrong_password_makes_the_letters_wait_and_is_not_repeated(shop, secure, monkeypatch):
    cert, context = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    with mail_server(tls=context) as server:
        office = with_server(shop, server, smtp_url=f"smtp://shop:wrong-one@127.0.0.1:{server.port}")
        (booking_id,) = confirmed_free(office)

        assert deliver(office).away

    letter = the_letter(office.engine, booking_id)
    assert (letter.state, letter.why) == (S.WAITING, "535 5.7.8 not with that password")
    assert "wrong-one" not in letter.why


# Addresses of the world.


@pytest.mark.parametrize(
    ("address", "envelope", "utf8"),
    [
        ("zoë@bücher.example", "zoë@xn--bcher-kva.example", True),
        ("ada@straße.example", "ada@xn--strae-oqa.example", False),
        ("o'neil+tickets@example.org", "o'neil+tickets@example.org", False),
    ],
)
def test_an_address_in_any_script_is_reached(shop, server, address, envelope, utf8):
    office = with_server(shop, server)
    confirmed_free(office, email=address)

    deliver(office)

    assert server.addresses() == [envelope]
    assert server.received[0].message["To"] == envelope
    assert any("SMTPUTF8" in each for each in server.commands if each.startswith("MAIL")) == utf8


def test_a_server_that_knows_only_ascii_refuses_what_it_could_not_deliver(shop):
    with mail_server(utf8=False) as server:
        office = with_server(shop, server)
        reached, not_reached = (confirmed_free(office, email=each)[0] for each in ("a@bücher.example", "zoë@b.example"))

        deliver(office)

    assert the_letter(office.engine, reached).state is S.SENT
    assert the_letter(office.engine, not_reached).state is S.FAILED


@pytest.mark.parametrize("name", ["A\r\nBcc: victim@example.org", "A\nSubject: B", "A\u2028B\x85C", "x" * 500])
def test_no_name_of_a_show_becomes_a_header(shop, server, name):
    office = with_server(shop, server)
    (booking_id,) = confirmed_free(office)
    run_sql(office.engine, "UPDATE events SET name = :name", name=name)

    deliver(office)

    (received,) = server.received
    assert received.message["Bcc"] is None
    assert len(received.message.get_all("Subject")) == 1
    assert received.recipients == [ADA]
    assert the_letter(office.engine, booking_id).state is S.SENT


def test_a_line_that_is_only_a_dot_does_not_end_the_letter(shop, server):
    office = with_server(shop, server)
    confirmed_free(office)
    run_sql(office.engine, "UPDATE events SET name = '.'")

    deliver(office)

    lines = server.received[0].message.get_body(("plain",)).get_content().splitlines()
    assert "." in lines
    assert lines[-1].endswith("booked.")


# Without a server: the folder.


def test_without_a_server_letters_are_files_that_a_mail_program_opens(shop, tmp_path):
    folder = tmp_path / "outbox"
    office = replace(shop, config=replace(shop.config, outbox_dir=folder))
    (booking_id,) = confirmed_free(office)

    deliver(office)

    (file,) = folder.iterdir()
    message = message_from_bytes(file.read_bytes(), policy=policy.default)
    assert file.suffix == ".eml"
    assert (message["To"], message.get_body(("html",)).get_content_type()) == (ADA, "text/html")
    assert the_letter(office.engine, booking_id).state is S.SENT


def test_a_folder_that_cannot_be_written_to_makes_letters_wait(shop, tmp_path):
    (tmp_path / "outbox").write_text("not a folder")
    office = replace(shop, config=replace(shop.config, outbox_dir=tmp_path / "outbox"))
    (booking_id,) = confirmed_free(office)

    assert deliver(office).away

    assert the_letter(office.engine, booking_id).state is S.WAITING


def test_letters_that_wait_too_long_make_an_alarm(office, booking_id, capsys):
    quiet = mail.watch(office)
    run_sql(office.engine, "UPDATE letters SET since = since - interval '301 s'")
    before = capsys.readouterr()

    mail.watch(office)

    assert (quiet.late_seconds or 0) < 60
    assert "letters_late" not in before.out + before.err
    after = capsys.readouterr()
    assert "letters_late" in after.out + after.err
