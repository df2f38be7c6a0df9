"""The browser reckons people ahead, wait and polling as the server does: the same random cases through both."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from onsale.queue import status
from onsale.web.pages import words

CASES = 300
SEED = 20_261_123
NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
PHASES = ["scheduled", "pre_queue", "open", "paused", "all_held", "sold_out", "closed"]

IN_THE_BROWSER = """async ({ cases, nowMs }) => {
    const rules = await import('/static/js/queue_rules.js');
    return cases.map(({ place, status, seen }) => [
        rules.peopleAhead(place, status, seen),
        rules.bandWords(rules.waitBand(place, status, seen, nowMs)),
        rules.pollMs(place, status, seen),
        rules.heartbeatWanted(place, status),
    ]);
}"""


def a_case(randomly: random.Random) -> dict[str, object]:
    serving = randomly.randrange(0, 50_000)
    rate = randomly.choice([0, 1, 60, 333, 6_000, 24_000])
    phase = randomly.choice(PHASES)
    pace = randomly.randint(0, rate) if phase == "open" else 0
    return {
        "place": {"number": serving + randomly.randrange(-10, 100_000), "isReturn": randomly.random() < 0.2},
        "seen": randomly.choice([0, serving, serving + randomly.randrange(0, 500)]),
        "status": {
            "phase": phase,
            "serving": serving,
            "return_serving": randomly.randrange(0, 300),
            "rate_per_minute": rate,
            "pace_per_minute": pace,
            "returns_waiting": randomly.random() < 0.3,
            "opens_at": (NOW + timedelta(seconds=randomly.randrange(-100, 5_000))).isoformat(),
            "heartbeat": {"up_to": serving + randomly.randrange(0, 2_000), "every_seconds": 45},
            "poll": [{"ahead": max(1, pace), "seconds": 2}, {"ahead": None, "seconds": 60}],
        },
    }


def on_the_server(case: dict[str, object]) -> list[object]:
    place, body, seen = case["place"], case["status"], case["seen"]
    number, is_return = place["number"], place["isReturn"]
    ahead = status.people_ahead(number, body, is_return=is_return, seen_serving=seen)
    band = status.wait_band(number, body, is_return=is_return, seen_serving=seen, now=NOW)
    return [
        ahead,
        words.band(band.low_seconds, band.high_seconds) if band else words.band(None, None),
        1000 * status.poll_seconds(ahead, body),
        status.heartbeat_wanted(number, body, is_return=is_return),
    ]


def test_the_browser_reckons_as_the_server_does(browse):
    print(f"seed {SEED}")
    randomly = random.Random(SEED)
    cases = [a_case(randomly) for _ in range(CASES)]
    page = browse()
    page.goto("/sign-in")

    shown = page.evaluate(IN_THE_BROWSER, {"cases": cases, "nowMs": NOW.timestamp() * 1000})

    assert [(case, row) for case, row in zip(cases, shown, strict=True) if row != on_the_server(case)] == []
