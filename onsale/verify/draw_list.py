"""Checks the list of a draw: that everybody's number follows from the seed, the beacon and how many there were.

    python draw_list.py FILE [--seed-hash HEX] [--beacon VALUE] [--size N] [--list-hash HEX]
                           [--beacon-name NAME] [--event ID] [--weights 5:200,10:20]

For strangers: it needs this file and Python 3.9, nothing of Onsale, and works the rule out on its own. What you noted
yourself before the draw (from the event's page) is given as options; without them the file is only checked in itself.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

FORMAT = "onsale draw 1"
SIZE_MAX = (1 << 31) - 1
# What the first line says, each in the one way there is: the numbers follow from how a value is written, not from what
# it is equal to (1000.0 for 1000).
FACTS = {
    "format": f"the text {FORMAT!r}",
    "event_id": "a whole number from 1 on",
    "size": f"a whole number from 0 to {SIZE_MAX}",
    **dict.fromkeys(("seed", "seed_hash", "beacon_hash", "list_hash"), "a text of 64 hexadecimal digits"),
    **dict.fromkeys(("beacon_name", "beacon_value"), "a text in ASCII"),
    "without_beacon": "true or false",
    "weights": "a list of pairs of whole numbers, each weight once",
}
HEX, PLAIN = re.compile("[0-9a-f]{64}"), re.compile("([!-~]([ -~]*[!-~])?)?")
OPTIONAL = ("without_beacon", "weights")
NOBODY = "-"
# What nothing in a list binds: as an option, in the list, and in words, with who published it when.
PAGE_BEFORE = "as the event's page had it before anybody could join"
TAKEN = (
    ("event", "event_id", "the event", "as in the address of its page"),
    ("seed_hash", "seed_hash", "the seed's hash", PAGE_BEFORE),
    ("beacon_name", "beacon_name", "the beacon's name", PAGE_BEFORE),
    ("beacon", "beacon_value", "the beacon's value", "as its own source published it"),
    ("size", "size", "the count", "as the event's page had it before the beacon was published"),
)


@dataclass(frozen=True)
class Finding:
    """What is wrong: `event`, `seed`, `beacon`, `count`, `list`, `weights`, `numbers` or `file`, and in what way."""

    what: str
    says: str


def check(lines: Iterable[str], noted: Mapping[str, Any]) -> list[Finding]:
    """Everything that is wrong with a list; `noted` is what a stranger wrote down: event, seed_hash, beacon_name,
    beacon (its value), size, list_hash, weights ({how much an entry counts: of how many people at most}).

    Numbers are compared only where seed, beacon and count are whole: otherwise none of them can be right.
    """
    rows = iter(lines)
    try:
        facts = _facts(next(rows, ""))
        entries = [_entry(row) for row in rows if row.strip()]
        weights, seed = dict(facts.get("weights", ())), bytes.fromhex(facts["seed"])
    except (ValueError, RecursionError) as error:
        return [Finding("file", f"cannot be read: {error}")]
    found = [*_event(facts, noted), *_seed(facts, seed, noted), *_beacon(facts, noted), *_count(facts, entries, noted)]
    keyed = not found
    found += _list(facts, entries, noted)
    found += _weights(weights, entries, noted)
    return found + _numbers(facts, seed, entries) if keyed else found


def taken(head: str, noted: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What was believed as a list has it, because it was not noted: the option to give, and what to compare."""
    try:
        facts = _facts(head)
        told = [(name, words, facts[fact], when) for name, fact, words, when in TAKEN if noted.get(name) is None]
    except (ValueError, RecursionError):
        return []
    return [
        ("--" + name.replace("_", "-"), f"{words}, {value if value not in (None, '') else 'none'}: {when}")
        for name, words, value, when in told
    ]


def _facts(head: str) -> dict[str, Any]:
    """The first line. ValueError says what in it is not as it must be written."""
    facts = json.loads(head, object_pairs_hook=_once)
    if not isinstance(facts, dict) or any(name not in facts for name in FACTS if name not in OPTIONAL):
        raise ValueError(f"the first line is no head of an {FORMAT} list")
    for name, value in facts.items():
        if name not in FACTS:
            raise ValueError(f"the first line has {name!r}, which no {FORMAT} list has")
        if not _fits(name, value):
            raise ValueError(f"{name!r} in the first line is {json.dumps(value):.60}, where {FACTS[name]} must be")
    return facts


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    facts = dict(pairs)
    if len(facts) != len(pairs):
        raise ValueError("the first line has a name twice")
    return facts


def _fits(name: str, value: Any) -> bool:
    if name == "without_beacon":
        return type(value) is bool
    if name == "weights":
        return _is_weights(value)
    if name in ("event_id", "size"):
        return type(value) is int and (value > 0 if name == "event_id" else 0 <= value <= SIZE_MAX)
    if name == "format":
        return bool(value == FORMAT)
    pattern = PLAIN if name in ("beacon_name", "beacon_value") else HEX
    return type(value) is str and pattern.fullmatch(value) is not None


def _is_weights(value: Any) -> bool:
    if type(value) is not list or any(type(pair) is not list or len(pair) != 2 for pair in value):
        return False
    whole = all(type(number) is int and number > 0 for pair in value for number in pair)
    return whole and len({weight for weight, _ in value}) == len(value)


def _event(facts: Mapping[str, Any], noted: Mapping[str, Any]) -> Iterable[Finding]:
    if noted.get("event") not in (None, facts["event_id"]):
        yield Finding("event", f"asked for was event {noted['event']}, and the list is of event {facts['event_id']}")


def _entry(row: str) -> tuple[int, str, int]:
    number, entrant, drawn = row.strip().split(",")
    if not (_is_number(number) and _is_number(drawn)):
        raise ValueError(f"where two numbers must be is {row.strip()!r:.60}")
    return int(number), entrant, int(drawn)


def _is_number(text: str) -> bool:
    """Written in the one way there is: int() takes 1_0, +10 and other scripts' digits too."""
    return text.isascii() and text.isdigit() and len(text) <= 10 and str(int(text)) == text


def _seed(facts: Mapping[str, Any], seed: bytes, noted: Mapping[str, Any]) -> Iterable[Finding]:
    really = hashlib.sha256(seed).hexdigest()
    if really != facts["seed_hash"]:
        yield Finding("seed", f"the seed's hash is {really}, and the list says {facts['seed_hash']}")
    if noted.get("seed_hash") not in (None, facts["seed_hash"]):
        yield Finding("seed", f"announced was the hash {noted['seed_hash']}, and the list has {facts['seed_hash']}")


def _beacon(facts: Mapping[str, Any], noted: Mapping[str, Any]) -> Iterable[Finding]:
    really = hashlib.sha256(facts["beacon_value"].encode()).hexdigest()
    if really != facts["beacon_hash"]:
        yield Finding("beacon", f"the value's hash is {really}, and the list says {facts['beacon_hash']}")
    name, value, without = facts["beacon_name"], facts["beacon_value"], bool(facts.get("without_beacon"))
    if value and (without or not name):
        why = "was drawn without the beacon" if without else "named no beacon"
        yield Finding("beacon", f"the list says that it {why}, and has the value {value!r}")
    if name and not value and not without:
        yield Finding("beacon", f"the list names the beacon {name!r}, and has no value of it")
    if noted.get("beacon_name") not in (None, name):
        yield Finding("beacon", f"announced was the beacon {noted['beacon_name']!r}, and the list has {name!r}")
    if noted.get("beacon") not in (None, facts["beacon_value"]):
        yield Finding("beacon", f"published was {noted['beacon']!r}, and the list has {facts['beacon_value']!r}")


def _count(
    facts: Mapping[str, Any], entries: Sequence[tuple[int, str, int]], noted: Mapping[str, Any]
) -> list[Finding]:
    found = []
    if len(entries) != facts["size"]:
        found.append(Finding("count", f"{facts['size']} numbers were drawn, and the list has {len(entries)}"))
    if noted.get("size") not in (None, facts["size"]):
        found.append(Finding("count", f"published was a count of {noted['size']}, and the list says {facts['size']}"))
    return found


def _list(facts: Mapping[str, Any], entries: Sequence[tuple[int, str, int]], noted: Mapping[str, Any]) -> list[Finding]:
    found = []
    really = list_hash((number, entrant) for number, entrant, _ in entries)
    if really != facts["list_hash"]:
        found.append(Finding("list", f"the entries' hash is {really}, and the list says {facts['list_hash']}"))
    if noted.get("list_hash") not in (None, facts["list_hash"]):
        found.append(Finding("list", f"you noted the hash {noted['list_hash']}, and the list has {facts['list_hash']}"))
    for nth, (number, _, _) in enumerate(entries, start=1):
        if number != nth:
            found.append(Finding("list", f"where number {nth} should be is {number}"))
            break
    named = [entrant for entrant, _ in rows_of(entries)]
    if len(set(named)) != len(named):
        found.append(Finding("list", f"{len(named) - len(set(named))} entries are somebody's who has another one"))
    return found


def rows_of(entries: Sequence[tuple[int, str, int]]) -> list[tuple[str, list[int]]]:
    """Everybody in a list, with the drawn numbers of their row: the lowest is theirs, the others are nobody's."""
    found: list[tuple[str, list[int]]] = []
    before = NOBODY
    for _, entrant, drawn in entries:
        if entrant != NOBODY:
            if entrant != before:
                found.append((entrant, []))
            found[-1][1].append(drawn)
        before = entrant
    return found


def _weights(
    weights: Mapping[int, int], entries: Sequence[tuple[int, str, int]], noted: Mapping[str, Any]
) -> list[Finding]:
    """Nobody counts more than was published, nor more people than were."""
    found = []
    if noted.get("weights") not in (None, weights):
        found.append(Finding("weights", f"published were {noted['weights']}, and the list says {weights}"))
    many: dict[int, int] = {}
    for _, row in rows_of(entries):
        many[len(row)] = many.get(len(row), 0) + 1
    for weight in sorted(many):
        if weight > 1 and many[weight] > weights.get(weight, 0):
            allowed = weights.get(weight, 0)
            found.append(Finding("weights", f"{many[weight]} count {weight} times, and {allowed} at most may"))
    return found


def _numbers(facts: Mapping[str, Any], seed: bytes, entries: Sequence[tuple[int, str, int]]) -> list[Finding]:
    if not entries:
        return []
    size = facts["size"]
    drawn = Draw(seed, facts["beacon_value"], size)
    wrong = [(number, said) for number, _, said in entries if not 0 < number <= size or drawn.of(number) != said]
    if not wrong:
        return []
    number, said = wrong[0]
    right = drawn.of(number) if 0 < number <= size else "no number of this draw"
    return [
        Finding("numbers", f"{len(wrong)} of {size} do not follow; number {number} was told {said}, and is {right}")
    ]


class Draw:
    """The rule, worked out anew: docs/draw.md tells it in words."""

    def __init__(self, seed: bytes, beacon: str, size: int) -> None:
        self._key = hmac.new(seed, f"onsale draw 1\n{beacon}\n{size}".encode(), hashlib.sha256).digest()
        self._size = size
        self._bits = 4
        while 1 << 2 * self._bits < size:
            self._bits += 1
        self._known: dict[tuple[int, int], int] = {}

    def of(self, number: int) -> int:
        """What this pre-queue number is drawn as."""
        place = self._once(number - 1)
        while place >= self._size:
            place = self._once(place)
        return place + 1

    def _once(self, place: int) -> int:
        left, right = divmod(place, 1 << self._bits)
        for step in range(10):
            left, right = right, left ^ self._scrambled(step, right)
        return (left << self._bits) + right

    def _scrambled(self, step: int, right: int) -> int:
        if (step, right) not in self._known:
            text = bytes((step,)) + right.to_bytes(4, "big")
            first = hmac.new(self._key, text, hashlib.sha256).digest()[:4]
            self._known[step, right] = int.from_bytes(first, "big") % (1 << self._bits)
        return self._known[step, right]


def list_hash(entries: Iterable[tuple[int, str]]) -> str:
    """SHA-256 over the lines `number,entrant`, in order."""
    digest = hashlib.sha256()
    for number, entrant in entries:
        digest.update(f"{number},{entrant}\n".encode())
    return digest.hexdigest()


def weights_in(text: str) -> dict[int, int]:
    """Weights as they are noted: `5:200,10:20`, or `-` for none. ValueError for anything else."""
    pairs = [] if text == NOBODY else [part.split(":") for part in text.split(",")]
    return {int(weight): int(people) for weight, people in pairs}


def in_words(path: str, found: Sequence[Finding], noted: Mapping[str, Any]) -> list[str]:
    """What came of a check, for people."""
    if found:
        return [f"WRONG  {finding.what}: {finding.says}" for finding in found]
    with open(path, encoding="utf-8") as lines:
        believed = taken(next(lines, ""), noted)
    told = ["Every number follows from the seed, the beacon and the count."]
    if believed:
        told.append("The list was believed in this, which nothing in it can prove. Compare it yourself, or give it:")
    return told + [f"  {option:<14} {words}" for option, words in believed]


def main(arguments: Sequence[str]) -> int:
    """The command line; 0 when everything follows, 1 when something does not."""
    parser = argparse.ArgumentParser(description="Check everybody's number of a draw from its list.")
    parser.add_argument("file", help="as `onsale draw export` wrote it")
    parser.add_argument("--seed-hash", help="as the event's page had it before the draw")
    parser.add_argument("--beacon", help="the beacon's value, as its own source published it")
    parser.add_argument("--size", type=int, help="how many numbers were drawn, as the event's page has it")
    parser.add_argument("--list-hash", help="of a list you were given before")
    parser.add_argument("--weights", type=weights_in, help="as the event's page had them: 5:200,10:20; none: -")
    parser.add_argument("--beacon-name", help='as the event\'s page had it before anybody could join; "" for none')
    parser.add_argument("--event", type=int, help="the event's number, as in the address of its page")
    noted = vars(parser.parse_args(arguments))
    with open(noted["file"], encoding="utf-8") as lines:
        found = check(lines, noted)
    tell(in_words(noted["file"], found, noted))
    return 1 if found else 0


def tell(lines: Sequence[str]) -> None:
    """Say it to whoever reads; who has read enough (`| head -1`) is no error, and changes no verdict."""
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:
        # Else Python would try again at its end, say so, and end with a code of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
