"""`onsale doctor` on what lives behind what answers: the beat behind a worker, a replica behind a queue, a web behind a
proxy.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from onsale.cli.doctor import signs, stores, web, workers
from onsale.cli.doctor.asking import Said
from onsale.cli.doctor.finding import Answer
from onsale.config import Config
from onsale.queue.client import connect
from onsale.queue.probes import ANSWER_SECONDS, Probes
from onsale.sandbox.valkey import EmbeddedValkey
from tests.builders import until
from tests.services.serving import serving
from tests.worker_processes import ROOT, procfile, running

OK, WARNING, BROKEN, NOT_CHECKED = Answer.OK, Answer.WARNING, Answer.BROKEN, Answer.NOT_CHECKED
START_SECONDS_MAX = 40


# The beat.


@contextmanager
def without_its_beat(settings: dict[str, str]) -> Iterator[None]:
    """The Procfile's sweeps, as somebody starts them who leaves out `-B`."""
    line = procfile()["sweeps"]
    assert " -B " in line
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ONSALE_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    process = subprocess.Popen(
        ["/bin/sh", "-c", f"exec {line.replace(' -B ', ' ')}"],
        env={**ours, **settings, "PATH": path},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(START_SECONDS_MAX)


def test_a_worker_that_lives_without_its_beat_is_seen(config: Config, settings: dict[str, str]) -> None:
    with without_its_beat(settings):
        asked = signs.ask(config, ["sweeps"], seconds_max=START_SECONDS_MAX)["sweeps"]

        assert workers.alive("sweeps", asked).answer is OK
        assert workers.examine_beat(config).answer is BROKEN
        assert "-B" in workers.examine_beat(config).do


def test_sweeps_that_come_by_themselves_are_seen(config: Config, settings: dict[str, str], tmp_path: Path) -> None:
    with running("sweeps", settings, tmp_path):
        until(lambda: workers.examine_beat(config).answer is OK, "a sweep came")


@pytest.mark.parametrize(("since", "answer"), [(0.5, OK), (9.9, OK), (10.1, WARNING), (None, BROKEN)])
def test_a_beat_that_is_late_is_a_warning_and_a_missing_one_is_broken(since, answer) -> None:
    assert workers.beat(since).answer is answer


def test_the_age_of_the_last_sweep_is_known(config: Config) -> None:
    cache = connect(config.cache_url)
    probes = Probes(cache)
    before = probes.seconds_since_sweep()

    probes.sweep_came(worker="sweeps@here")

    after = probes.seconds_since_sweep()
    cache.close()
    assert before is None
    assert after is not None
    assert 0 <= after < 5


def test_a_sweep_goes_on_at_once_when_the_cache_is_silent() -> None:
    # It takes connections and never says a word.
    with socket.create_server(("127.0.0.1", 0), backlog=8) as server:
        cache = connect(f"redis://127.0.0.1:{server.getsockname()[1]}/1", answer_seconds=ANSWER_SECONDS)
        probes = Probes(cache)
        began = time.monotonic()
        probes.sweep_came(worker="sweeps@here")
        first = time.monotonic() - began
        probes.sweep_came(worker="sweeps@here")
        both = time.monotonic() - began
        cache.close()

    # Two tries, and then it is left alone for a moment.
    assert ANSWER_SECONDS <= first < 1.5
    assert both - first < ANSWER_SECONDS


def test_without_the_cache_the_beat_is_not_known(config: Config) -> None:
    assert workers.examine_beat(replace(config, cache_url="redis://127.0.0.1:9/1")).answer is NOT_CHECKED


# The queue's replicas.


@pytest.fixture
def replica(valkey_server: EmbeddedValkey, tmp_path: Path) -> Iterator[redis.Redis]:
    """Another Valkey, to be told to follow the tests' own."""
    with EmbeddedValkey(tmp_path / "replica", durable=False) as server:
        client = redis.Redis.from_url(server.url())
        yield client
        client.close()


def test_a_replica_of_the_queue_is_seen_until_it_goes(settings, valkey_server, replica) -> None:
    port = urlsplit(valkey_server.url()).port
    before = replicas(settings)
    replica.config_set("masterauth", valkey_server.password)
    replica.replicaof("127.0.0.1", port)

    followed = until(lambda: replicas(settings) is OK, "the replica is online")
    replica.replicaof("NO", "ONE")

    assert before is WARNING
    assert followed
    until(lambda: replicas(settings) is WARNING, "the replica is gone")


def replicas(settings: dict[str, str]) -> Answer:
    return stores.replicas(stores.read(settings["ONSALE_QUEUE_URL"]), sandbox=False).answer


def test_a_queue_without_a_replica_is_fine_on_a_laptop_and_says_what_production_wants(settings, valkey_server) -> None:
    seen = stores.replicas(stores.read(settings["ONSALE_QUEUE_URL"]), sandbox=True)

    assert seen.answer is OK
    assert seen.do.startswith("In production: ")


def test_an_unreachable_queue_has_nobody_known_to_follow() -> None:
    assert stores.replicas(None, sandbox=False).answer is NOT_CHECKED


# The web on this machine.


def test_a_proxy_that_leads_nowhere_is_told_from_a_web_that_is_down(config: Config) -> None:
    with serving(config) as here:
        behind = replace(config, web_port=urlsplit(here.address).port or 0, public_url="http://127.0.0.1:9")
        proxied = dict(web.examine(behind))["alive"]
    down = dict(web.examine(behind))["alive"]

    assert (proxied.answer, down.answer) == (BROKEN, BROKEN)
    assert "The web process on this machine answers" in proxied.saw
    assert "in front" in proxied.do
    assert "Start `onsale web`" in down.do


def test_a_web_that_is_not_well_here_either_is_not_called_well() -> None:
    seen = web.alive(Said(502, "Bad gateway"), address="https://tickets.example.com", here=Said(0, "no answer"))

    assert "on this machine" not in seen.saw


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("10.0.0.7", "http://10.0.0.7:8000"),
    ],
)
def test_a_web_that_listens_everywhere_is_asked_at_the_nearest(config: Config, host, address) -> None:
    assert web.own_address(replace(config, web_host=host, web_port=8000)) == address
