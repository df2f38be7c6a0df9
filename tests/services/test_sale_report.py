"""A sale report: anyone can check it with one file, and one byte changed anywhere in it is found."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys

import orjson
import pytest
from click.testing import CliRunner

from onsale.cli import main
from onsale.db import catalogue, clock
from onsale.db.engine import reading
from onsale.report import files, verify_report
from onsale.report.signing import report_key
from onsale.report.verify_report import Different, check
from onsale.report.writing import About
from onsale.workers import chaining
from tests.services.small_sale import verified


def a_report(sale, folder):
    """The log's path."""
    while chaining.chain(sale.engine, lines_max=9):
        pass
    with reading(sale.engine) as connection:
        event = catalogue.event_by_id(connection, sale.event_id)
        at = clock.now(connection)
    about = About(event, verified(sale.shop, sale.event_id, agree_seconds=0.0), at, report_key(sale.shop.config))
    return files.write(sale.engine, about, folder, told=lambda *_: None)


@pytest.fixture
def reported(sale, tmp_path):
    """Writes the report of the small sale; the log's path."""
    return lambda: a_report(sale, tmp_path / "out")


def run_by_a_stranger(folder, *arguments):
    """In a folder of its own with Python alone: no package of ours can be imported there."""
    command = [sys.executable, "-I", "-S", str(folder / files.VERIFIER), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, env={})


def test_a_stranger_checks_it_with_one_file(sale, reported):
    made = reported()
    key = report_key(sale.shop.config).public

    done = run_by_a_stranger(made.parent, made.name, "--key", key)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "OK" in done.stdout
    assert "tickets_sold: 4" in done.stdout
    assert "captured_minor: {'eur': 18000}" in done.stdout


def test_of_a_sale_over_http_every_booking_with_tickets_is_shown_to_have_been_called(http_sale, tmp_path):
    found = check(a_report(http_sale, tmp_path).read_bytes())

    # The third came too late for a seat.
    assert (found.called, found.given) == (2, 2)


def test_a_booking_that_was_queued_before_its_turn_is_found_in_a_report(sale, reported):
    sale.damage("UPDATE admission_log SET at = at + interval '9 minutes' WHERE event_id = :event_id AND first >= 4")

    with pytest.raises(Different, match="queued under number 4, which was called later"):
        check(reported().read_bytes())


def read_by_nobody(folder, *arguments):
    """Into a pipe that its reader has closed already, as `head` does when it has what it wanted."""
    ours, theirs = os.pipe()
    os.close(ours)
    command = [sys.executable, "-I", "-S", str(folder / files.VERIFIER), *arguments]
    try:
        return subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=60, env={})
    finally:
        os.close(theirs)


@pytest.mark.parametrize(("damaged", "code"), [(False, 0), (True, 1)])
def test_who_reads_no_further_changes_no_verdict(reported, damaged, code):
    made = reported()
    if damaged:
        made.write_bytes(made.read_bytes().replace(b"18000", b"18001", 1))

    done = read_by_nobody(made.parent, str(made), "--find", "held")

    assert (done.returncode, done.stderr) == (code, "")


def test_a_file_that_is_not_there_is_no_difference(reported):
    done = run_by_a_stranger(reported().parent, "other.jsonl")

    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2,
        "verify_report.py: error: other.jsonl cannot be read: No such file or directory",
    )


def test_what_a_terminal_cannot_show_does_not_end_the_check(reported):
    made = reported()
    named = made.rename(made.with_name("r\xe9port.jsonl"))
    on_ascii = (
        "import runpy, sys; sys.stdout.reconfigure(encoding='ascii'); sys.argv = sys.argv[1:];"
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )

    command = [sys.executable, "-I", "-S", "-X", "utf8", "-c", on_ascii, str(made.parent / files.VERIFIER), str(named)]
    done = subprocess.run(command, capture_output=True, timeout=60, env={}, check=False)

    assert (done.returncode, done.stderr) == (0, b"")
    assert rb"r\xe9port.jsonl" in done.stdout


@pytest.fixture
def command(settings, simulator, monkeypatch):
    """Runs `onsale ...` with the settings of this test's parts."""

    def run(*arguments, **more):
        for name, value in {**settings, "ONSALE_STRIPE_API_BASE": simulator, **more}.items():
            monkeypatch.setenv(name, value)
        return CliRunner().invoke(main, [str(each) for each in arguments])

    return run


def test_the_command_chains_what_is_left_and_writes_log_page_and_program(sale, command, tmp_path):
    done = command("report", sale.event_id, "--out", tmp_path / "out")

    assert done.exit_code == 0, done.output
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        f"sale-report-{sale.event_id}.html",
        f"sale-report-{sale.event_id}.jsonl",
        "verify_report.py",
    ]
    key = command("report-key").output.strip()
    assert run_by_a_stranger(tmp_path / "out", f"sale-report-{sale.event_id}.jsonl", "--key", key).returncode == 0


def test_what_does_not_hold_is_in_the_report_and_ends_the_command_with_1(sale, command, tmp_path):
    sale.damage("UPDATE captures SET amount_minor = 1 WHERE booking_id = :paid")

    done = command("report", sale.event_id, "--out", tmp_path)

    assert done.exit_code == 1
    assert "broken: I2" in done.output
    assert "Something did not hold" in (tmp_path / f"sale-report-{sale.event_id}.html").read_text()


def test_without_a_key_the_command_says_what_to_do_and_makes_one_when_asked(sale, command, tmp_path):
    refused = command("report", sale.event_id, "--out", tmp_path, ONSALE_REPORT_KEY="")
    made = command("report-key", "--new", ONSALE_REPORT_KEY="")

    assert refused.exit_code == 1
    assert "onsale report-key --new" in refused.output
    assert re.fullmatch("ONSALE_REPORT_KEY=[0-9a-f]{64}\n", made.output)


def test_another_key_is_not_the_shops(sale, reported):
    made = reported()

    done = run_by_a_stranger(made.parent, made.name, "--key", "00" * 32)

    assert done.returncode == 1
    assert "not with the one you gave" in done.stdout


def test_one_byte_changed_anywhere_is_found(reported):
    raw = reported().read_bytes()
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    signature_from = raw.rindex(b"\n", 0, -1) + 1
    places = {0, len(raw) - 1, len(raw) - 2, *chance.sample(range(len(raw)), 150)}
    # The last line cannot sign itself.
    places |= set(chance.sample(range(signature_from, len(raw)), 60))
    for place in sorted(places):
        other = chance.choice([byte for byte in range(256) if byte != raw[place]])
        changed = raw[:place] + bytes([other]) + raw[place + 1 :]
        with pytest.raises(Different):
            check(changed)


@pytest.mark.parametrize("cut", ["the end", "a line", "a batch", "two lines swapped", "a line twice"])
def test_what_is_left_out_or_moved_is_found(reported, cut):
    lines = reported().read_bytes().splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if b'"t":"batch"' in line]
    changed = {
        "the end": lines[:-1],
        "a line": lines[:3] + lines[4:],
        "a batch": lines[: ends[0] + 1] + lines[ends[1] + 1 :],
        "two lines swapped": [*lines[:2], lines[3], lines[2], *lines[4:]],
        "a line twice": [*lines[:3], lines[2], *lines[3:]],
    }[cut]

    with pytest.raises(Different):
        check(b"".join(changed))


def test_it_is_said_where_the_first_difference_is(reported):
    lines = reported().read_bytes().splitlines(keepends=True)
    ends = [number for number, line in enumerate(lines) if b'"t":"batch"' in line]
    third = ends[1] + 3
    lines[third] = lines[third].replace(b'"at":"20', b'"at":"19')

    with pytest.raises(
        Different, match=rf"batch 3 \(line {ends[2] + 1} of the file\): line \d+ .*line {third + 1} of the file"
    ):
        check(b"".join(lines))


def test_nobody_is_named_in_it(sale, reported):
    text = reported().read_bytes()

    with sale.engine.connect() as connection:
        ids = connection.exec_driver_sql("SELECT id::text FROM bookings UNION SELECT buyer_id::text FROM bookings")
        named = [each for each in ids.scalars() if each.encode() in text]
    assert named == []


def test_a_page_for_people_is_beside_it(reported):
    page = reported().with_suffix(".html").read_text()

    assert "What was checked holds" in page
    assert "180.00 EUR" in page
    assert "<script" not in page


def resigned(config, lines, change):
    """The report as a shop would sign it that changes its log and chains it anew."""
    key, previous, pending, made = report_key(config), "0" * 64, [], []
    for raw in lines[:-2]:
        line = orjson.loads(raw)
        if line["t"] == "batch":
            marks = [verify_report.hashlib.sha256(each).hexdigest()[:8] for each in pending]
            head = {**line, "previous": previous, "marks": "".join(marks)}
            del head["hash"]
            hashed = verify_report.hashlib.sha256(
                b"".join(each + b"\n" for each in [verify_report.canonical(head), *pending])
            )
            previous = hashed.hexdigest()
            made.append(verify_report.canonical({**head, "hash": previous}))
            pending = []
            continue
        changed = verify_report.canonical(change(line))
        made.append(changed)
        if line["t"] != "header":
            pending.append(changed)
    made.append(verify_report.canonical({**orjson.loads(lines[-2]), "head": previous}))
    body = b"".join(each + b"\n" for each in made)
    digest = verify_report.hashlib.sha256(body).hexdigest()
    signed = {"t": "signature", "algorithm": "Ed25519", "key": key.public}
    signed["signature"] = key.sign(f"{verify_report.FORMAT}\n{digest}".encode())
    return body + verify_report.canonical(signed) + b"\n"


def of_kind(kind, change, nth=0):
    """Changes the nth line of a kind."""
    seen = []

    def changing(line):
        if kind(line):
            seen.append(line)
            if len(seen) == nth + 1:
                return {**line, **change(line)}
        return line

    return changing


LIES = {
    "a price that was not the price": (
        of_kind(lambda line: line["t"] == "capture", lambda line: {"amount_minor": 1}),
        "not the price",
    ),
    "a number called twice": (
        of_kind(lambda line: line["t"] == "run", lambda line: {"first": 1, "last": 1}, 2),
        "were called after",
    ),
    "a crowd let in at once": (
        of_kind(lambda line: line["t"] == "run", lambda line: {"admitted": 5000, "last": line["first"] + 4999}, 6),
        "the rate allowed",
    ),
    "people let in whom nobody counted": (
        of_kind(lambda line: line["t"] == "run", lambda line: {"admitted": 0}),
        "called, not passed over",
    ),
    "a price that is not the tickets'": (
        of_kind(lambda line: line.get("to") == "held", lambda line: {"amount_minor": 10 * line["amount_minor"]}),
        "not what its tickets cost",
    ),
    "a hold of no tickets": (
        of_kind(lambda line: line.get("to") == "held", lambda line: {"tickets": []}),
        "none is named",
    ),
    "a decision that does not say in which batch": (
        of_kind(lambda line: line.get("to") == "held", lambda line: {"batch": None}),
        "'batch' is None",
    ),
    "a rate that was lower": (
        of_kind(lambda line: line["t"] == "header", lambda line: {"dials": {**line["dials"], "rate_per_minute": 0}}),
        "was set to another value",
    ),
    "a decision before its turn": (
        of_kind(lambda line: line.get("from") == "queued", lambda line: {"batch": LATER}),
        "decided before",
    ),
    "a history with a hole": (
        of_kind(lambda line: line.get("to") == "authorising", lambda line: {"from": "queued"}),
        "the booking moved from",
    ),
    "an act left out": (
        of_kind(lambda line: line["t"] == "log", lambda line: {"line": 99}),
        "is missing",
    ),
    "totals that do not add up": (
        of_kind(lambda line: line.get("to") == "expired", lambda line: {"to": "cancelled"}),
        "add up to",
    ),
}
LATER = "900000:900000:"


def in_two(lines):
    """Changes the hold of one sold booking to the tickets of another one."""
    told = [orjson.loads(each) for each in lines]
    sold = [line["booking"] for line in told if line.get("to") == "committed"]
    holds = {line["booking"]: line["tickets"] for line in told if "tickets" in line and line["t"] == "move"}
    return of_kind(
        lambda line: line["t"] == "move" and "tickets" in line and line["booking"] == sold[1],
        lambda line: {"tickets": holds[sold[0]]},
    )


@pytest.mark.parametrize("lie", [*LIES, "a ticket sold twice"])
def test_a_log_that_was_chained_and_signed_anew_still_has_to_make_sense(sale, reported, lie):
    lines = reported().read_bytes().splitlines()
    check(resigned(sale.shop.config, lines, lambda line: line))
    change, says = LIES.get(lie) or (in_two(lines), "was sold before")

    with pytest.raises(Different, match=says):
        check(resigned(sale.shop.config, lines, change))


def where_it_is_said(raw):
    """The lines of the file that are named when these bytes are checked."""
    with pytest.raises(Different) as found:
        check(raw)
    said = str(found.value)
    last = [raw.count(b"\n")] if "the last line of the file" in said else []
    return {int(number) for number in re.findall(r"line (\d+) of the file", said)} | set(last)


def test_the_line_of_a_changed_byte_is_named(reported):
    raw = reported().read_bytes()
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    keys = [found.start() + 1 for found in re.finditer(rb'"[a-z_]+":', raw)]
    header = range(raw.index(b"\n"))
    for place in [*header, *chance.sample(keys, 60), *chance.sample(range(len(raw)), 100)]:
        if raw[place] == ord("\n"):
            continue
        changed = raw[:place] + (b"x" if raw[place] != ord("x") else b"y") + raw[place + 1 :]

        assert raw[:place].count(b"\n") + 1 in where_it_is_said(changed), changed[place - 30 : place + 30]


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000], ids=["lists", "objects"])
@pytest.mark.parametrize("at", [0, 3, -2, -1], ids=["header", "line", "totals", "signature"])
def test_a_line_nested_too_deep_is_different(reported, at, deep):
    lines = reported().read_bytes().splitlines()
    lines[at] = deep

    assert where_it_is_said(b"\n".join([*lines, b""])) == {(at if at >= 0 else len(lines) + at) + 1}


@pytest.mark.parametrize("inside", [b"1", b'"[[{{\\"[[\\\\"'], ids=["number", "string full of brackets"])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
def test_a_line_may_be_nested_as_deep_as_is_said_and_no_deeper(opening, closing, inside):
    def nested(depth):
        return b'{"a":[' + b"[]," * 99 + opening * (depth - 2) + inside + closing * (depth - 2) + b"]}"

    assert verify_report.told(nested(verify_report.DEPTH), 1) == orjson.loads(nested(verify_report.DEPTH))
    with pytest.raises(Different, match="too deep"):
        verify_report.told(nested(verify_report.DEPTH + 1), 1)


@pytest.mark.parametrize(
    ("kind", "change"),
    [
        ("capture", {"amount_minor": "1"}),
        ("move", {"at": "yesterday"}),
        ("run", {"admitted": None}),
        ("log", {"body": []}),
        ("header", {"dials": {}}),
        ("header", {"made_at": "yesterday"}),
        ("header", {"event": {"id": "x"}}),
    ],
)
def test_a_line_that_was_chained_and_signed_with_nonsense_is_named(sale, reported, kind, change):
    lines = reported().read_bytes().splitlines()
    number = next(at for at, line in enumerate(lines, 1) if orjson.loads(line)["t"] == kind)

    changed = resigned(sale.shop.config, lines, of_kind(lambda line: line["t"] == kind, lambda _: change))

    assert number in where_it_is_said(changed)
