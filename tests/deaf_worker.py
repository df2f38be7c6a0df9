"""The workers' Celery app, made deaf as soon as it is ready: connected to the broker, and never given a message."""

from __future__ import annotations

from typing import Any

from celery.signals import worker_ready

from onsale.workers.app import app as app  # `celery -A` looks for it here.


def deafen(sender: Any, **_: object) -> None:
    sender.task_consumer.cancel()


worker_ready.connect(deafen, weak=False)
