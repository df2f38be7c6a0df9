"""The list of a draw, checked by a stranger: each kind of change is found and named."""

from __future__ import annotations

import ast
import hmac
import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from onsale.queue.draw import draw_key, permutation
from onsale.verify import draw_list
from onsale.verify.draw_list import Draw, check

SEED = bytes(range(32))
VALUE = "8a1f27"
SIZE = 50


def a_list(**changed: object) -> list[str]:
    entries = [(number, f"{number:024x}") for number in range(1, SIZE + 1)]
    head = {
        "format": draw_list.FORMAT,
        "event_id": 7,
        "size": SIZE,
        "seed": SEED.hex(),
        "seed_hash": sha256(SEED).hexdigest(),
        "beacon_name": "round 1",
        "beacon_value": VALUE,
        "beacon_hash": sha256(VALUE.encode()).hexdigest(),
        "list_hash": draw_list.list_hash(entries),
    }
    rule = permutation(draw_key(SEED, VALUE, SIZE), SIZE)
    return [json.dumps(head | changed), *(f"{number},{name},{rule.drawn(number)}" for number, name in entries)]


def wrong(lines: list[str], **noted: object) -> list[str]:
    return [finding.what for finding in check(lines, noted)]


def test_a_list_as_it_was_drawn_is_right():
    assert wrong(a_list()) == []
    assert wrong(a_list(), seed_hash=sha256(SEED).hexdigest(), beacon=VALUE, size=SIZE) == []


def test_another_seed_is_found():
    assert wrong(a_list(seed=bytes(32).hex())) == ["seed"]
    changed = a_list(seed=bytes(32).hex(), seed_hash=sha256(bytes(32)).hexdigest())
    assert wrong(changed) == ["numbers"]
    assert wrong(changed, seed_hash=sha256(SEED).hexdigest()) == ["seed"]


def test_another_beacon_is_found():
    assert wrong(a_list(beacon_value="other")) == ["beacon"]
    changed = a_list(beacon_value="other", beacon_hash=sha256(b"other").hexdigest())
    assert wrong(changed) == ["numbers"]
    assert wrong(changed, beacon=VALUE) == ["beacon"]


@pytest.mark.parametrize(
    ("changed", "noted", "what"),
    [
        ({"beacon_name": "round 2"}, {"beacon_name": "round 1"}, "beacon"),
        ({"beacon_name": ""}, {}, "beacon"),
        ({"without_beacon": True}, {}, "beacon"),
        ({"event_id": 8}, {"event": 7}, "event"),
    ],
)
def test_another_promise_than_was_published_is_found(changed, noted, what):
    assert wrong(a_list(), **noted) == []
    assert wrong(a_list(**changed), **noted) == [what]


def test_a_beacon_that_was_named_and_has_no_value_was_said_to_be_left_out():
    nothing = {"beacon_value": "", "beacon_hash": sha256(b"").hexdigest()}

    assert "beacon" in wrong(a_list(**nothing))
    assert "beacon" not in wrong(a_list(**nothing, without_beacon=True))


def test_what_the_list_alone_cannot_prove_is_said(tmp_path: Path):
    path = tmp_path / "draw.csv"
    path.write_text("\n".join(a_list()))
    seed_hash = sha256(SEED).hexdigest()
    noted = {"event": 7, "seed_hash": seed_hash, "beacon_name": "round 1", "beacon": VALUE, "size": SIZE}

    said = draw_list.in_words(str(path), [], {})
    all_given = draw_list.in_words(str(path), [], noted)

    assert [line.split()[0] for line in said[2:]] == ["--event", "--seed-hash", "--beacon-name", "--beacon", "--size"]
    assert "round 1: as the event's page had it before anybody could join" in said[4]
    assert all_given == said[:1]


def test_another_count_is_found():
    assert "count" in wrong(a_list(size=SIZE + 1))
    assert "count" in wrong(a_list()[:-1])
    assert wrong(a_list(), size=SIZE - 1) == ["count"]


def test_another_list_is_found():
    lines = a_list()
    number, _, drawn = lines[3].split(",")

    assert wrong([*lines[:3], f"{number},{'f' * 24},{drawn}", *lines[4:]]) == ["list"]
    assert wrong(lines, list_hash="0" * 64) == ["list"]
    assert "list" in wrong([lines[0], lines[2], lines[1], *lines[3:]])


@pytest.mark.parametrize(("names", "what"), [("ab", []), ("aba", ["list"]), ("aa", ["weights"])])
def test_somebody_with_two_entries_is_found(names, what):
    entries = list(enumerate(names, start=1))
    rule = permutation(draw_key(SEED, VALUE, len(names)), len(names))
    lines = [f"{number},{name},{rule.drawn(number)}" for number, name in entries]
    head = a_list(size=len(names), list_hash=draw_list.list_hash(entries))[0]

    assert wrong([head, *lines]) == what


def test_a_number_that_was_improved_is_found_and_named():
    lines = a_list()
    number, name, drawn = lines[7].split(",")
    best = lines.index(next(line for line in lines[1:] if line.endswith(",1")))
    other_number, other_name, _ = lines[best].split(",")
    lines[7], lines[best] = f"{number},{name},1", f"{other_number},{other_name},{drawn}"

    findings = check(lines, {})

    assert [finding.what for finding in findings] == ["numbers"]
    assert "2 of 50 do not follow" in findings[0].says


@pytest.mark.parametrize("lines", [[], ["{}"], ["no json"], ["[]"], [a_list()[0], "1,2"], [a_list(seed="xyz")[0]]])
def test_what_is_no_list_is_said_to_be_none(lines):
    assert wrong(lines) == ["file"]


def drawn_by(beacon: object, size: object, **said: object) -> list[str]:
    """A list whose every number follows from this beacon and this size, as they are written."""
    rule = Draw(SEED, str(beacon), SIZE)
    rule._key = hmac.digest(SEED, f"onsale draw 1\n{beacon}\n{size}".encode(), "sha256")
    head, *rows = a_list(size=size, beacon_value=beacon, beacon_hash=sha256(str(beacon).encode()).hexdigest(), **said)
    names = [row.split(",")[:2] for row in rows]
    return [head, *(f"{number},{name},{rule.of(int(number))}" for number, name in names)]


def test_a_list_that_follows_from_how_its_beacon_and_size_are_written_is_right():
    assert wrong(drawn_by(VALUE, SIZE), beacon=VALUE, size=SIZE) == []
    assert wrong(drawn_by("", SIZE, beacon_name=""), beacon_name="", beacon="", size=SIZE) == []


def test_another_way_to_write_the_size_is_no_other_order():
    # 50.0 == 50, and the text of the key is another one.
    for size in (float(SIZE), str(SIZE)):
        (finding,) = check(drawn_by(VALUE, size), {"event": 7, "seed_hash": sha256(SEED).hexdigest(), "size": SIZE})
        assert (finding.what, "'size'" in finding.says) == ("file", True)


@pytest.mark.parametrize("nothing", [None, 0, [], False, {}, 0.0])
def test_another_way_to_say_that_there_is_no_beacon_is_no_other_order(nothing):
    (finding,) = check(drawn_by(nothing, SIZE, beacon_name=""), {"beacon_name": "", "size": SIZE})

    assert (finding.what, "'beacon_value'" in finding.says) == ("file", True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("event_id", value) for value in (7.0, "7", True, None, 0)),
        *(("size", value) for value in (True, -1, 1 << 31, None, [SIZE], 1e400)),
        *(("seed", value) for value in (SEED.hex().upper(), SEED.hex()[2:], f" {SEED.hex()}", 0, None)),
        *((name, value) for name in ("seed_hash", "beacon_hash", "list_hash") for value in (0, None, "AB" * 32, "")),
        *((name, value) for name in ("beacon_name", "beacon_value") for value in (" a", "a\n", "\ud800", "\u0660", 1)),
        *(("without_beacon", value) for value in (0, "", None, [])),
        *(("weights", value) for value in ({}, None, "", [5, 3], [[5, 3.0]], [[5, 3], [5, 4]], [[5]], [["5", 3]])),
        ("format", "onsale draw 2"),
        ("more", 1),
    ],
)
def test_each_fact_is_written_in_one_way_and_the_one_that_is_not_is_named(name, value):
    (finding,) = check(a_list(**{name: value}), {})

    assert (finding.what, f"{name!r}" in finding.says) == ("file", True)
    assert draw_list.taken(a_list(**{name: value})[0], {}) == []


def test_a_fact_that_is_told_twice_is_refused():
    head, *rows = a_list()

    (finding,) = check([head.replace("{", '{"size": 7, ', 1), *rows], {})

    assert (finding.what, "twice" in finding.says) == ("file", True)


@pytest.mark.parametrize("number", ["+1", "01", "1_0", "\u0661", "", "1" * 5_000])
def test_a_number_is_written_in_one_way(number):
    head, row, *rows = a_list()
    _, name, drawn = row.split(",")

    assert wrong([head, f"{number},{name},{drawn}", *rows]) == ["file"]
    assert wrong([head, f"1,{name},{number}", *rows]) == ["file"]


@pytest.mark.parametrize("size", [1, 2, 257, 10_000])
def test_the_verifier_and_the_queue_agree(size):
    theirs, ours = Draw(SEED, VALUE, size), permutation(draw_key(SEED, VALUE, size), size)

    assert all(theirs.of(number) == ours.drawn(number) for number in range(1, size + 1))


def test_the_verifier_needs_nothing_but_itself(tmp_path: Path):
    # Its own copy of the rule is on purpose: a check that imports what it checks tells a stranger nothing.
    source = Path(draw_list.__file__).read_text(encoding="utf-8")
    file, module = tmp_path / "draw.csv", tmp_path / "check.py"
    file.write_text("\n".join(a_list()), encoding="utf-8")
    module.write_text(source, encoding="utf-8")

    command = [sys.executable, "-I", str(module), str(file), "--size", str(SIZE)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stderr) == (0, "")
    imported = {
        name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [])
        + ([alias.name for alias in node.names] if isinstance(node, ast.Import) else [])
    }
    assert imported <= set(sys.stdlib_module_names)


def test_who_reads_no_further_changes_no_verdict(tmp_path):
    file, program = tmp_path / "draw.csv", Path(draw_list.__file__)
    file.write_text("\n".join(a_list()))
    ours, theirs = os.pipe()
    os.close(ours)

    done = subprocess.run(
        [sys.executable, "-I", str(program), str(file)], stdout=theirs, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(theirs)

    assert (done.returncode, done.stderr) == (0, "")
