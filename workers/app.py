"""The Celery application: which queues there are, how a task is delivered, and what is deliberately switched off.

Run as `celery -A onsale.workers.app worker -Q lanes|payments|mail|sweeps ...`. A message is only a wake-up: whatever is
lost here is sent again from the record by the `resend` sweep, so every option below prefers "once more" to "maybe
never".
"""

from __future__ import annotations

import os
import sys
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_ready

from onsale import logs
from onsale.config import Config
from onsale.queue import broker
from onsale.workers import hearing

# A wake-up taken by a worker that then vanished comes back after this long. No task runs that long (a call to the
# payment provider gives up after 25 s), and the sweep has sent another one long before.
VISIBILITY_TIMEOUT_SECONDS = 60
# For who runs a prefork pool. Threads are not ended by Celery's time limits: every call inside has a limit of its own.
TASK_SOFT_SECONDS = 45
TASK_HARD_SECONDS = 55
TASKS_PER_CHILD_MAX = 20_000
# A thread whose answer has come waits so long for one that computes; Python's own 5 ms are a third of a lane's batch.
SWITCH_SECONDS = 0.0002
# A beat message nobody took in this time is dropped: its successor does the same work.
SWEEP_EXPIRES_SECONDS = 10

SWEEPS = {
    "sweep": {"task": "onsale.sweep", "schedule": 1.0},
    "resend": {"task": "onsale.resend", "schedule": 1.0},
    "reconcile": {"task": "onsale.reconcile", "schedule": 5.0},
    "cancel_events": {"task": "onsale.cancel_events", "schedule": 2.0},
    "change_prices": {"task": "onsale.change_prices", "schedule": 1.0},
    "watch_mail": {"task": "onsale.watch_mail", "schedule": 60.0},
    "watch_stuck": {"task": "onsale.watch_stuck", "schedule": 15.0},
    "waiting_lists": {"task": "onsale.waiting_lists", "schedule": 1.0},
    "reminders": {"task": "onsale.reminders", "schedule": 10.0},
    "chain": {"task": "onsale.chain", "schedule": 2.0},
    "forget_addresses": {"task": "onsale.forget_addresses", "schedule": 600.0},
}


def options(config: Config) -> dict[str, Any]:
    """Every Celery setting Onsale relies on, each with what would break without it."""
    return {
        "broker_url": config.broker_url,
        **_delivery(),
        **_switched_off(),
        "task_queues": broker.QUEUES,
        "task_default_queue": broker.SWEEPS.name,
        "task_routes": broker.ROUTES,
        "task_create_missing_queues": False,  # A misspelt queue is an error, not a place where wake-ups rot.
        "beat_schedule": {
            name: {**entry, "options": {"expires": SWEEP_EXPIRES_SECONDS}} for name, entry in SWEEPS.items()
        },
        # In memory: a sweep every second needs no history, and a schedule file torn by a kill -9 would stop them all.
        "beat_scheduler": "celery.beat:Scheduler",
        "beat_max_loop_interval": 1,
        "timezone": "UTC",
    }


def _delivery() -> dict[str, Any]:
    """How a wake-up reaches a worker, and comes back when that worker dies."""
    return {
        # Acknowledged after the work: a worker killed in mid-task leaves the message to another one.
        "task_acks_late": True,
        # Prefork acknowledges for a child that was killed, unless told otherwise.
        "task_reject_on_worker_lost": True,
        # A task that raised was acknowledged: its state is in the record, and the sweep sends what is still due.
        "task_acks_on_failure_or_timeout": True,
        # A worker busy with a slow bank must not sit on wake-ups that an idle one could take.
        "worker_prefetch_multiplier": 1,
        # Celery's default is an hour. The shortest among all apps on one broker wins, so it is set wherever it is read.
        "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
        "broker_transport_options": broker.transport_options(VISIBILITY_TIMEOUT_SECONDS),
        "result_backend_transport_options": {"visibility_timeout": VISIBILITY_TIMEOUT_SECONDS},
        # The broker may come up after us, go away and come back; a worker that gives up would need somebody awake.
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        # A task cut off with the connection is safe to run again; left running it would hold a thread for nothing.
        "worker_cancel_long_running_tasks_on_connection_loss": True,
        "task_soft_time_limit": TASK_SOFT_SECONDS,
        "task_time_limit": TASK_HARD_SECONDS,
        # Memory that a driver leaks goes back to the system now and then (prefork only).
        "worker_max_tasks_per_child": TASKS_PER_CHILD_MAX,
    }


def _switched_off() -> dict[str, Any]:
    """What Celery offers and Onsale does without."""
    return {
        # Results are in the record. A result backend would cost two calls per task and tell a second truth.
        "result_backend": None,
        "task_ignore_result": True,
        "task_store_errors_even_if_ignored": False,
        # A pickle from the broker runs code; nothing here sends more than an id.
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_serializer": "json",
        # Remote control and events talk over fan-out exchanges: broker calls per task that nobody reads.
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "task_send_sent_event": False,
        # Our own formatter, without arguments or results: a token must not get into a log by way of a task.
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
    }


def _from_environment() -> dict[str, Any]:
    return options(Config.from_env(os.environ))


def _log_through_structlog(**_: object) -> None:
    """Connected, so that Celery configures no logging of its own."""
    logs.configure(Config.from_env(os.environ))


def _switch_threads_soon(**_: object) -> None:
    """What a thread of a worker waits for is mostly the record or the bank, not the interpreter."""
    sys.setswitchinterval(SWITCH_SECONDS)


# Not weak: nobody else keeps the functions alive for Celery.
setup_logging.connect(_log_through_structlog, weak=False)
worker_init.connect(_switch_threads_soon, weak=False)
worker_ready.connect(hearing.watch, weak=False)


app = Celery("onsale", include=["onsale.workers.tasks"], set_as_current=False)
# A promise: the environment is read when the first setting is asked for, not when this module is imported.
app.add_defaults(_from_environment)
