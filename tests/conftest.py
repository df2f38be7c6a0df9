"""The parts tests run on: a PostgreSQL and a Valkey of each worker's own, a fresh migrated record per test.

A part that is missing skips the test on a laptop, with the reason, and fails it in CI.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest
import redis
import sqlalchemy
import structlog
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis

from onsale.config import Config
from onsale.db import change_source, change_stream
from onsale.db.change_source import Source
from onsale.db.engine import migrate
from onsale.sandbox.elasticsearch import EmbeddedElasticsearch
from onsale.sandbox.embedded import EmbeddedServer, PartMissing, launch, poll
from onsale.sandbox.environment import read_env
from onsale.sandbox.pair import PostgresPair
from onsale.sandbox.ports import free_port
from onsale.sandbox.postgres import EmbeddedPostgres
from onsale.sandbox.valkey import EmbeddedValkey
from tests.fleeting import fleeting_folder

# Nobody here speaks TLS. httpx reads the certificates of the whole world for each client, and each httpx.get() is a
# client: 40 ms of CPU, more than the request. In this folder there are none; what tests start inherits it.
os.environ.pop("SSL_CERT_FILE", None)
os.environ["SSL_CERT_DIR"] = str(Path(__file__).parent)
# A verdict of Hypothesis' is about what was found, never about how busy the machine was.
hypothesis.register_profile("onsale", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis.load_profile("onsale")
# As a process logs (onsale/logs.py). structlog's own choice draws a frame with every variable: half a second each.
structlog.configure(
    processors=[
        *structlog.get_config()["processors"][:-1],
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)
TEMPLATE = "onsale_template"
ONSALE = Path(sys.executable).with_name("onsale")
START_SECONDS_MAX = 120
STOP_SECONDS_MAX = 60
_numbers = count(1)


def missing(reason: object) -> None:
    """Skip here, or fail where nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(f"In CI every part must be there: {reason}")
    pytest.skip(str(reason))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL for this test process; what it holds may be lost at a power cut."""
    with fleeting_folder() as folder:
        server = EmbeddedPostgres(folder / "postgres", durable=False)
        try:
            server.start()
        except PartMissing as reason:
            missing(reason)
        try:
            yield server
        finally:
            server.discard()


@pytest.fixture(scope="session")
def migrated_template(postgres_server: EmbeddedPostgres) -> str:
    """The name of a database with the newest schema and no rows; never connect to it."""
    url = postgres_server.ensure_database(TEMPLATE)
    migrate(url)
    return TEMPLATE


@pytest.fixture
def empty_database_url(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """A database of this test's own without any table, for migrations."""
    name = f"empty_{next(_numbers)}"
    yield postgres_server.ensure_database(name)
    postgres_server.drop_database(name)


@pytest.fixture
def record_url(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """A record of this test's own: migrated, without rows."""
    name = f"test_{next(_numbers)}"
    yield postgres_server.ensure_database(name, template=migrated_template)
    postgres_server.drop_database(name)


@pytest.fixture
def engine(record_url: str) -> Iterator[sqlalchemy.Engine]:
    """An engine on this test's record."""
    engine = sqlalchemy.create_engine(record_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def standing_record_url(postgres_server: EmbeddedPostgres, migrated_template: str) -> Iterator[str]:
    """A record for all tests of a file that only ask; who writes takes `record_url`."""
    name = f"standing_{next(_numbers)}"
    yield postgres_server.ensure_database(name, template=migrated_template)
    postgres_server.drop_database(name)


@pytest.fixture(scope="module")
def standing_engine(standing_record_url: str) -> Iterator[sqlalchemy.Engine]:
    """An engine on the record of a file's tests."""
    engine = sqlalchemy.create_engine(standing_record_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def postgres_pair() -> Iterator[PostgresPair]:
    """A primary and its synchronous standby for this test process, with a migrated template; use `pair`."""
    with fleeting_folder() as folder:
        made = PostgresPair(folder / "pair", durable=False)
        try:
            made.start()
        except PartMissing as reason:
            missing(reason)
        try:
            migrate(made.ensure_database(TEMPLATE))
            yield made
        finally:
            made.discard()


@pytest.fixture
def pair(postgres_pair: PostgresPair) -> PostgresPair:
    """The pair with both alive and in step, whatever the test before did to it."""
    postgres_pair.mend()
    return postgres_pair


@pytest.fixture
def paired_record_url(pair: PostgresPair) -> Iterator[str]:
    """A record of this test's own on the pair: migrated, without rows."""
    name = f"test_{next(_numbers)}"
    yield pair.ensure_database(name, template=TEMPLATE)
    pair.mend()
    pair.drop_database(name)


S = TypeVar("S", bound=EmbeddedServer)


@contextmanager
def started(kind: type[S]) -> Iterator[S]:
    """A server of this kind in a folder that goes with it; what it holds may be lost at a power cut."""
    with fleeting_folder() as folder:
        server = kind(folder / "server", durable=False)
        try:
            server.start()
        except PartMissing as reason:
            missing(reason)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[EmbeddedValkey]:
    """A Valkey for this test process; `redis_client` empties it before each test."""
    with started(EmbeddedValkey) as server:
        yield server


@pytest.fixture
def redis_client(valkey_server: EmbeddedValkey) -> Iterator[redis.Redis]:
    """A client of an empty Valkey; answers are bytes, as the queue's own client gives them."""
    client = redis.Redis.from_url(valkey_server.url())
    client.flushall()
    yield client
    client.close()


@pytest.fixture(scope="session")
def elasticsearch_server() -> Iterator[EmbeddedElasticsearch]:
    """An Elasticsearch for this test process; whoever uses it removes the indices it made."""
    with started(EmbeddedElasticsearch) as server:
        yield server


@pytest.fixture
def slot(record_url: str) -> Iterator[None]:
    """A change stream on this test's record; a database with a slot could not be dropped."""
    admin = sqlalchemy.create_engine(record_url, poolclass=sqlalchemy.NullPool, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        change_stream.set_up(connection)
    yield
    with admin.connect() as connection:
        change_stream.tear_down(connection)


@pytest.fixture(params=list(Source))
def source(request: pytest.FixtureRequest, engine: sqlalchemy.Engine) -> Iterator[Source]:
    """Changes of this test's record, heard by the slot and again by the outbox."""
    change_source.set_up(engine, request.param)
    yield request.param
    change_source.tear_down(engine)


# Stripe. The tests of payments talk to the simulator over HTTP, as the house does.

STRIPE_SETTINGS = {
    "ONSALE_STRIPE_SECRET_KEY": "sk_test_of_the_tests",
    "ONSALE_STRIPE_PUBLISHABLE_KEY": "pk_test_of_the_tests",
    "ONSALE_STRIPE_WEBHOOK_SECRET": "whsec_of_the_tests_with_32_characters",
}
SECRET_SETTINGS = {
    "ONSALE_SECRET_KEYS": "k1:a-test-key-of-32-characters-or-more",
    "ONSALE_REPORT_KEY": "7e" * 32,
}
# Port 9 is "discard": refused at once wherever nobody listens.
NOWHERE = "127.0.0.1:9"


@pytest.fixture(scope="session")
def simulator_address() -> Iterator[str]:
    """A running Stripe simulator of this test process, without webhooks; `simulator` empties it before each test."""
    with fleeting_folder() as folder:
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        env = {
            **os.environ,
            **STRIPE_SETTINGS,
            **SECRET_SETTINGS,
            "ONSALE_ENVIRONMENT": "sandbox",
            "ONSALE_DATABASE_URL": f"postgresql://{NOWHERE}/nowhere",
            "ONSALE_QUEUE_URL": f"redis://{NOWHERE}/0",
            "ONSALE_STRIPE_API_BASE": address,
        }
        log = folder / "log"
        command = [str(ONSALE), "--folder", str(folder), "simulator", "--webhook-url", ""]
        with log.open("wb") as file:
            process = launch(command, stop_signal=signal.SIGTERM, log=file, env=env)
        try:
            ready = poll(lambda: process.poll() is not None or answers(address), seconds=START_SECONDS_MAX)
            assert ready, "the simulator does not answer"
            assert process.poll() is None, log.read_text(errors="replace")
            yield address
        finally:
            process.terminate()
            process.wait(STOP_SECONDS_MAX)


@pytest.fixture
def simulator(simulator_address: str) -> str:
    """The address of a simulator that has seen nothing yet and answers at once."""
    key = STRIPE_SETTINGS["ONSALE_STRIPE_SECRET_KEY"]
    httpx.post(f"{simulator_address}/_simulator/reset", headers={"Authorization": f"Bearer {key}"}).raise_for_status()
    return simulator_address


def answers(address: str) -> bool:
    with suppress(httpx.TransportError):
        return httpx.get(address).status_code < 500
    return False


@pytest.fixture
def settings(record_url: str, valkey_server: EmbeddedValkey, tmp_path: Path) -> dict[str, str]:
    """The `ONSALE_*` variables of a process on this test's parts; Stripe's address leads nowhere."""
    return settings_on(record_url, valkey_server, tmp_path)


def settings_on(record_url: str, valkey_server: EmbeddedValkey, folder: Path) -> dict[str, str]:
    return {
        "ONSALE_ENVIRONMENT": "sandbox",
        "ONSALE_DATABASE_URL": record_url,
        "ONSALE_QUEUE_URL": valkey_server.url(0),
        "ONSALE_CACHE_URL": valkey_server.url(1),
        "ONSALE_BROKER_URL": valkey_server.url(2),
        **SECRET_SETTINGS,
        **STRIPE_SETTINGS,
        "ONSALE_STRIPE_API_BASE": f"http://{NOWHERE}",
        "ONSALE_OUTBOX_DIR": str(folder / "outbox"),
    }


@pytest.fixture
def config(settings: dict[str, str], redis_client: redis.Redis) -> Config:
    """The configuration of this test's parts, with an empty queue."""
    return Config.from_env(settings)


@pytest.fixture(scope="module")
def standing_config(
    standing_record_url: str, valkey_server: EmbeddedValkey, tmp_path_factory: pytest.TempPathFactory
) -> Config:
    """The configuration of the parts of a file's tests that only ask."""
    with redis.Redis.from_url(valkey_server.url()) as client:
        client.flushall()
    return Config.from_env(settings_on(standing_record_url, valkey_server, tmp_path_factory.mktemp("standing")))


@pytest.fixture
def shop(config: Config) -> Iterator[Any]:
    """What a worker process works with, on this test's parts; Stripe is nowhere."""
    opened = import_module("onsale.workers.shop").open_shop(config)
    yield opened
    opened.close()


@pytest.fixture
def paying_shop(settings: dict[str, str], redis_client: redis.Redis, simulator: str) -> Iterator[Any]:
    """The same with an empty Stripe simulator."""
    config = Config.from_env({**settings, "ONSALE_STRIPE_API_BASE": simulator})
    opened = import_module("onsale.workers.shop").open_shop(config)
    yield opened
    opened.close()


# The whole house, as `onsale run` starts it.


@dataclass(frozen=True)
class House:
    """A running Onsale: where it answers, its settings, and the folder with its logs."""

    address: str
    settings: dict[str, str]
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def screen(self) -> str:
        return (self.folder / "screen").read_text(encoding="utf-8", errors="replace")


@contextmanager
def running_house(folder: Path, **settings: str) -> Iterator[House]:
    """`onsale run` in the folder without a crowd, on a free port, until the end of the block; Ctrl-C ends it."""
    folder.mkdir(parents=True, exist_ok=True)
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ONSALE_")}
    env = {**ours, "CROWD": "0", "ONSALE_WEB_PORT": str(free_port()), **settings}
    with (folder / "screen").open("wb") as screen:
        command = [str(ONSALE), "--folder", str(folder), "run"]
        process = launch(command, stop_signal=signal.SIGTERM, log=screen, env=env)
    try:
        up = poll(lambda: process.poll() is not None or _screen_is_there(folder), seconds=START_SECONDS_MAX)
        assert up, (folder / "screen").read_text(errors="replace")
        assert process.poll() is None, (folder / "screen").read_text(errors="replace")
        found = read_env(folder / "run.env")
        yield House(found["ONSALE_PUBLIC_URL"], found, folder, process)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS_MAX)


def _screen_is_there(folder: Path) -> bool:
    return "Ctrl-C stops everything" in (folder / "screen").read_text(encoding="utf-8", errors="replace")


@pytest.fixture
def start_house():
    """`running_house`, for tests that start one of their own: `with start_house(folder, NAME=value) as house:`."""
    return running_house


@pytest.fixture(scope="session")
def stack() -> Iterator[House]:
    """The whole house for all journeys of this test process: web, workers, admit and simulator, with the catalogue."""
    with fleeting_folder("onsale-stack-") as folder, running_house(folder) as house:
        yield house
