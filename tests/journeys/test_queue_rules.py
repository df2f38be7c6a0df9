"""The browser reckons people ahead, wait and polling as the server does: the same random cases through both."""

from __future__ import annotations

import random
from datetime import UTC, datetime

from onsale.queue import band, odds, status
from onsale.queue.band import Band
from onsale.queue.outlook import Cause
from onsale.web.pages import queue_words, words

CASES = 300
SEED = 20_261_123
NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
NOW_MS = int(NOW.timestamp() * 1000)
PHASES = ["scheduled", "pre_queue", "open", "paused", "all_held", "sold_out", "closed"]

IN_THE_BROWSER = """async ({ cases, nowMs }) => {
    const rules = await import('/static/js/queue_rules.js');
    const wait = await import('/static/js/queue_wait.js');
    const { odds } = await import('/static/js/queue_odds.js');
    const words = await import('/static/js/queue_words.js');
    return cases.map(({ place, status, seen, before }) => {
        const told = rules.waitBand(place, status, seen, nowMs);
        const kept = wait.kept(wait.keptText(before), told);
        const ahead = rules.peopleAhead(place, status, seen);
        const chance = odds(ahead, status);
        return [
            ahead,
            told && wait.textOf(told),
            kept && wait.textOf(kept),
            wait.bandWords(kept && wait.seconds(kept, nowMs)),
            chance,
            words.oddsWords(chance, status.held),
            words.causeWords(status.wait),
            rules.pollMs(place, status, seen),
            rules.heartbeatWanted(place, status),
        ];
    });
}"""


def a_piece(randomly: random.Random) -> dict[str, object]:
    fast = round(randomly.uniform(0.05, 5_000), 3)
    return {
        "people": randomly.choice([None, 1, randomly.randrange(1, 5_000)]),
        "fast_per_minute": fast,
        "slow_per_minute": round(fast / randomly.uniform(1, 4), 3),
    }


def a_wait(randomly: random.Random) -> dict[str, object]:
    opens_at = NOW_MS + randomly.randrange(-100_000, 5_000_000)
    cause = randomly.choice(list(Cause))
    return {
        "epoch": NOW_MS - randomly.choice([0, 60_000]),
        "opens_at_ms": randomly.choice([0, opens_at]),
        "pieces": [a_piece(randomly) for _ in range(randomly.randrange(0, 4))],
        "returns": [a_piece(randomly) for _ in range(randomly.randrange(0, 2))],
        "cause": cause.value,
        "since": NOW.isoformat() if cause else None,
    }


def some_gaps(randomly: random.Random, last: int) -> list[list[int]]:
    bounds = sorted(randomly.sample(range(1, last), 2 * randomly.randrange(0, 4)))
    return [list(pair) for pair in zip(bounds[::2], bounds[1::2], strict=True)]


def a_case(randomly: random.Random) -> dict[str, object]:
    serving = randomly.randrange(0, 50_000)
    known = randomly.random() < 0.9
    from_ms = NOW_MS + randomly.randrange(-60_000, 3_600_000)
    before = Band(from_ms, from_ms + randomly.randrange(0, 3_600_000), NOW_MS - randomly.choice([0, 60_000]))
    return {
        "place": {"number": serving + randomly.randrange(-10, 100_000), "isReturn": randomly.random() < 0.2},
        "seen": randomly.choice([0, serving, serving + randomly.randrange(0, 500)]),
        "before": randomly.choice([before.text, before.text, "", "nonsense", "3.2.1"]),
        "status": {
            "phase": randomly.choice(PHASES),
            "serving": serving,
            "return_serving": randomly.randrange(0, 300),
            "gaps": {"numbers": some_gaps(randomly, 100_000), "returns": some_gaps(randomly, 50_000)},
            "free": randomly.choice([0, 3, randomly.randrange(0, 60_000)]) if known else None,
            "held": randomly.randrange(0, 500) if known else None,
            "wait": a_wait(randomly),
            "odds": {
                "buys_percent": randomly.randrange(1, 101),
                "tickets_per_buyer": round(randomly.uniform(0.5, 8), 1),
                "seen_percent": randomly.randrange(0, 101),
                "present_percent": randomly.randrange(20, 101),
                "choosing": randomly.randrange(0, 500),
            },
            "heartbeat": {"up_to": serving + randomly.randrange(0, 2_000), "every_seconds": 45},
            "poll": [{"ahead": randomly.randrange(1, 500), "seconds": 2}, {"ahead": None, "seconds": 60}],
        },
    }


def on_the_server(case: dict[str, object]) -> list[object]:
    place, body, seen = case["place"], case["status"], case["seen"]
    number, is_return = place["number"], place["isReturn"]
    ahead = status.people_ahead(number, body, is_return=is_return, seen_serving=seen)
    told = status.wait_band(number, body, now=NOW, is_return=is_return, seen_serving=seen)
    kept = band.kept(band.kept_text(case["before"]), told)
    chance, wait = odds.odds(ahead, body), body["wait"]
    return [
        ahead,
        told.text if told else None,
        kept.text if kept else None,
        words.band(*(band.seconds(kept, NOW_MS) if kept else (None, None))),
        chance.value if chance else None,
        queue_words.odds_words(chance, body["held"]),
        queue_words.cause_words(wait["cause"], NOW if wait["since"] else None),
        1000 * status.poll_seconds(ahead, body),
        status.heartbeat_wanted(number, body, is_return=is_return),
    ]


def test_the_browser_reckons_as_the_server_does(browse):
    print(f"seed {SEED}")
    randomly = random.Random(SEED)
    cases = [a_case(randomly) for _ in range(CASES)]
    page = browse()
    page.goto("/sign-in")

    shown = page.evaluate(IN_THE_BROWSER, {"cases": cases, "nowMs": NOW_MS})

    assert [(case, row) for case, row in zip(cases, shown, strict=True) if row != on_the_server(case)] == []
