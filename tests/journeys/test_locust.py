"""Locust with our locustfile: against the running house it passes, against a shop that breaks a promise it exits 1."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

ROOT = Path(__file__).resolve().parents[2]
LOCUST = Path(sys.executable).with_name("locust")
ONSALE = Path(sys.executable).with_name("onsale")
RUN_SECONDS_MAX = 50
# Everybody gets in at once, and enough of them buy.
FAST = {"rate_per_minute": 6_000, "max_active": 1_000, "address_limit": 100_000}
# Nobody walks away or dawdles: what is looked at is the shop.
EAGER = "abandons=0,cancels=0,leaves=0,declined_first=0,hands_free=0,goes_away=0,reloads=0,two_tabs=0,double_clicks=0"


def locust(address: str, *options: str) -> subprocess.CompletedProcess[str]:
    """One headless run; everything it says is in `stdout`."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("ONSALE_", "LOCUST_"))}
    command = [str(LOCUST), "-f", str(ROOT / "locustfile.py"), "--headless", "--host", address, *options]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS_MAX,
    )


def confirmed(run: subprocess.CompletedProcess[str]) -> int:
    found = re.search(r"Confirmed: (\d+)", run.stdout)
    assert found, run.stdout
    return int(found[1])


def words(run: subprocess.CompletedProcess[str]) -> str:
    return " ".join(run.stdout.split())


def test_a_run_against_the_house_passes_with_bookings_that_the_record_has(on_sale, record, stack, tmp_path):
    event_id = on_sale(**FAST)
    minted = subprocess.run(
        [str(ONSALE), "--folder", str(stack.folder), "tokens", "-n", "400"],
        cwd=tmp_path,
        env={**os.environ, **stack.settings},
        capture_output=True,
        text=True,
        check=True,
    )
    tokens = tmp_path / "tokens"
    tokens.write_text(minted.stdout)

    run = locust(
        stack.address,
        *("-u", "30", "-r", "10", "-t", "12s", "--think", "0.2"),
        *("--event", str(event_id), "--tokens", str(tokens)),
    )

    assert run.returncode == 0, run.stdout
    assert "Every check holds." in run.stdout
    assert 0 < confirmed(run) <= confirmed_on_record(record, event_id)
    assert "JOURNEY time to ticket" in words(run)
    assert "JOURNEY people ahead at first" in words(run)
    assert "POST /v1/events/{id}/bookings" in words(run)
    assert "POST /v1/guests" not in words(run), "everybody had a token"


def confirmed_on_record(record: sqlalchemy.Engine, event_id: int) -> int:
    statement = sqlalchemy.text("SELECT count(*) FROM bookings WHERE event_id = :event AND state = 'confirmed'")
    with record.connect() as connection:
        return int(connection.execute(statement, {"event": event_id}).scalar_one())


def test_the_waiting_rooms_profile_runs_in_two_processes_that_report_to_one(on_sale, stack):
    event_id = on_sale(**FAST)

    run = locust(
        stack.address,
        *("-u", "20", "-t", "6s", "--shape", "doors-open", "--processes", "2"),
        *("--event", str(event_id), "WaitingRoomOnly"),
    )

    assert run.returncode == 0, run.stdout
    entered = re.search(r"(\d+) entered", run.stdout)
    assert entered, run.stdout
    assert int(entered[1]) > 0
    assert "POST /v1/events/{id}/queue/me/enter" in words(run)
    assert "/bookings" not in run.stdout


# Negative controls: a shop of a few lines, whole, and with one fault at a time.

STATUS = {
    "phase": "open",
    "serving": 7,
    "return_serving": 0,
    "gaps": {"numbers": [], "returns": []},
    "heartbeat": {"up_to": 0, "every_seconds": 45},
    "poll": [{"ahead": None, "seconds": 0.2}],
}
AVAILABILITY = {"sections": [{"id": 1, "free": 50, "states": "f" * 50}]}
SEATS = {"sections": [{"id": 1, "runs": [{"first_ticket_id": 1, "count": 50}]}]}
TICKETS = [{"ticket_id": 1, "price_minor": 4500, "total_minor": 4500}]
BILL = {"amount_minor": 4500, "tickets_minor": 4500, "fees_minor": 0, "taxes_minor": 0, "taxes_included": True}


class LittleShop(BaseHTTPRequestHandler):
    """Sells to everybody at once; `fault` says what it does wrong."""

    protocol_version = "HTTP/1.1"
    fault = ""
    numbers = count(7)
    paid: set[str] = set()

    def do_GET(self) -> None:
        if "/event=" in self.path:
            self.say(200, {"event_ids": [] if "Nowhere" in self.path else [1]})
        elif "/events/" in self.path and self.path.endswith("/1"):
            self.say(200, {"id": 1, "name": "Lanterns", "slug": "selling-now"})
        elif self.path.endswith("/queue"):
            self.status()
        elif self.path.endswith("/availability"):
            self.say(200, AVAILABILITY)
        elif self.path.endswith("/seats"):
            self.say(200, SEATS)
        else:
            self.booking(200)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/v1/guests":
            self.say(200, {"token": "t"})
        elif self.path.endswith("/queue"):
            self.say(200, {"queue_token": "q", "number": next(self.numbers) if self.fault == "rises" else 7})
        elif self.path.endswith("/enter"):
            self.say(200, {"admission_token": "a"})
        elif self.path.endswith("/payment"):
            self.paid.add(self.path.removesuffix("/payment"))
            self.booking(202)
        else:
            self.path = f"/v1/bookings/b{next(self.numbers)}"
            self.booking(202)

    def status(self) -> None:
        if self.fault == "500":
            self.say(500, {"type": "/problems/internal-error"})
        elif self.fault == "busy" and next(self.numbers) % 2:
            self.say(503, {"type": "/problems/queue-recovering"}, {"Retry-After": "1"})
        else:
            self.say(200, {**STATUS, "serving": 0 if self.fault == "rises" else 7})

    def booking(self, status: int) -> None:
        url = self.path.removesuffix("/payment")
        done = "expired" if self.fault == "nobody" else "confirmed"
        document = {
            "id": url.rpartition("/")[2],
            "url": url,
            "state": done if url in self.paid else "held",
            "number": 7,
            "poll_seconds": 0.05,
            "tickets": [] if self.fault == "ticketless" else TICKETS,
            **BILL,
            "payment": None,
        }
        self.say(status, document)

    def say(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def little_shop(fault: str) -> Iterator[str]:
    """The address of the little shop with this fault."""
    handler = type("Shop", (LittleShop,), {"fault": fault, "numbers": count(7), "paid": set()})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def brief_run(address: str, *shares: str) -> subprocess.CompletedProcess[str]:
    eager = ",".join([EAGER, *shares])
    return locust(address, "-u", "5", "-r", "5", "-t", "3s", "--think", "0", "--shares", eager, "--only-summary")


@pytest.mark.parametrize("fault", ["", "busy"])
def test_a_shop_without_a_fault_passes_also_one_that_asks_for_patience(little_shop):
    run = brief_run(little_shop)

    assert run.returncode == 0, run.stdout
    assert confirmed(run) > 0


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("500", "x GET /v1/events/{id}/queue: 500 internal-error"),
        ("rises", "x people ahead rose from"),
        ("ticketless", "is confirmed without tickets"),
        ("nobody", "no booking was confirmed, though"),
    ],
)
def test_a_shop_that_breaks_a_promise_fails_the_run(little_shop, said):
    run = brief_run(little_shop, "reloads=1")

    assert run.returncode == 1, run.stdout
    assert said in run.stdout


@pytest.mark.parametrize("fault", [""])
def test_a_run_that_finds_no_show_ends_at_once_and_fails(little_shop):
    run = locust(little_shop, "-u", "5", "-r", "5", "-t", "60s", "--event", "Nowhere", "--only-summary")

    assert run.returncode == 1, run.stdout
    assert "has no event 'Nowhere'" in run.stdout
