"""What `onsale rehearse` is asked for: refused with one sentence, before anything starts, where it makes no sense."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import orjson
import pytest
from click.testing import CliRunner, Result

from onsale.sandbox.rehearsal.command import rehearse
from onsale.sandbox.rehearsal.conducting import STILL_SECONDS, Stillness, waiting_says
from onsale.sandbox.rehearsal.journal import Progress
from onsale.sandbox.rehearsal.results import can_be_compared

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SHOP = ("--url", "http://127.0.0.1:9", "--event", "1")


def asked(*typed: str) -> Result:
    """What it says to this; a rehearsal that began would say that PostgreSQL answers."""
    found = CliRunner().invoke(rehearse, typed)
    assert found.exception is None or isinstance(found.exception, SystemExit), "no traceback"
    assert "PostgreSQL" not in found.output
    return found


@pytest.mark.parametrize("option", ["--minutes", "--arrive-seconds"])
@pytest.mark.parametrize("number", ["nan", "inf", "-inf"])
def test_a_time_that_is_no_number_is_refused(option: str, number: str) -> None:
    assert asked(option, number).exit_code == 2


def test_a_share_that_is_no_number_is_refused() -> None:
    assert "a number from 0 to 1" in asked("--share", "leaves", "nan").output


@pytest.mark.parametrize(
    "typed", [("--url", ""), ("--url", " ", "--event", "1"), ("--event", ""), (*SHOP, "--url", "")]
)
def test_an_empty_address_or_event_starts_no_stack(typed: tuple[str, ...]) -> None:
    found = asked(*typed)

    assert found.exit_code == 2
    assert "is empty" in found.output


def test_what_is_for_a_running_shop_alone_is_refused_without_one(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("a.b.c\n")

    assert "--event is for a shop that runs already" in asked("--event", "1").output
    assert "--tokens is for a shop that runs already" in asked("--tokens", str(file)).output
    assert "needs --event" in asked(*SHOP[:2]).output
    assert "without --url" in asked(*SHOP, "--kill", "web@1").output
    assert "without --url" in asked(*SHOP, "--standby").output
    assert "without --url" in asked(*SHOP, "--keep", "kept").output
    assert "without --url" in asked(*SHOP, "--faults", "payments").output


SPREADS = '"admitted_to_ticket_seconds": {"p50": 1.5}, "accepted_to_held_seconds": {"p50": null}'
FIGURES = '"seconds": 3.5, "sold": null, "bookings_per_second": 2, "cpu_seconds_per_booking": null, "http_5xx": 0'
OTHER_FORMS = ["{}", f"{{{FIGURES}}}", f'{{{SPREADS}, {FIGURES}, "rate_error": "no number"}}', f"{{{SPREADS}}}"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "7", "\x00\xff", *OTHER_FORMS])
def test_something_else_than_an_earlier_result_is_refused_in_one_sentence(tmp_path: Path, text: str) -> None:
    file = tmp_path / "before.json"
    file.write_text(text, encoding="latin-1")

    found = asked("--compare", str(file))

    assert found.exit_code == 2
    assert "is not what `onsale rehearse --json` printed" in " ".join(found.output.split())


def test_what_a_rehearsal_of_this_or_an_earlier_release_printed_can_be_compared() -> None:
    earlier = Path(__file__).resolve().parents[2] / "docs" / "rehearsals" / "100000-joins.json"

    assert can_be_compared(orjson.loads(earlier.read_bytes()))
    assert can_be_compared(orjson.loads(f'{{{SPREADS}, {FIGURES}, "rate_error": 0.5}}'))


@pytest.mark.parametrize("given", [b"\x00\xff\x7fELF", b"two words\nand a b\xc3\xb6 y", b"a\x00b"])
def test_a_file_of_anything_but_tokens_is_refused_in_one_sentence(tmp_path: Path, given: bytes) -> None:
    file = tmp_path / "tokens"
    file.write_bytes(given)

    found = asked(*SHOP, "--tokens", str(file))

    assert found.exit_code == 2
    assert "wants JWTs, one a line" in found.output


@pytest.mark.parametrize("option", ["--html", "--keep"])
def test_what_cannot_be_written_is_said_before_it_starts(option: str) -> None:
    found = asked(option, "/proc/x")

    assert found.exit_code == 1
    assert "/proc/x cannot be written: " in found.output


def test_a_page_in_a_folder_that_is_not_there_is_refused_and_the_folder_is_not_made(tmp_path: Path) -> None:
    found = asked("--html", str(tmp_path / "misspelt" / "report.html"))

    assert found.exit_code == 2
    assert "no such folder" in found.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--html", "--keep"])
def test_an_option_whose_value_was_forgotten_does_not_take_the_next_one(option: str) -> None:
    found = asked(option, "--json")

    assert found.exit_code == 2
    assert "--json reads like an option" in found.output


def test_the_help_tells_how_long_minutes_are_for() -> None:
    said = " ".join(CliRunner().invoke(rehearse, ["--help"]).output.split())

    assert "So long buyers are waited for, here or with --url. What is held then still gets its time to run out" in said


class Elsewhere(BaseHTTPRequestHandler):
    """A server that is no Onsale: it answers the last word of the path."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"ok": true}')

    def log_message(self, *_: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a server that answers other JSON."""
    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_that_is_no_onsale_is_told_in_one_sentence(elsewhere: str) -> None:
    code = "from onsale.cli import main; main()"
    typed = [sys.executable, "-c", code, "rehearse", "--url", elsewhere, "--event", "1", "--buyers", "1"]

    found = subprocess.run(typed, capture_output=True, text=True, timeout=60, check=False)

    assert found.returncode == 1
    assert f"{elsewhere} does not tell how the queue of event 1 stands." in found.stderr
    assert "Traceback" not in found.stderr


def test_a_full_disk_behind_standard_output_is_one_sentence_and_exit_code_1() -> None:
    code = "import click; from onsale.printing import out; click.command()(lambda: out('x' * 99))()"

    with Path("/dev/full").open("w") as full:
        found = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False
        )

    assert found.returncode == 1
    assert found.stderr == "Error: Standard output could not be written: No space left on device.\n"


def progress(seconds: float, *, inside: int = 2) -> Progress:
    return Progress(seconds, 0, 62, inside, 58, 1839, 30, 27, 0, 0)


def test_when_nobody_comes_a_step_further_it_is_said_once_what_is_waited_for_and_until_when() -> None:
    still = Stillness(120.0)
    still.seen(progress(10.0), now=NOON)

    said = [still.seen(progress(10.0 + more), now=NOON) for more in (0, STILL_SECONDS - 0.1, STILL_SECONDS, 99)]

    assert said[:2] == ["", ""]
    assert "62 wait, 2 are inside. They are waited for until 12:01:30 at the latest" in said[2]
    assert said[3] == ""


def test_who_moved_in_between_is_told_of_again_only_after_as_long_again() -> None:
    still = Stillness(120.0)
    still.seen(progress(0.0), now=NOON)
    assert still.seen(progress(STILL_SECONDS), now=NOON)

    moved = still.seen(progress(30.0, inside=1), now=NOON)
    still_again = still.seen(progress(30.0 + STILL_SECONDS, inside=1), now=NOON)

    assert moved == ""
    assert "1 are inside" in still_again


def test_after_the_last_buyer_it_is_said_what_is_waited_for_and_until_when() -> None:
    said = waiting_says(3, 7, until=NOON)

    assert "3 bookings have not ended and 7 tickets are held. Waiting until 12:00:00 at the latest" in said
