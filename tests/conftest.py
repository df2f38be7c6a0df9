"""The parts tests run on: a PostgreSQL and a Valkey of each worker's own, a fresh migrated record per test.

A part that is missing skips the test on a laptop, with the reason, and fails it in CI.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from importlib import import_module
from itertools import count
from pathlib import Path

import pytest
import redis
import sqlalchemy

from onsale.config import Config
from onsale.sandbox.embedded import PartMissing
from onsale.sandbox.postgres import EmbeddedPostgres
from onsale.sandbox.valkey import EmbeddedValkey

TEMPLATE = "onsale_template"
_numbers = count(1)


def missing(reason: object) -> None:
    """Skip here, or fail where nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(f"In CI every part must be there: {reason}")
    pytest.skip(str(reason))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL for this test process; what it holds may be lost at a power cut."""
    with tempfile.TemporaryDirectory(prefix="onsale-test-") as folder:
        server = EmbeddedPostgres(Path(folder, "postgres"), durable=False)
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
    import_module("onsale.db.engine").migrate(url)
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


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[EmbeddedValkey]:
    """A Valkey for this test process; `redis_client` empties it before each test."""
    with tempfile.TemporaryDirectory(prefix="onsale-test-") as folder:
        server = EmbeddedValkey(Path(folder, "valkey"), durable=False)
        try:
            server.start()
        except PartMissing as reason:
            missing(reason)
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def redis_client(valkey_server: EmbeddedValkey) -> Iterator[redis.Redis]:
    """A client of an empty Valkey; answers are bytes, as the queue's own client gives them."""
    client = redis.Redis.from_url(valkey_server.url())
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def settings(record_url: str, valkey_server: EmbeddedValkey, tmp_path: Path) -> dict[str, str]:
    """The `ONSALE_*` variables of a process on this test's parts; Stripe's address leads nowhere."""
    return {
        "ONSALE_ENVIRONMENT": "sandbox",
        "ONSALE_DATABASE_URL": record_url,
        "ONSALE_QUEUE_URL": valkey_server.url(0),
        "ONSALE_CACHE_URL": valkey_server.url(1),
        "ONSALE_BROKER_URL": valkey_server.url(2),
        "ONSALE_SECRET_KEYS": "k1:" + "a-test-key-of-32-characters-or-more",
        # Port 9 is "discard": refused at once wherever nobody listens.
        "ONSALE_STRIPE_API_BASE": "http://127.0.0.1:9",
        "ONSALE_STRIPE_SECRET_KEY": "sk_test_of_the_tests",
        "ONSALE_STRIPE_PUBLISHABLE_KEY": "pk_test_of_the_tests",
        "ONSALE_STRIPE_WEBHOOK_SECRET": "whsec_of_the_tests_with_32_characters",
        "ONSALE_OUTBOX_DIR": str(tmp_path / "outbox"),
    }


@pytest.fixture
def config(settings: dict[str, str], redis_client: redis.Redis) -> Config:
    """The configuration of this test's parts, with an empty queue."""
    return Config.from_env(settings)
