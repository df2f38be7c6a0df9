"""Checks a sale report of Onsale: python3 verify_report.py REPORT [--key KEY] [--find PSEUDONYM].

One file that needs Python 3.10 and nothing else; docs/sale-report.md says what it checks. It shares no code with the
shop: what it works out, it works out from the report alone. Exits with 1 at any difference, and says where it is;
with 2 where there is no file to check.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import json
import os
import sys
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from itertools import accumulate, pairwise, zip_longest
from pathlib import Path
from typing import Any

FORMAT = "onsale-sale-report/1"
MARK_CHARACTERS = 8
# A shop nests a few deep. What is deeper is not parsed: parser and garbage collector of Python share one stack.
DEPTH = 32
# The shop's clocks may differ by this much, and a changed rate takes this long to be in force, in microseconds.
SKEW_US, EFFECT_US, BURST_US, TURN = 1_000_000, 10_000_000, 2_000_000, 60_000_000
DIALS = ("rate_per_minute", "phase", "opens_at")
# What each kind of line has at least, and of which type.
FIELDS: dict[str, dict[str, type]] = {
    "header": {"format": str, "event": dict, "dials": dict, "made_at": str},
    "batch": {"batch": int, "event": int, "first": int, "last": int, "hash": str, "marks": str, "previous": str},
    "move": {"n": int, "at": str, "booking": str, "version": int, "from": str, "to": str},
    "capture": {"n": int, "at": str, "booking": str, "amount_minor": int, "currency": str},
    "refund": {"n": int, "at": str, "refund": str, "booking": str, "state": str, "reason": str, "currency": str}
    | {"amount_minor": int, "kept_minor": int, "tickets": list},
    "run": {"n": int, "at": str, "run": int, "admitted": int, "first": int, "last": int, "passed": list}
    | {"return_first": int, "return_last": int},
    "log": {"n": int, "at": str, "line": int, "kind": str, "body": dict},
    "totals": {"head": str, "sale": dict, "verify": dict},
}
# What a move from `queued` to `held` says besides.
HELD = {"batch": str, "decided_at": str, "tickets": list, "amount_minor": int, "currency": str}
# Money that was taken has its tickets within this time, or goes back; a report is written down within it.
SETTLE_US = 3_600_000_000
# What all that is told of a refund says alike, and how far one may be.
REFUND = ("booking", "reason", "currency", "amount_minor", "kept_minor", "tickets")
SUMS = ("amount_minor", "kept_minor")
REFUND_STATES = {"requested", "sent", "succeeded", "failed"}
# What a draw does once, after what; once its entries are closed nothing else about it may change.
CLOSED = "draw_entries_closed"
DRAWN_AFTER = {CLOSED: "draw_announced", "draw_beacon": CLOSED, "draw_held": CLOSED}
Line = dict[str, Any]
Point = tuple[int, int, int, int]
Steps = list[tuple[int, int]]


class Different(Exception):
    """Something is not as it must be; says what, and where."""


class Told(Line):
    """What stands in a line of the file, and in which: whoever asks it for what it has not got is told where."""

    def __init__(self, found: Line, at: int) -> None:
        super().__init__(found)
        self.at = at

    def __missing__(self, name: str) -> Any:
        raise Different(f"line {self.at} of the file has no {name!r} where one must be")


@dataclass
class Report:
    """What the lines of the file say, each with the number of its line."""

    header: Line
    totals: Told = field(default_factory=lambda: Told({}, 0))
    moves: dict[str, dict[int, Line]] = field(default_factory=lambda: defaultdict(dict))
    captures: list[Line] = field(default_factory=list)
    refunds: dict[str, list[Line]] = field(default_factory=lambda: defaultdict(list))
    runs: dict[int, Line] = field(default_factory=dict)
    log: list[Line] = field(default_factory=list)
    # When which ticket of which booking went back on sale.
    back: dict[tuple[str, int], int] = field(default_factory=dict)
    batches: int = 0
    lines: int = 0
    given: int = 0
    called: int = 0
    head: str = "0" * 64


def check(raw: bytes, *, key: str | None = None) -> Report:
    """Everything the file can be held to. Raises Different at the first difference."""
    lines = raw.split(b"\n")
    if len(lines) < 4 or lines.pop() != b"":
        raise Different("the file is cut off: it must end with a signature and a newline")
    try:
        report = read_chain(lines)
        for rule in (histories, bills, money, paid, returns, tickets, order, admissions, turns, draw, totals):
            rule(report)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        where = looked_at(error)
        raise Different(f"{where} does not say what it must: {type(error).__name__} {error}") from None
    check_signature(raw, lines[-1], key)
    return report


def looked_at(error: BaseException) -> str:
    """The line that was looked at last before this."""
    trace, at = error.__traceback__, 0
    while trace:
        held = [each.at for each in trace.tb_frame.f_locals.values() if isinstance(each, Told)]
        trace, at = trace.tb_next, max(held, default=at)
    return f"line {at} of the file, or one that it is compared with," if at else "a line"


def told(raw: bytes, number: int) -> Told:
    try:
        document = json.loads(raw, object_hook=lambda found: Told(found, number)) if depth(raw) <= DEPTH else None
    except ValueError:
        document = None
    if not isinstance(document, Told):
        raise Different(f"line {number} of the file is no JSON object (or one too deep to be read)")
    return document


def depth(raw: bytes) -> int:
    """How deep the brackets of this JSON are nested, or no less than that; those within strings do not count."""
    brackets = raw.count(b"[") + raw.count(b"{")
    if brackets <= DEPTH:
        return brackets
    plain = b"".join(raw.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2])
    return max(accumulate((byte in b"[{") - (byte in b"]}") for byte in plain), default=0)


def shaped(line: Line, kind: str, at: int) -> None:
    """A line of this kind has what the kind has."""
    if line.get("t") != kind:
        raise Different(f"line {at} of the file says it is {line.get('t')!r}, where {kind!r} must be")
    typed(line, FIELDS[kind], at)
    name = "made_at" if kind == "header" else "at"
    try:
        micros(line.get(name, "1970-01-01T00:00:00Z"))
    except (AttributeError, TypeError, ValueError):
        raise Different(f"line {at} of the file: {name!r} is {line[name]!r:.60}, which is no time") from None


def typed(line: Line, fields: dict[str, type], at: int) -> None:
    """A line has these fields, each of its type."""
    for name, wanted in fields.items():
        if type(line[name]) not in (wanted, Told if wanted is dict else wanted):
            raise Different(f"line {at} of the file: {name!r} is {line[name]!r:.60}, which is no {wanted.__name__}")


def canonical(document: Line) -> bytes:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def read_chain(lines: list[bytes]) -> Report:
    """Header, lines and batches, totals: each batch's hash is over its head and its lines."""
    report, pending = Report(told(lines[0], 1)), list[tuple[int, bytes, Line]]()
    if report.header.get("format") != FORMAT:
        raise Different(f"line 1 of the file: this is no {FORMAT}")
    shaped(report.header, "header", 1)
    dials = report.header["dials"]
    try:
        micros(dials["opens_at"]), int(dials["rate_per_minute"]), str(dials["phase"]), int(report.header["event"]["id"])
    except (AttributeError, TypeError, ValueError):
        raise Different("line 1 of the file: the dials or the event's id are not what such things are") from None
    for number, raw in enumerate(lines[1:-2], start=2):
        line = told(raw, number)
        if line.get("t") not in FIELDS:
            raise Different(f"line {number} of the file: {line.get('t')!r} is no kind of line")
        if line["t"] == "batch":
            shaped(line, "batch", number)
            close_batch(report, line, raw, pending, number)
            pending = []
        else:
            pending.append((number, raw, line))
    if pending:
        raise Different(f"line {pending[0][0]} of the file is in no batch")
    report.totals = told(lines[-2], len(lines) - 1)
    shaped(report.totals, "totals", len(lines) - 1)
    if report.totals["head"] != report.head:
        raise Different(f"line {len(lines) - 1} of the file: the chain ends with {report.head}, the totals say another")
    return report


def close_batch(report: Report, batch: Line, raw: bytes, pending: list[tuple[int, bytes, Line]], number: int) -> None:
    where, event = f"batch {batch['batch']} (line {number} of the file)", report.header["event"]["id"]
    report.batches += 1
    if batch["event"] != event:
        raise Different(f"{where} is of event {batch['event']}, the header (line 1 of the file) of event {event}")
    if batch["batch"] != report.batches or canonical(batch) != raw:
        raise Different(f"{where}: batch {report.batches} of event {event} was to come")
    if batch["previous"] != report.head:
        raise Different(f"{where} does not name the batch before it")
    for index, (at, line_raw, line) in enumerate(pending):
        position, mark = report.lines + 1 + index, hashlib.sha256(line_raw).hexdigest()[:MARK_CHARACTERS]
        if line.get("n") != position or batch["marks"][index * MARK_CHARACTERS :][:MARK_CHARACTERS] != mark:
            raise Different(f"{where}: line {position} of the log (line {at} of the file) is not what was chained")
    if (batch["first"], batch["last"]) != (report.lines + 1, report.lines + len(pending)):
        raise Different(f"{where} says it has lines {batch['first']} to {batch['last']}, which it has not")
    head = canonical({name: value for name, value in batch.items() if name != "hash"})
    hashed = hashlib.sha256(b"".join(each + b"\n" for each in [head, *(raw for _, raw, _ in pending)])).hexdigest()
    if hashed != batch["hash"]:
        raise Different(f"{where}: the hash is {hashed}, the batch says {batch['hash']}")
    report.head, report.lines = hashed, batch["last"]
    for each in pending:
        sort_in(report, each[2], each[0])


def sort_in(report: Report, line: Line, at: int) -> None:
    line["file line"], kind = at, line["t"]
    if "unreadable" in line or kind not in ("move", "capture", "refund", "run", "log"):
        raise Different(f"{place(line)} cannot be read: {kind}")
    shaped(line, kind, at)
    if kind == "move":
        if (line["from"], line["to"]) == ("queued", "held"):
            typed(line, HELD, at)
        report.moves[line["booking"]][line["version"]] = line
    elif kind == "run":
        report.runs[line["run"]] = line
    else:
        refund = report.refunds[line["refund"]] if kind == "refund" else []
        {"refund": refund, "capture": report.captures, "log": report.log}[kind].append(line)


def place(line: Line) -> str:
    return f"line {line['n']} of the log (line {line['file line']} of the file)"


def histories(report: Report) -> None:
    """Every booking's moves are whole: from `new` on, each begins where the one before ended; so is the log of acts."""
    for moves in report.moves.values():
        state = "new"
        for version, (seen, line) in enumerate(sorted(moves.items()), start=1):
            if seen != version or line["from"] != state:
                raise Different(f"{place(line)}: the booking moved from {line['from']}, and was {state}")
            state = line["to"]
    for seq, line in enumerate(sorted(report.log, key=lambda each: each["line"]), start=1):
        if line["line"] != seq:
            raise Different(f"{place(line)}: line {seq} of what was done to the sale is missing")


def held(moves: dict[int, Line]) -> Line:
    return next((line for line in moves.values() if line["from"] == "queued" and line["to"] == "held"), {})


def bills(report: Report) -> None:
    """A hold has tickets, and costs what they cost, with the fees and the tax that it names."""
    within = may_be_within(report)
    for moves in report.moves.values():
        line = held(moves)
        if not line:
            continue
        if not line["tickets"]:
            raise Different(f"{place(line)}: tickets were held, and none is named")
        whole = [number for each in line["tickets"] for number in each]
        whole += [line.get("fees_minor") or 0, line.get("taxes_minor") or 0]
        # Another way to write a ticket's number would make it another ticket.
        if any(type(number) is not int or number < 0 for number in whole):
            raise Different(f"{place(line)}: tickets, prices, fees and tax are whole numbers from 0 on")
        more = line["amount_minor"] - sum(price for _, price in line["tickets"]) - (line.get("fees_minor") or 0)
        # Tax is on top of the prices or within them, and so is a ticket's fee: how much of the fees, no line tells.
        least = -(line.get("fees_minor") or 0) if within else 0
        if not any(least <= more - tax <= 0 for tax in (0, line.get("taxes_minor") or 0)):
            raise Different(f"{place(line)}: {line['amount_minor']} is not what its tickets cost, but {more} more")


def may_be_within(report: Report) -> bool:
    """Whether fees were within the prices at any time: the log tells, unless terms are as the event was made with."""
    changed = [line["body"] for line in report.log if line["kind"] == "price_terms_changed"]
    return not changed or any(terms.get("ticket_fee_included") for body in changed for terms in body.values())


def paid(report: Report) -> None:
    """Who has tickets for money paid, and who paid was given tickets: for money alone there is no refund."""
    taken, made = {line["booking"]: line for line in report.captures}, micros(report.header["made_at"])
    for booking, moves in report.moves.items():
        reached = {line["to"]: line for line in moves.values()}
        if "confirmed" in reached and held(moves).get("amount_minor") and booking not in taken:
            raise Different(f"{place(reached['confirmed'])}: the booking is confirmed, and no money was taken")
    for booking, line in taken.items():
        nothing = all(each["to"] != "committed" for each in report.moves[booking].values())
        if nothing and micros(line["at"]) < made - SETTLE_US:
            raise Different(f"{place(line)}: money was taken for no tickets")
        if micros(line["at"]) > made + SETTLE_US:
            raise Different(f"{place(line)}: money was taken after the report was made")


def money(report: Report) -> None:
    """What was taken is the price at the hold, once."""
    seen = set[str]()
    for line in report.captures:
        price = held(report.moves.get(line["booking"], {}))
        if line["booking"] in seen:
            raise Different(f"{place(line)}: money was taken twice for one booking")
        if (line["amount_minor"], line["currency"]) != (price.get("amount_minor"), price.get("currency")):
            raise Different(f"{place(line)}: what was taken is not the price, {price.get('amount_minor')}")
        seen.add(line["booking"])


def returns(report: Report) -> None:
    """Tickets go back when their booking moves to `refunding`, each once, for what was paid for them.

    That they are on sale again does not wait for the bank: a refund that fails gives them back like any other.
    """
    asked = defaultdict[str, list[list[Line]]](list)
    for steps in report.refunds.values():
        told_alike(steps)
        asked[steps[0]["booking"]].append(steps)
    taken, rules = {line["booking"]: line["amount_minor"] for line in report.captures}, rules_set(report)
    for booking in dict.fromkeys([*report.moves, *asked]):
        moves = [line for _, line in sorted(report.moves.get(booking, {}).items())]
        going = [line for line in moves if line["to"] == "refunding"]
        refunds, hold = asked.get(booking, []), held(report.moves.get(booking, {}))
        own, left = dict(hold.get("tickets", ())), taken.get(booking, 0)
        for move, steps in zip_longest(going, refunds):
            # Both are written at once; a log may end between the two.
            if not (move and steps) and not_lately(report, move or steps[0]):
                raise Different(f"{place(move or steps[0])}: a refund and a booking on its way back belong together")
            if steps:
                left -= priced(steps[0], hold, own, left)
                kept_by(rules, steps[0], hold, own)
            for ticket in steps[0]["tickets"] if steps else ():
                del own[ticket]
                if move:
                    report.back[booking, ticket] = micros(move["at"])
        said_back(report, [line for line in moves if line["from"] == "refunding"], refunds)


def not_lately(report: Report, line: Line) -> bool:
    return micros(line["at"]) < micros(report.header["made_at"]) - SETTLE_US


def told_alike(steps: list[Line]) -> None:
    """Whatever becomes of a refund, it is of the same tickets and the same money; and it was asked for."""
    for line in steps:
        if line["state"] not in REFUND_STATES or any(line[name] != steps[0][name] for name in REFUND):
            raise Different(f"{place(line)}: the refund is {line['state']}, or was told otherwise before")
        if any(type(number) is not int or number < 0 for number in (*line["tickets"], *(line[each] for each in SUMS))):
            raise Different(f"{place(line)}: tickets and money given back are whole numbers from 0 on")
    if all(line["state"] != "requested" for line in steps):
        raise Different(f"{place(steps[0])}: nobody asked for this refund")


def priced(line: Line, hold: Line, own: dict[int, int], left: int) -> int:
    """What is given back and kept is what was paid for these tickets; for the last ones, all that is left of it."""
    back, worth = set(line["tickets"]), line["amount_minor"] + line["kept_minor"]
    if not back or len(back) != len(line["tickets"]) or not back <= own.keys():
        raise Different(f"{place(line)}: tickets are given back that the booking has not, or not any more")
    least = sum(own[ticket] for ticket in back)
    lowest, highest = min(left, least), min(left, least + added(hold))
    if back == own.keys():
        lowest = highest = left
    if not lowest <= worth <= highest or line["currency"] != hold["currency"]:
        paid_for = f"{lowest} to {highest} {hold['currency']}"
        raise Different(f"{place(line)}: {worth} is given back or kept of tickets for which {paid_for} was paid")
    return int(worth)


def added(hold: Line) -> int:
    """What fees and tax add to the prices of a booking, at most."""
    return (hold.get("fees_minor") or 0) + (hold.get("taxes_minor") or 0)


def rules_set(report: Report) -> list[tuple[int, Line | None]]:
    """From when on the organiser kept how much of a ticket that is given back; None: nothing, and so once cancelled."""
    rules: list[tuple[int, Line | None]] = []
    for line in sorted(report.log, key=lambda each: each["line"]):
        if line["kind"] == "refund_rules_changed":
            rules += [] if rules else [(-(2**63), line["body"]["from"])]
            rules.append((micros(line["at"]), line["body"]["to"]))
        elif line["kind"] == "event_cancelled":
            return [*rules, (micros(line["at"]), None)]
    return rules


def kept_by(rules: list[tuple[int, Line | None]], line: Line, hold: Line, own: dict[int, int]) -> None:
    """No more is kept than by the rules in force when the refund was asked for; nothing of a cancelled event."""
    at, most = micros(line["at"]), 0
    for (since, rule), (until, _) in pairwise([*rules, (2**63, None)]):
        if rule and since - EFFECT_US <= at <= until + EFFECT_US and line["reason"] != "event_cancelled":
            full = [own[ticket] + added(hold) for ticket in line["tickets"]]
            fixed, share = rule["fee_minor"], rule["fee_basis_points"]
            most = max(most, sum(min(price, fixed + price * share // 10_000) for price in full))
    if line["kept_minor"] > most:
        raise Different(f"{place(line)}: {line['kept_minor']} is kept, and the organiser's rules allow {most}")


def said_back(report: Report, moves: list[Line], refunds: list[list[Line]]) -> None:
    """A booking goes on from `refunding` when all the money is back that was asked for until then."""
    for nth, move in enumerate(moves, start=1):
        until = micros(move["at"]) + SKEW_US
        for steps in refunds[:nth]:
            done = any(line["state"] == "succeeded" and micros(line["at"]) <= until for line in steps)
            if not done and not_lately(report, move):
                raise Different(f"{place(move)}: the money was said to be given back, and was not")


def tickets(report: Report) -> None:
    """A ticket is sold to one booking at a time: from its commit until it is given back."""
    sold: dict[int, list[tuple[int, Line, int | None]]] = defaultdict(list)
    for booking, moves in report.moves.items():
        for line in moves.values():
            if line["to"] == "committed":
                for ticket, _ in held(moves)["tickets"]:
                    sold[ticket].append((micros(line["at"]), line, report.back.get((booking, ticket))))
    for ticket, sales in sold.items():
        sales.sort(key=lambda each: each[0])
        for (_, _, returned), (at, line, _) in pairwise(sales):
            if returned is None or returned > at + SKEW_US:
                raise Different(f"{place(line)}: ticket {ticket} is sold, and was sold before")


def micros(text: str) -> int:
    since = datetime.fromisoformat(text.replace("Z", "+00:00")) - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def sees(snapshot: str, xid: int) -> bool:
    low, high, running = snapshot.split(":")
    return xid < int(low) or (xid < int(high) and str(xid) not in running.split(","))


def order(report: Report) -> None:
    """First come, first served: no batch decided a booking while one with a lower number that it saw was undecided."""
    coming, batches = list[Line](), defaultdict[Any, list[Line]](list)
    for moves in report.moves.values():
        queued = next((line for line in moves.values() if line["to"] == "queued"), None)
        if queued is None:
            continue
        left = next((line for line in moves.values() if line["from"] == "queued"), {})
        rank = (moves[1]["number"], queued["created_at"])
        coming.append({"rank": rank, "xid": queued["queued_in"], "left": left, "line": queued})
        if "batch" in left:
            low, high, running = left["batch"].split(":")
            when = (int(high), int(low), -len(running), left["decided_at"], left["batch"])
            batches[when].append(coming[-1])
    coming.sort(key=lambda each: -int(each["xid"]))
    unseen, waiting, decided = list[Line](), list[tuple[Any, int, Line]](), set[int]()
    for when, of_batch in sorted(batches.items()):
        while coming and coming[-1]["xid"] < when[0]:
            unseen.append(coming.pop())
        for each in unseen:
            if sees(when[4], each["xid"]):
                heapq.heappush(waiting, (each["rank"], id(each), each))
        unseen = [each for each in unseen if not sees(when[4], each["xid"])]
        decided.update(id(each) for each in of_batch)
        last = max(of_batch, key=lambda each: each["rank"])
        while waiting and (waiting[0][1] in decided or waiting[0][0] < last["rank"]):
            first = heapq.heappop(waiting)[2]
            if id(first) not in decided and not left_undecided(first["left"], micros(when[3])):
                raise Different(f"{place(last['left'])}: decided before the one of {place(first['line'])}")


def left_undecided(line: Line, at: int) -> bool:
    return bool(line) and "batch" not in line and micros(line["at"]) <= at + SKEW_US


def admissions(report: Report) -> None:
    """People were let in by their numbers, and never more than the rate that was set (with a burst of two seconds)."""
    steps = rates(report)
    switched = [micros(line["at"]) for line in report.log if (line["body"].get("enabled") or {}).get("to") is True]
    before, credits, last = (0, 0), full(max(rate for _, rate in steps)), {"": 0, "return_": 0}
    # A queue that was restored or switched on goes on elsewhere: each kind of number once, when it is next called.
    may_jump = set[str]()
    for seq, run in sorted(report.runs.items()):
        at = micros(run["at"])
        if seq != before[0] + 1 or any(before[1] - EFFECT_US <= each <= at + SKEW_US for each in switched):
            may_jump.update(last)
        for kind in [kind for kind in last if run[f"{kind}last"]]:
            first, until = run[f"{kind}first"], run[f"{kind}last"]
            if first <= last[kind] or (first > last[kind] + 1 and kind not in may_jump):
                raise Different(f"{place(run)}: numbers {first} to {until} were called after {last[kind]}")
            last[kind] = max(last[kind], until)
            may_jump.discard(kind)
        called = wide(run, "") - sum(until - first + 1 for first, until in run["passed"])
        # How many returns were passed over is not written down.
        if not called <= run["admitted"] <= called + wide(run, "return_"):
            raise Different(f"{place(run)}: {run['admitted']} people were let in, and {called} called, not passed over")
        credits = filled(steps, credits, before[1], at)
        if run["admitted"] * TURN > credits + TURN // 100:
            raise Different(f"{place(run)}: {run['admitted']} people were let in, the rate allowed {credits // TURN}")
        credits, before = max(0, credits - run["admitted"] * TURN), (seq, at)


def turns(report: Report) -> None:
    """Nobody given tickets was queued before the number was called, where the lines can tell: `called` of `given`.

    Once the last ticket is sold all who booked before their turn are queued, to be told so.
    """
    acts, made = defaultdict[str, list[Line]](list), micros(report.header["made_at"])
    for act in report.log:
        acts[act["kind"]].append(act)
    recovered = [micros(line["at"]) for line in acts["queue_recovered"]]
    # Who books with a code before the opening, and whom a waiting list offers tickets, is not called.
    uncalled = min((micros(line["at"]) for line in acts["waiting_list_began"]), default=2**63) - SKEW_US
    if any(line["body"].get("kind") == "early" for line in acts["codes_made"]):
        uncalled = 0
    switched = any("enabled" in line["body"] for line in acts["queue_changed"])
    on = report.header["dials"].get("enabled") is True and not switched
    runs = {kind: [run for _, run in sorted(report.runs.items()) if run[f"{kind}last"]] for kind in ("", "return_")}
    for moves in report.moves.values():
        line = next((each for each in moves.values() if each["to"] == "queued" and held(moves)), None)
        report.given += line is not None
        if line is None or not on or not report.runs:
            continue
        at = micros(line["at"])
        if line["from"] != "waiting" and at >= uncalled:
            continue
        kind, number = ("return_", line["return_number"]) if "return_number" in line else ("", moves[1]["number"])
        run = run_of(runs[kind], kind, number)
        if run is not None and micros(run["at"]) <= at + SKEW_US:
            report.called += 1
        # What was called just before the queue was lost may be called again, or never.
        elif not lost(recovered, at, run) and (run is not None or at < made - SETTLE_US):
            when = "never" if run is None else f"later: {place(run)}"
            raise Different(f"{place(line)}: queued under {kind and 'return '}number {number}, which was called {when}")


def run_of(runs: list[Line], kind: str, number: int) -> Line | None:
    """The run that called this number."""
    at = bisect_left(runs, number, key=lambda run: int(run[f"{kind}last"]))
    return runs[at] if at < len(runs) and runs[at][f"{kind}first"] <= number else None


def lost(recovered: list[int], at: int, run: Line | None) -> bool:
    until = 2**63 if run is None else micros(run["at"]) + SKEW_US
    return any(each <= until and (run is None or each >= at - SKEW_US) for each in recovered)


def wide(run: Line, kind: str) -> int:
    return run[f"{kind}last"] - run[f"{kind}first"] + 1 if run[f"{kind}last"] else 0


def full(rate: int) -> int:
    return max(BURST_US * rate, min(2 * TURN, TURN + BURST_US * rate)) if rate > 0 else 0


def rate_at(steps: Steps, at: int) -> int:
    """The highest rate that may have been in force: a change takes a while, and clocks differ."""
    since, until = max(at - EFFECT_US, 0), at + SKEW_US
    begun = [rate for begins, rate in steps if begins <= since]
    return max([begun[-1], *(rate for begins, rate in steps if since < begins <= until)])


def filled(steps: Steps, credits: int, start: int, end: int) -> int:
    cuts = {begins + shift for begins, _ in steps for shift in (-SKEW_US, 0, EFFECT_US)}
    for begin, until in pairwise([start, *sorted(each for each in cuts if start < each < end), max(start, end)]):
        rate = rate_at(steps, begin)
        credits = min(credits + (until - begin) * rate, full(rate))
    return min(credits, full(rate_at(steps, end)))


def rates(report: Report) -> Steps:
    """From when on so many a minute could be let in, read backwards from how the dials stood at the end."""
    dials, steps, end = dict(report.header["dials"]), list[tuple[int, int]](), 2**63
    turned = [line for line in report.log if line["kind"] in ("queue_changed", "queue_opened")]
    for line in [*sorted(turned, key=lambda each: -int(each["line"])), None]:
        at, opens, rate = micros(line["at"]) if line else 0, micros(dials["opens_at"]), dials["rate_per_minute"]
        if dials["phase"] in ("scheduled", "pre_queue") and opens < end:
            steps.insert(0, (max(at, opens), rate))
        steps.insert(0, (at, rate if dials["phase"] == "open" else 0))
        end = at
        if line is not None:
            body = line["body"] if "phase" in line["body"] or line["kind"] != "queue_opened" else opened(line, turned)
            for name in [name for name in DIALS if name in body]:
                if body[name].get("to", dials[name]) != dials[name]:
                    later = f"{dials[name]}, as a later line or the header (line 1 of the file) has it"
                    raise Different(f"{place(line)}: {name} was set to another value than {later}")
                dials[name] = body[name]["from"]
    return sorted(steps, key=lambda each: each[0])


def opened(line: Line, turned: list[Line]) -> Line:
    """What a queue that opened by itself opened from; an older shop does not say: what it was set to last."""
    earlier = [each for each in turned if each["line"] < line["line"] and "phase" in each["body"]]
    last = max(earlier, key=lambda each: int(each["line"]), default=None)
    return {"phase": {"from": last["body"]["phase"]["to"] if last else "scheduled"}}


def draw(report: Report) -> None:
    """A draw was held with the seed whose hash was announced, the beacon told since, and as many as had joined."""
    said: dict[str, Line] = {}
    for line in sorted(report.log, key=lambda each: each["line"]):
        kind, body = line["kind"], line["body"]
        if kind in ("draw_announced", "draw_withdrawn") and CLOSED in said:
            raise Different(f"{place(line)}: the seed was changed after the entries of the draw were closed")
        if kind in DRAWN_AFTER and (kind in said or DRAWN_AFTER[kind] not in said):
            raise Different(f"{place(line)}: {kind} for the second time, or before seed and count were fixed")
        if kind == "draw_held":
            hashed = hashlib.sha256(bytes.fromhex(body["seed"])).hexdigest()
            if hashed != said.get("draw_announced", {}).get("seed_hash"):
                raise Different(f"{place(line)}: the seed drawn with is not the one whose hash was announced")
            if body["size"] != said.get(CLOSED, {}).get("size"):
                raise Different(f"{place(line)}: another count was drawn than had joined")
            if body["beacon_value"] != said.get("draw_beacon", {}).get("beacon_value", ""):
                raise Different(f"{place(line)}: drawn with another beacon than was told")
        said[kind] = body


def totals(report: Report) -> None:
    """The totals are what the lines add up to."""
    captured, refunded = Counter[str](), Counter[str]()
    for line in report.captures:
        captured[line["currency"]] += line["amount_minor"]
    for steps in report.refunds.values():
        if steps[-1]["state"] == "succeeded":
            refunded[steps[0]["currency"]] += steps[0]["amount_minor"]
    paid = [moves for moves in report.moves.values() if any(line["to"] == "committed" for line in moves.values())]
    back = sum(len(steps[0]["tickets"]) for steps in report.refunds.values())
    found: Line = {"lines": report.lines, "batches": report.batches, "bookings": len(report.moves)}
    found |= {"bookings_by_state": Counter(moves[max(moves)]["to"] for moves in report.moves.values())}
    found |= {"tickets_sold": sum(len(held(moves)["tickets"]) for moves in paid) - back}
    found |= {"captures": len(report.captures), "captured_minor": captured, "refunded_minor": refunded}
    found |= {"admitted": sum(run["admitted"] for run in report.runs.values())}
    for name, value in found.items():
        if report.totals["sale"][name] != value:
            where, said = f"totals (line {report.totals.at} of the file)", report.totals["sale"][name]
            raise Different(f"{where}: {name} is {said}, the lines add up to {value}")


def check_signature(raw: bytes, last: bytes, key: str | None) -> None:
    """Ed25519, over the SHA-256 of every byte before the last line."""
    signed = told(last, raw.count(b"\n"))
    try:
        public, signature = bytes.fromhex(signed["key"]), bytes.fromhex(signed["signature"])
    except (KeyError, TypeError, ValueError):
        raise Different("the last line of the file is no signature") from None
    # Written anew: not one byte of this line may be another, though the signature cannot be over itself.
    once = {"t": "signature", "algorithm": "Ed25519", "key": public.hex(), "signature": signature.hex()}
    if canonical(once) != last:
        raise Different("the last line of the file is not written the one way there is")
    if key is not None and public.hex() != key.strip().lower():
        raise Different(f"signed with the key {public.hex()}, not with the one you gave")
    message = f"{FORMAT}\n{hashlib.sha256(raw[: -len(last) - 1]).hexdigest()}".encode()
    if not ed25519(public, message, signature):
        end = raw.count(b"\n")
        raise Different(
            f"the signature is not this file's. The log (lines 2 to {end - 2}) is whole in itself, so that unless all"
            " of it was made anew what is not as it was signed is one of these: line 1 of the file (the header), line"
            f" {end - 1} of the file (the totals), the last line of the file (line {end}, the signature)"
        )


# Ed25519 as in RFC 8032, 5.1.7: points are (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(a: Point, b: Point) -> Point:
    one, two = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    three, four = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = two - one, four - three, four + three, two + one
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar: int, point: Point) -> Point:
    result = (0, 1, 1, 0)
    while scalar:
        result = add(result, point) if scalar & 1 else result
        point, scalar = add(point, point), scalar >> 1
    return result


def point_of(encoded: bytes) -> Point | None:
    sign, y = divmod(int.from_bytes(encoded, "little"), 1 << 255)
    if y >= P or len(encoded) != 32:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT % P
    if (x * x - square) % P or (x == 0 and sign):
        return None
    x = P - x if x & 1 != sign else x
    return x, y, 1, x * y % P


def ed25519(key: bytes, message: bytes, signature: bytes) -> bool:
    """Whether this is the key's signature of the message."""
    public, commitment = point_of(key), point_of(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    base = point_of((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))
    if not (public and commitment and base and scalar < L):
        return False
    challenge = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = times(scalar, base), add(commitment, times(challenge, public))
    return not ((left[0] * right[2] - right[0] * left[2]) % P or (left[1] * right[2] - right[1] * left[2]) % P)


def found_in(raw: bytes, report: Report, given: argparse.Namespace) -> list[str]:
    """What is told of a report that is as it must be."""
    signed = json.loads(raw.splitlines()[-1])["key"]
    return [
        f"OK  {given.report}: {report.lines} lines in {report.batches} batches, chain head {report.head}",
        f"    signed with {signed}" + ("" if given.key else ", which was compared with nothing: give --key"),
        f"    {report.called} of {report.given} bookings with tickets are shown to be of numbers that had been called",
        *(f"    {name}: {value}" for name, value in report.totals["sale"].items()),
        *(f"    {name}: {value}" for name, value in sorted(report.totals["verify"].items())),
        *(lines_with(raw, given.find) if given.find else []),
    ]


def lines_with(raw: bytes, pseudonym: str) -> list[str]:
    found = [line.decode() for line in raw.split(b"\n")[1:-2] if f'"{pseudonym}"'.encode() in line]
    return found or [f"No line has {pseudonym}."]


def tell(lines: list[str]) -> None:
    """Say it to whoever reads; who has read enough (`| head -1`) is no error, and changes no verdict."""
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:
        # Else Python would try again at its end, say so, and end with a code of its own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def main() -> int:
    asked = argparse.ArgumentParser(description="Check a sale report of Onsale. Exits with 1 at a difference.")
    asked.add_argument("report", type=Path, help="the file, sale-report-....jsonl")
    asked.add_argument("--key", help="the shop's public key, as it publishes it; else the report's own is believed")
    asked.add_argument("--find", metavar="PSEUDONYM", help="show the lines with this pseudonym, from your receipt")
    given = asked.parse_args()
    try:
        raw = given.report.read_bytes()
    except OSError as error:
        asked.error(f"{given.report} cannot be read: {error.strerror}")
    if sys.stdout:
        # Whatever stands in a report, and whatever this terminal can show: what it cannot is written as \\u....
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # of a real file, which it is
    try:
        report = check(raw, key=given.key)
    except Different as difference:
        tell([f"DIFFERENT  {given.report}: {difference}"])
        return 1
    tell(found_in(raw, report, given))
    return 0


if __name__ == "__main__":
    sys.exit(main())
