"""A running Stripe simulator for the tests of payments, and a shop that takes its webhooks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from onsale.config import Config
from tests.fleeting import fleeting_folder
from tests.services.http_sale import HttpSale, a_sale_over_http
from tests.services.paying import Receiver, Simulator
from tests.services.serving import Web, serving
from tests.services.small_sale import Sale, a_small_sale
from tests.services.stripe_contract.behaviours import NOT_ASKED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """So that nobody takes the simulator's word for Stripe's without knowing. Here: xdist reads no deeper."""
    skipped = [each for each in terminalreporter.stats.get("skipped", []) if NOT_ASKED in str(each.longrepr)]
    if skipped:
        terminalreporter.section("STRIPE WAS NOT ASKED", sep="!", yellow=True, bold=True)
        terminalreporter.line(f"{len(skipped)} behaviours were asked of the simulator alone. {NOT_ASKED}.")


@pytest.fixture(scope="session")
def running_bank() -> Iterator[Simulator]:
    """One simulator for all tests of this process."""
    with fleeting_folder() as folder:
        simulator = Simulator(folder)
        simulator.start()
        yield simulator
        simulator.stop()


@pytest.fixture
def bank(running_bank: Simulator) -> Simulator:
    """The simulator, empty and on time."""
    running_bank.reset()
    return running_bank


@pytest.fixture
def own_bank(tmp_path: Path) -> Iterator[Simulator]:
    """A simulator of this test's own, to be stopped and killed."""
    simulator = Simulator(tmp_path)
    simulator.start()
    yield simulator
    simulator.stop()


@pytest.fixture
def stripe_api(bank: Simulator) -> Any:
    """The SDK's v1 services on the empty simulator."""
    return bank.client().v1


@pytest.fixture
def webhook_receiver() -> Iterator[Receiver]:
    """A server that takes webhooks."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(received.answer(body, self.headers["Stripe-Signature"]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received = Receiver(f"http://127.0.0.1:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def web(config: Config) -> Iterator[Web]:
    """The web on a port of its own, over this test's record and an empty queue."""
    with serving(config) as running:
        yield running


@pytest.fixture(scope="module")
def standing_web(standing_config: Config) -> Iterator[Web]:
    """One web for all tests of a file that only ask, or are refused; the queue may be emptied between them."""
    with serving(standing_config) as running:
        yield running


@pytest.fixture
def sale(paying_shop: Any, engine: sqlalchemy.Engine) -> Sale:
    """A small sale with its bank, queue and cache, on a record of its own."""
    return a_small_sale(paying_shop, engine)


@pytest.fixture
def http_sale(paying_shop: Any, engine: sqlalchemy.Engine) -> Iterator[HttpSale]:
    """A small sale made over HTTP, its web still running."""
    with a_sale_over_http(paying_shop, engine) as made:
        yield made
