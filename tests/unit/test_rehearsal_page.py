"""The page of a rehearsal: what it says, what its lines are, and that nothing in it runs but what it was made with."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from array import array
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from onsale.sandbox.rehearsal import command, series
from onsale.sandbox.rehearsal.audit import Audit
from onsale.sandbox.rehearsal.conducting import Conducted
from onsale.sandbox.rehearsal.journal import Journal
from onsale.sandbox.rehearsal.page import page
from onsale.sandbox.rehearsal.plan import Plan
from onsale.sandbox.rehearsal.recovering import Recovered
from onsale.sandbox.rehearsal.rehearsal import Rehearsed
from onsale.sandbox.rehearsal.repeating import command_line
from onsale.sandbox.rehearsal.results import results
from onsale.sandbox.rehearsal.watching import Sample
from onsale.verify.verdict import SAYS
from tests.rehearsal_by_hand import BEGAN_AT, STEPS, WELL, a_status, exchanges, rehearsed, samples, visits

AT = datetime(2026, 3, 1, 20, 0, tzinfo=UTC)
EVIL = "</script><script>alert('&')</script><!--"
KILOBYTES_MAX = 600


def drawn(found: Rehearsed) -> str:
    return page(found, rehearsed_at=AT, command="onsale rehearse --seed 1")


def numbers(text: str) -> dict[str, Any]:
    """What the page's script reads."""
    found = re.search(r'<script type="application/json" id="numbers">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return dict(json.loads(found[1]))


def words(text: str) -> str:
    """What a person reads, in one line."""
    body = re.sub(r"<(style|script)[^>]*>.*?</\1>", "", text, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]+>", " ", body).split())


def test_a_rehearsal_that_went_well_says_so_on_top_with_its_figures() -> None:
    said = words(drawn(rehearsed()))

    assert "✓ ok Nothing lost, nothing doubled, nobody passed by." in said
    assert "24 buyers for 20 tickets, 60 let in a minute" in said
    assert "Sold twice 0 tickets" in said
    assert "Turn to ticket 3.0 s (median)" in said
    assert "2026-03-01 20:00 UTC" in said
    assert "web 5 7.5 s" in said
    assert "5.0 s later than usual" in said


def test_every_reason_against_it_is_said_on_top() -> None:
    found = rehearsed(ok=False, why_not=("3 tickets were sold twice", "I5 does not hold"), double_sold=3)

    text = drawn(found)

    assert "✗ not ok 3 tickets were sold twice I5 does not hold" in words(text)
    assert "<title>not ok:" in text
    assert re.search(r'class="tile bad">\s*<span class="name">Sold twice', text)


def test_which_requests_failed_is_said_with_counts() -> None:
    said = words(drawn(rehearsed(http_failures={"GET /v1/bookings/{id}: 503 record-unavailable": 7})))

    assert "Requests answered with 5xx, or not at all 7 GET /v1/bookings/{id}: 503 record-unavailable" in said


def test_why_buyers_gave_up_is_said_with_counts() -> None:
    said = words(drawn(rehearsed(gave_up={"POST /v1/guests: no answer": 90, "book: 409 selling-stopped": 2})))

    assert "Why buyers gave up 90 POST /v1/guests: no answer 2 book: 409 selling-stopped" in said
    assert "Why buyers gave up" not in words(drawn(rehearsed()))


def test_what_came_first_again_after_a_kill_is_said_where_it_was_seen() -> None:
    kills = [
        Recovered("lanes", 20, 4.5, 6.0, decided_again_seconds=5.6, paid_again_seconds=6.4),
        Recovered("web", 9, 9.0, 0.0),
    ]

    said = words(drawn(rehearsed(kills=kills)))

    assert "lanes 20 4.5 s 6.0 s later decided 5.6 s paid 6.4 s web 9 9.0 s 0 s later \u2013" in said


def test_without_a_record_to_read_nothing_is_claimed_of_it() -> None:
    said = words(drawn(rehearsed(audit=Audit())))

    assert "the shop could not be read from here" in said
    assert "Nothing lost" not in said
    assert "Not checked: the record of the shop" in said
    assert said.count("not checked") == len(SAYS) + 1
    assert "Sold twice not known" in said


def test_each_promise_has_its_sentence_and_whether_it_holds() -> None:
    verify = {**dict.fromkeys(SAYS, True), "I7": False, "I11": None, "I99": True}

    said = words(drawn(rehearsed(verify=verify)))

    assert f"✗ I7 {SAYS['I7']} broken" in said
    assert f"? I11 {SAYS['I11']} not checked" in said
    assert f"✓ I12 {SAYS['I12']} holds" in said
    assert "✓ I99 This version of Onsale does not know what it says. holds" in said


def test_what_buyers_saw_broken_is_listed_and_the_rest_counted() -> None:
    said = words(drawn(rehearsed(broken_promises=["number 3 became 4"], broken_promises_count=70)))

    assert "70 promises were broken to buyers; the first 1 of them: number 3 became 4" in said


@pytest.mark.parametrize(("saturated", "said"), [(True, "Yes, at times."), (False, "No.")])
def test_it_says_whether_the_generator_was_the_bottleneck(saturated: bool, said: str) -> None:
    text = words(drawn(rehearsed(generator_saturated=saturated, generator_cpu_share=0.2)))

    assert f"Was the generator the bottleneck? {said} It used 20 % of a core" in text
    assert ("could not keep up" in text) is saturated


def test_nothing_in_a_rehearsal_becomes_markup() -> None:
    evil = rehearsed(
        broken_promises=[EVIL],
        broken_promises_count=1,
        ok=False,
        why_not=(EVIL,),
        outcomes={EVIL: 3},
        gave_up={EVIL: 3},
        http_failures={EVIL: 2},
        verify={EVIL: True},
    )

    text = page(evil, rehearsed_at=AT, command=EVIL)

    assert EVIL not in text
    assert text.count("<script") == 3
    bars = next(each for each in numbers(text)["charts"] if each["id"] == "outcomes")
    assert bars["at"] == [EVIL]


def test_only_what_the_page_was_made_with_runs_and_no_address_is_in_it() -> None:
    text = drawn(rehearsed())

    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    allowed = policy[1].replace("&#39;", "'")
    made_with = [
        *re.findall(r"<script>(.*?)</script>", text, re.DOTALL),
        *re.findall("<style>(.*?)</style>", text, re.DOTALL),
    ]
    assert len(made_with) == 3
    for each in made_with:
        assert f"'sha256-{base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()}'" in allowed
    assert allowed.startswith("default-src 'none';")
    assert "unsafe" not in allowed
    assert "http" not in allowed
    assert not re.search(r"\b(src|href|action)=|url\(|@import|sourceMappingURL", text)


def test_a_page_of_a_hundred_thousand_buyers_stays_small() -> None:
    text = drawn(a_large_one(buyers=100_000, seconds=5_400))

    assert len(text.encode()) < KILOBYTES_MAX * 1_000
    charts = numbers(text)["charts"]
    assert max(len(each["at"]) for each in charts) <= series.POINTS_MAX
    # Fine enough to be worth looking at, too.
    assert min(len(each["at"]) for each in charts if each["id"] != "outcomes") > series.POINTS_MAX / 2


def a_large_one(*, buyers: int, seconds: int) -> Rehearsed:
    """Two requests a buyer, a sample a second, twelve processes."""
    seen = exchanges()
    count = 2 * buyers // len(STEPS) * len(STEPS)
    seen.route = array("H", range(len(STEPS))) * (count // len(STEPS))
    seen.status = array("H", [200]) * count
    seen.at = array("d", (n * seconds / count for n in range(count)))
    seen.ms = array("f", (10 + n * 7919 % 997 for n in range(count)))
    seen.late_ms = array("f", [0.0]) * count
    seen.retry_after = array("B", [0]) * count
    crowd = [each for _ in range(buyers // 20) for each in visits()[:20]]
    looks = [
        Sample(
            at + 0.123,
            a_status(at) | {"serving": 19 * at, "free": 99_999},
            {f"process {n}": at / (n + 3) for n in range(12)},
        )
        for at in range(seconds)
    ]
    plan = Plan(buyers=buyers)
    conducted = Conducted(Journal(seen, crowd, float(seconds), 0.5), looks, [], True)
    return Rehearsed(plan, conducted, results(plan, conducted, WELL, rate=6_000, seats=20_000))


def test_samples_are_thinned_out_evenly_and_the_last_is_kept() -> None:
    looks = [Sample(float(at), {}, {}) for at in range(-3, 1_500)]

    kept = series.kept(looks)

    assert len(kept) <= series.POINTS_MAX
    assert (kept[0].at, kept[1].at, kept[-1].at) == (0.0, 3.0, 1_499.0)
    assert series.kept([]) == []


@pytest.mark.parametrize(
    ("seconds", "step"), [(20, 1), (599, 1), (600, 2), (3_000, 10), (5_400, 10), (7_200_000, 12_021)]
)
def test_a_point_is_as_many_seconds_as_keep_a_line_within_the_maximum(seconds: float, step: int) -> None:
    assert series.step_seconds(seconds) == step
    assert seconds // step + 1 <= series.POINTS_MAX


def test_latencies_are_those_of_the_second_in_which_the_answer_came() -> None:
    line = series.latency(exchanges(), "GET /v1/events/{id}/queue", seconds=30)

    assert line.seconds[:3] == (0.0, 1.0, 2.0)
    p50 = line.lines[0].values
    assert p50[:2] == (20.0, 21.0)
    # Who had no answer has no time.
    assert p50[8] is None
    assert series.latency(exchanges(), "GET /never", seconds=30).seconds == ()


def test_admissions_are_those_of_the_last_five_seconds_however_the_shop_was_then() -> None:
    line = series.admissions(samples())

    called, rate = line.lines
    assert line.seconds[6:10] == (6.0, 7.0, 9.0, 10.0)
    assert called.values[:5] == (None,) * 5
    assert called.values[5:20] == (1.0,) * 15
    assert called.values[-1] == 0.0
    assert set(rate.values) == {1.0}


def test_confirmed_tickets_add_up_as_buyers_were_told() -> None:
    line = series.tickets(samples(), visits(), began_at=BEGAN_AT)

    free, held, confirmed = line.lines
    assert confirmed.values[3:6] == (0, 1, 2)
    assert confirmed.values[-1] == 20
    assert (free.values[8], held.values[8], confirmed.values[8]) == (None, None, 5)
    assert held.values[10] == 3


def test_cpu_is_cores_between_two_looks_and_the_least_busy_are_one() -> None:
    few = series.cpu(samples())
    looks = [Sample(float(at), {}, {f"p{n}": at * n / 10 for n in range(12)}) for at in range(3)]
    many = series.cpu(looks)

    assert [(line.name, line.values[0]) for line in few.lines] == [
        ("web", 0.5),
        ("PostgreSQL", 0.25),
        ("simulator", 0.1),
    ]
    assert len(few.seconds) == len(few.lines[0].values) == 30
    assert [line.name for line in many.lines] == ["p11", "p10", "p9", "p8", "p7", "p6", "p5", series.REST]
    assert many.lines[-1].values == (1.0, 1.0)


def test_each_chart_says_in_a_sentence_what_it_shows() -> None:
    said = words(drawn(rehearsed()))

    assert "At most 24 people waited, 0 s after the opening; 4 at the end." in said
    assert "1 a second were set at the end; at most 1 were called." in said
    assert "20 were free at the opening and 0 at the end; buyers were told of 20 as theirs." in said
    assert "Confirmed 20, sold out 4." in said
    assert "22 CPU seconds in all without the simulator, 15 of web." in said
    assert "Of 29 answers half took up to 35 ms" in said


def test_a_shop_that_ran_elsewhere_has_no_cpu_and_one_that_was_silent_no_queue() -> None:
    found = rehearsed()
    found.conducted.samples[:] = [Sample(at.at, {}, {}) for at in samples()]

    text = drawn(Rehearsed(found.plan, found.conducted, found.results))

    assert "its processes could not be looked at" in words(text)
    assert "Nobody could tell how the queue stood." in words(text)
    assert {"queue", "admissions", "cpu"}.isdisjoint(each["id"] for each in numbers(text)["charts"])


OWN = (
    "--buyers 70 --arrivals ramp --arrive-seconds 12.5 --seed 9 --seats 40 --rate 20/s --max-active 5 --pay-seconds 20"
)
SHOP = "--url http://127.0.0.1:8000 --event a-show --buyers 10 --shared-cache"


@pytest.mark.parametrize(
    "typed",
    [
        "",
        f"{OWN} --kill lane@5 --kill web@9 --standby --minutes 2",
        "--faults payments --share declined_first 0.2",
        "--share abandons 0.125 --share hands_free 0 --without-guard last_look --without-guard resend",
        SHOP,
    ],
)
def test_the_line_to_type_again_asks_for_the_same_rehearsal(typed: str) -> None:
    given = command.rehearse.make_context("rehearse", shlex.split(typed)).params

    again = shlex.split(command_line(given))

    assert again[:2] == ["onsale", "rehearse"]
    assert command.rehearse.make_context("rehearse", again[2:]).params == given
    assert "--seed" in again


def test_the_line_to_type_again_tells_nobody_where_files_lie(tmp_path: Path) -> None:
    listed = tmp_path / "tokens.txt"
    listed.write_text("")
    typed = [*shlex.split(SHOP), "--tokens", str(listed), "--html", str(tmp_path / "r.html"), "--json"]

    line = command_line(command.rehearse.make_context("rehearse", typed).params)

    assert "--tokens tokens.txt" in line
    assert str(tmp_path) not in line


def test_asked_for_a_page_the_command_writes_it_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = tmp_path / "evening.html"
    given = command.rehearse.make_context("rehearse", ["--html", str(wanted), "--seed", "5"]).params

    command.tell(rehearsed(), given)

    assert "--seed 5" in words(wanted.read_text(encoding="utf-8"))
    assert str(wanted) in capsys.readouterr().err
