"""Celery is set up so that a wake-up comes back when its worker dies, and nothing else of Celery is relied on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from onsale.queue import broker
from onsale.workers.app import SWEEPS, VISIBILITY_TIMEOUT_SECONDS
from onsale.workers.tasks import app
from tests.worker_processes import procfile

SETTINGS = {
    "ONSALE_ENVIRONMENT": "sandbox",
    "ONSALE_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
    "ONSALE_QUEUE_URL": "redis://127.0.0.1:9/0",
    "ONSALE_SECRET_KEYS": "k1:" + "a-test-key-of-32-characters-or-more",
    "ONSALE_STRIPE_SECRET_KEY": "sk_test_of_the_tests",
    "ONSALE_STRIPE_PUBLISHABLE_KEY": "pk_test_of_the_tests",
    "ONSALE_STRIPE_WEBHOOK_SECRET": "whsec_of_the_tests_with_32_characters",
}


@pytest.fixture
def conf(monkeypatch):
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    return app.conf


def test_importing_the_workers_reads_no_environment():
    done = subprocess.run(
        [sys.executable, "-c", "import onsale.workers.tasks"], env={}, capture_output=True, text=True, timeout=60
    )

    assert done.returncode == 0, done.stderr


def test_a_wake_up_is_acknowledged_after_the_work_and_comes_back_soon(conf):
    assert conf.task_acks_late
    assert conf.task_reject_on_worker_lost
    assert conf.worker_prefetch_multiplier == 1
    timeouts = {
        conf.visibility_timeout,
        conf.broker_transport_options["visibility_timeout"],
        conf.result_backend_transport_options["visibility_timeout"],
    }
    assert timeouts == {VISIBILITY_TIMEOUT_SECONDS}
    assert conf.task_time_limit < VISIBILITY_TIMEOUT_SECONDS


def test_no_result_no_pickle_no_queue_by_a_slip(conf):
    assert conf.result_backend is None
    assert conf.task_ignore_result
    assert conf.accept_content == ["json"]
    assert not conf.task_create_missing_queues


def test_every_name_a_wake_up_is_sent_under_is_a_task_with_a_queue_that_a_process_takes(conf):
    ours = {name for name in app.tasks if name.startswith("onsale.")}
    lines = " ".join(procfile().values())

    assert {broker.WORK_LANE, broker.AUTHORISE, broker.RESUME, broker.SEND_MAIL} <= ours
    assert {entry["task"] for entry in SWEEPS.values()} <= ours
    assert ours == set(broker.ROUTES)
    for queue in broker.QUEUES:
        assert f"-Q {queue.name} " in lines
