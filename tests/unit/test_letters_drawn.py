"""A letter says the same as text and as HTML; nothing that was typed becomes markup, a header or a second line."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email.headerregistry import Address
from uuid import UUID

import pytest
from jinja2 import UndefinedError

from onsale.mail import drawing
from onsale.mail.drawing import SUBJECT_CHARACTERS_MAX, Contents, Notice, PriceLine, Show, TicketLine, draw, one_line
from onsale.mail.message import ADDRESS_CHARACTERS_MAX, Envelope, address_of, message, sender_of

SHOW = Show("Night Trains", "Sat 14 Mar 2026, 19:30 UTC", "Konzerthaus, Wien", "Testers")
TICKETS = tuple(TicketLine(f"Parterre, row C, seat {number}", "1,045.00 EUR") for number in (11, 12))
LINK = "https://tickets.example/bookings/00000001-949d-8253-99b5-164289ea4ab4"
CONTENTS = Contents(SHOW, TICKETS, "2,090.00 EUR", LINK, "00000001-949d", until="19:45 UTC on 14 Mar")
KINDS = ("tickets", "needs_buyer", "refunded", "event_cancelled")
HOSTILE = '<script>alert(1)</script> & "Söhne"\r\nBcc: x@example.org\u202eevil\u2066'
LETTER = UUID("00000000-0000-4000-8000-000000000007")


@pytest.mark.parametrize("kind", KINDS)
def test_text_and_html_name_all_there_is_to_know(kind):
    drawn = draw(kind, CONTENTS)

    facts = [
        SHOW.name,
        SHOW.when,
        SHOW.venue,
        SHOW.organiser,
        "seat 11",
        "seat 12",
        "1,045.00 EUR",
        "2,090.00 EUR",
        LINK,
    ]
    facts += [CONTENTS.reference] + [CONTENTS.until] * (kind == "needs_buyer")
    for form in (drawn.text, drawn.html):
        assert [fact for fact in facts if fact not in form] == []
    assert SHOW.name in drawn.subject


def test_what_the_organiser_keeps_and_why_a_show_is_cancelled_are_told():
    refunded = draw("refunded", replace(CONTENTS, kept="90.00 EUR"))
    cancelled = draw("event_cancelled", replace(CONTENTS, reason=HOSTILE))

    assert all("keeps 90.00 EUR" in form for form in (refunded.text, refunded.html))
    assert "alert(1)" in cancelled.text
    assert "<script" not in cancelled.html
    assert not any(line.startswith("Bcc") for line in cancelled.text.splitlines())


@pytest.mark.parametrize("kind", ["tickets", "needs_buyer"])
def test_a_letter_names_the_code_and_what_it_took_off(kind):
    drawn = draw(kind, replace(CONTENTS, codes=(PriceLine("SPRING10", "10.00 EUR"),)))
    without = draw(kind, CONTENTS)

    assert all("Code SPRING10 took 10.00 EUR off these prices." in form for form in (drawn.text, drawn.html))
    assert "Code" not in without.text + without.html


@pytest.mark.parametrize("kind", ["sale_opens", "turn_near", "ticket_back"])
@pytest.mark.parametrize("until", ["19:45 UTC on 14 Mar", ""])
def test_a_letter_about_no_booking_says_where_to_go_and_how_to_end_it(kind, until):
    stop = "https://tickets.example/letters/00000000-0000-4000-8000-000000000007/stop"

    drawn = drawing.draw_notice(kind, Notice(replace(SHOW, venue=HOSTILE), LINK, stop, until))

    for form in (drawn.text, drawn.html):
        assert [fact for fact in (SHOW.name, SHOW.when, LINK, stop) if fact not in form] == []
        assert "Booking " not in form
    assert (until in drawn.text) == (kind != "turn_near" or not until)
    assert "<script" not in drawn.html
    assert not any(line.startswith("Bcc") for line in drawn.text.splitlines())


def test_a_letter_that_can_be_ended_says_so_to_mail_programs():
    envelope = Envelope(LETTER, address_of("shop@example.org"), address_of("ada@example.org"))
    drawn = draw("tickets", CONTENTS)

    asked = message(envelope, drawn, written_at=datetime(2026, 3, 1, tzinfo=UTC), stop_url="https://x.example/stop")
    booked = message(envelope, drawn, written_at=datetime(2026, 3, 1, tzinfo=UTC))

    assert asked["List-Unsubscribe"] == "<https://x.example/stop>"
    assert asked["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert booked["List-Unsubscribe"] is None


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_was_typed_becomes_markup_or_a_line_of_its_own(kind):
    hostile = Show(HOSTILE, SHOW.when, HOSTILE, HOSTILE)

    drawn = draw(kind, replace(CONTENTS, show=hostile, tickets=(TicketLine(HOSTILE, "1.00 EUR"),)))

    assert "<script" not in drawn.html
    assert not any(line.startswith(("Bcc", "x@")) for line in drawn.text.splitlines())
    assert len(drawn.subject.splitlines()) == 1
    assert not any(mark in drawn.html + drawn.text + drawn.subject for mark in ("\u202e", "\u2066", "\r"))


def test_without_escaping_a_name_would_be_markup(monkeypatch):
    """The guard's negative control."""
    environment = drawing._environment().overlay(autoescape=False)
    monkeypatch.setattr(drawing, "_environment", lambda: environment)

    drawn = draw("tickets", replace(CONTENTS, show=Show(HOSTILE, SHOW.when, SHOW.venue, SHOW.organiser)))

    assert "<script" in drawn.html


@pytest.mark.parametrize("kind", KINDS)
def test_the_html_needs_nothing_from_elsewhere_and_holds_no_secret(kind):
    html = draw(kind, CONTENTS).html

    assert not re.search(r"<(img|link|script|iframe)|url\(|@import", html)
    assert set(re.findall(r'(?:href|src)="([^"]*)"', html)) == {LINK}
    assert "prefers-color-scheme: dark" in html
    # What a client that drops the style element still has.
    assert html.count("style=") > 15


def test_the_text_has_no_line_that_a_mail_program_would_break():
    assert max(map(len, draw("needs_buyer", CONTENTS).text.splitlines())) <= 78


@pytest.mark.parametrize(("declined", "word"), [(True, "declined"), (False, "bank wants you to confirm")])
def test_who_is_needed_is_told_why(declined, word):
    drawn = draw("needs_buyer", replace(CONTENTS, declined=declined))

    assert all(word in form.replace("\n", " ") for form in drawn_forms(drawn))


def drawn_forms(drawn):
    return (drawn.subject, drawn.text, drawn.html)


def test_what_was_free_was_not_paid():
    assert "paid" not in draw("tickets", replace(CONTENTS, free=True)).text.lower()


def test_a_long_name_does_not_make_a_long_subject():
    assert len(draw("tickets", replace(CONTENTS, show=replace(SHOW, name="x" * 500))).subject) == SUBJECT_CHARACTERS_MAX


def test_a_word_that_is_missing_is_an_error_and_no_gap():
    with pytest.raises(UndefinedError):
        drawing._environment().from_string("{{ no_such_word }}").render()


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("a\r\nb", "a b"),
        ("a\u2028b\x85c\x00d", "a b c d"),
        ("\u202eabc\u200b", "abc"),
        ("👩\u200d🎤  live", "👩\u200d🎤 live"),
        ("10\u00a0000", "10\u00a0000"),
        ("日本 Å", "日本 Å"),
    ],
)
def test_a_name_is_one_line_of_what_can_be_seen(typed, told):
    assert one_line(typed) == told


# The message.


def made(kind="tickets", recipient="ada@example.org", **changes):
    envelope = Envelope(LETTER, sender_of("Onsale <tickets@onsale.example>"), address_of(recipient))
    return message(envelope, draw(kind, replace(CONTENTS, **changes)), written_at=datetime(2026, 3, 1, tzinfo=UTC))


def test_the_same_letter_is_the_same_bytes():
    assert made().as_bytes() == made().as_bytes()
    assert made()["Message-ID"] == f"<{LETTER}@onsale.example>"


def test_no_line_is_longer_than_smtp_allows_and_all_is_ascii():
    long = replace(SHOW, name="日本語" * 300, venue="x" * 2_000)

    for line in made(show=long).as_bytes().split(b"\r\n"):
        assert len(line) <= 998
        assert line.isascii()


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@@example.org",
            "a b@example.org",
            "ada@exam ple.org",
            "ada@-",
            "ada@.org",
        ),
        *(
            "a@b, c@d",
            "<ada@example.org>",
            "Ada <ada@example.org>",
            "ada@example.org\r\nBcc: x@y",
            "ada(x)@example.org",
        ),
        *(
            "ada@example.org;x@y",
            "ada@[127.0.0.1]",
            '"a"@example.org',
            "a,b@example.org",
            "é,b@example.org",
            "ada@ex_a.org",
        ),
        *("ada@example.org>x", "a" * (ADDRESS_CHARACTERS_MAX - 3) + "@b.c", "ada@\u202e.org", "ada@xn--\udcff.org"),
    ],
)
def test_what_is_no_single_address_gets_nothing(text):
    with pytest.raises(ValueError, match="e-mail address"):
        address_of(text)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ada@example.org", "ada@example.org"),
        ("o'neil+x.y_z@sub.example.org", "o'neil+x.y_z@sub.example.org"),
        ("zoë@bücher.example", "zoë@xn--bcher-kva.example"),
        ("ada@straße.example", "ada@xn--strae-oqa.example"),
        ("用户@例え.jp", "用户@xn--r8jz45g.jp"),
        ("ada@localhost", "ada@localhost"),
        ("a" * (ADDRESS_CHARACTERS_MAX - 4) + "@b.c", "a" * (ADDRESS_CHARACTERS_MAX - 4) + "@b.c"),
    ],
)
def test_an_address_is_kept_and_its_domain_written_in_ascii(text, address):
    assert address_of(text).addr_spec == address


def test_who_writes_may_have_a_name():
    assert sender_of("Onsale <t@example.org>") == Address(display_name="Onsale", addr_spec="t@example.org")
    assert str(sender_of("Kasse Süd <t@example.org>")) == "Kasse Süd <t@example.org>"
    assert sender_of("t@example.org").display_name == ""
