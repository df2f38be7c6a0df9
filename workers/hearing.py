"""Ends a worker that is alive and deaf, so that whoever keeps it running starts it anew: decision 0096.

After a broken connection to the broker a Celery worker may run on, idle, and never be given a message again (celery
issues 8030, 9054, 10205). It cannot know; but what waits in its queue while it has nothing to do can be counted.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import structlog
from celery import Celery
from celery.worker import state
from kombu.exceptions import OperationalError

# A worker that hears takes a message within milliseconds. Looks, not seconds: one that was stopped and goes on has not
# been deaf for as long as the clock says.
EVERY_SECONDS = 1.0
LOOKS_MAX = 6
# EX_TEMPFAIL of sysexits.h: try again.
EXIT_CODE = 75

log = structlog.get_logger(__name__)


@dataclass
class Hearing:
    """What was seen of one worker at one look after the other."""

    taken: int = 0
    looks: int = 0

    def is_gone(self, *, waiting: int, busy: int, taken: int) -> bool:
        """Whether messages have waited for so many looks beside a worker that did nothing and took none.

        `busy`: messages that it has and did not finish. `taken`: those it took since it started.
        """
        idle = waiting > 0 and busy == 0 and taken == self.taken
        self.looks, self.taken = self.looks + 1 if idle else 0, taken
        return self.looks >= LOOKS_MAX


def watch(sender: Any, **_: object) -> None:
    """Look after the worker that has just begun to consume, in a thread that ends with the process."""
    names = sorted(sender.app.amqp.queues.consume_from)
    # Celery says that it is ready after each new connection as well.
    if not any(thread.name == _THREAD for thread in threading.enumerate()):
        threading.Thread(target=_look_after, args=(sender.app, names), name=_THREAD, daemon=True).start()


_THREAD = "hearing"


def _look_after(app: Celery, queues: Sequence[str]) -> None:
    hearing, rest = Hearing(), threading.Event()
    while not rest.wait(EVERY_SECONDS):
        taken = state.all_total_count[0]
        if hearing.is_gone(waiting=_waiting(app, queues), busy=len(state.reserved_requests), taken=taken):
            log.critical("worker_deaf", queues=list(queues), looks=hearing.looks)
            _end()


def _waiting(app: Celery, queues: Sequence[str]) -> int:
    """How many messages wait for a worker of these queues; 0 when the broker is away."""
    connection = app.connection_for_write()
    try:
        with connection, connection.channel() as channel:
            # kombu counts by declaring; on Redis a queue that is empty is not there at all, and is not made.
            return sum(channel.queue_declare(queue=name, durable=True).message_count for name in queues)
    except (OperationalError, *connection.recoverable_connection_errors):
        return 0


def _end() -> None:
    """At once, with the beat that runs beside: no task is under way, and a warm shutdown would wait for the broker."""
    for child in psutil.Process().children(recursive=True):
        child.kill()
    os._exit(EXIT_CODE)
