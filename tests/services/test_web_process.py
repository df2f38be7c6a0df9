"""The web as it is run: `onsale web` under Granian, asked how it is, sent too much, told to end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import httpx
import pytest

from onsale.sandbox.ports import free_port
from tests.builders import an_event, open_queue, until

ONSALE = Path(sys.executable).with_name("onsale")


@dataclass(frozen=True)
class Process:
    """A running `onsale web`."""

    address: str
    port: int
    process: subprocess.Popen[bytes]
    said: IO[bytes]


@contextmanager
def running(settings: dict[str, str], **more: str) -> Iterator[Process]:
    port = free_port()
    env = {**os.environ, **settings, "ONSALE_WEB_PORT": str(port), "ONSALE_LOG_FORMAT": "json", **more}
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen([str(ONSALE), "web"], env=env, stdout=said, stderr=subprocess.STDOUT)
        try:
            yield Process(f"http://127.0.0.1:{port}", port, process, said)
        finally:
            process.kill()
            process.wait()


def answers(address: str, path: str = "/healthz") -> int | None:
    with suppress(httpx.TransportError):
        return httpx.get(address + path, timeout=5).status_code
    return None


@pytest.fixture
def web(settings, redis_client, engine, shop) -> Iterator[Process]:
    with running(settings) as process:
        until(lambda: answers(process.address), "the web answers")
        yield process


def test_a_web_whose_parts_answer_is_ready(web):
    assert answers(web.address, "/readyz") == 200


def test_a_web_whose_parts_are_away_is_alive_and_not_ready(settings):
    nowhere = {
        "ONSALE_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nowhere",
        "ONSALE_QUEUE_URL": "redis://127.0.0.1:9/0",
    }

    with running(settings | nowhere) as process:
        assert until(lambda: answers(process.address), "the web answers") == 200
        ready = httpx.get(process.address + "/readyz")

    assert (ready.status_code, ready.text) == (503, "record and queue not reachable\n")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux tells a process that its parent ended")
def test_a_killed_web_leaves_no_worker_answering(web):
    web.process.kill()
    web.process.wait()

    until(lambda: answers(web.address) is None, "nobody answers any more")


def test_the_numbers_of_the_sale_can_be_scraped(web, engine, shop):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    guest = httpx.post(f"{web.address}/v1/guests", json={}).json()
    headers = {"Authorization": f"Bearer {guest['token']}"}
    httpx.post(f"{web.address}/v1/events/{event_id}/queue", headers=headers).raise_for_status()

    def scraped() -> str | None:
        text = httpx.get(f"{web.address}/metrics").text
        return text if f'onsale_queue_rate_per_minute{{event="{event_id}"}} 60000.0' in text else None

    text = until(scraped, "the event is in the numbers")
    for name in (
        "onsale_oldest_undecided_booking_seconds",
        "onsale_admissions_total",
        "onsale_holds",
        "onsale_oldest_waiting_letter_seconds",
        'onsale_letters{state="unclear"} 0.0',
        "onsale_queue_waiting",
    ):
        assert name in text


def test_the_numbers_are_for_this_machine_only(web):
    answer = httpx.get(f"{web.address}/metrics", headers={"X-Forwarded-For": "203.0.113.9"})

    assert answer.status_code == 404


def test_a_believed_proxy_says_who_is_asking(settings, redis_client, engine):
    with running(settings, ONSALE_TRUSTED_PROXIES="1") as process:
        until(lambda: answers(process.address), "the web answers")

        answer = httpx.get(f"{process.address}/metrics", headers={"X-Forwarded-For": "203.0.113.9"})

    assert answer.status_code == 404


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_a_body_without_end_is_refused(web, chunked):
    def chunks() -> Iterator[bytes]:
        yield from (b" " * 10_000 for _ in range(10))

    body = chunks() if chunked else b" " * 100_000
    answer = httpx.post(f"{web.address}/v1/guests", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (413, "application/problem+json")


def test_head_has_the_headers_of_get_and_no_body(web, engine):
    event_id = an_event(engine)
    url = f"{web.address}/v1/events/{event_id}"

    head, get = httpx.head(url), httpx.get(url)

    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", get.headers["ETag"])


def test_a_request_under_way_is_finished_when_the_web_is_told_to_end(web):
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as half_sent:
        half_sent.sendall(
            b"POST /v1/guests HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n"
        )
        # Answered only after the server has read what came before.
        answers(web.address)

        web.process.send_signal(signal.SIGTERM)
        until(lambda: answers(web.address, "/readyz") in (None, 503), "nothing new is taken")
        half_sent.sendall(b"{}")
        answer = half_sent.recv(65_536)

    assert answer.startswith(b"HTTP/1.1 201"), answer[:200]
    web.process.wait(timeout=15)


def test_what_is_wrong_with_the_settings_is_said_in_one_sentence(settings):
    with running(settings, ONSALE_SECRET_KEYS="k1:short") as process:
        code = process.process.wait(timeout=20)
        process.said.seek(0)
        said = process.said.read().decode()

    assert code == 1
    assert "ONSALE_SECRET_KEYS wants" in said
    assert "Traceback" not in said
