"""What an operator asks of a web process: is it alive, is it ready, and how does the sale go (Prometheus)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from flask import Blueprint, Flask, Response, current_app, request
from redis.exceptions import RedisError
from sqlalchemy.exc import SQLAlchemyError

from onsale.db.engine import is_ready, reading
from onsale.errors import NotFound, OnsaleError
from onsale.web.box_office import BoxOffice, box_office
from onsale.web.copies import Copies
from onsale.web.metrics import CONTENT_TYPE, written

health = Blueprint("health", __name__)

METRICS = "onsale-metrics"
# However many ask: the record is asked for its numbers this often at most.
METRICS_SECONDS = 3.0
SECONDS_MAX = 1.0
# Two parts, and as many again for a probe that came while the last one hangs.
_asking = ThreadPoolExecutor(max_workers=4, thread_name_prefix="readyz")


def register(app: Flask) -> None:
    """Mount it."""
    app.register_blueprint(health)
    office: BoxOffice = app.extensions["onsale"]
    app.extensions[METRICS] = Copies(lambda _: written(office), name="metrics", every_seconds=METRICS_SECONDS)


@health.get("/healthz")
def healthz() -> Response:
    """The process answers."""
    return _plain("ok")


@health.get("/readyz")
def readyz() -> Response:
    """The process can serve: the record and the queue answer, each asked for at most a second."""
    office = box_office()
    if office.draining.is_set():
        return _plain("draining", 503)
    parts = (("record", _ask_record), ("queue", _ask_queue))
    missing = [name for name, ask in parts if not _within_a_second(ask, office)]
    return _plain(f"{' and '.join(missing)} not reachable", 503) if missing else _plain("ready")


@health.get("/metrics")
def metrics() -> Response:
    """The numbers of the sale; for this machine only."""
    if not _from_here():
        raise NotFound
    copies: Copies[str, bytes] = current_app.extensions[METRICS]
    return Response(copies.get("metrics"), content_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _from_here() -> bool:
    """Whether the asker is on this machine: not through a proxy, unless its word about the asker is believed."""
    if "X-Forwarded-For" in request.headers and not box_office().config.trusted_proxies:
        return False
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        # A socket file has no address, and only this machine can open it.
        return not request.remote_addr


def _plain(text: str, status: int = 200) -> Response:
    return Response(text + "\n", status, mimetype="text/plain", headers={"Cache-Control": "no-store"})


def _ask_record(office: BoxOffice) -> bool:
    with reading(office.engine) as connection:
        return is_ready(connection)


def _ask_queue(office: BoxOffice) -> bool:
    return bool(office.queue_client.ping())


def _within_a_second(ask: Callable[[BoxOffice], bool], office: BoxOffice) -> bool:
    """The answer, or no after a second: a probe that hangs is as bad as one that lies."""
    asked = _asking.submit(ask, office)
    try:
        return asked.result(timeout=SECONDS_MAX)
    except (TimeoutError, OnsaleError, RedisError, SQLAlchemyError):
        return False
