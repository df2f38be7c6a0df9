"""The web under load: Granian as `onsale web` runs it, a crowd in another process, and the CPU the web took for it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from onsale.sandbox.bench import empty_route
from onsale.sandbox.bench.parts import Parts
from onsale.sandbox.bench.processes import running
from onsale.sandbox.cpu_time import cpu_seconds
from onsale.sandbox.embedded import PartFailed, poll
from onsale.sandbox.ports import LOOPBACK
from onsale.sandbox.stack import answers

FACTORY = f"{empty_route.__name__}:application"
LOG = "web.log"
CONNECTIONS = 16
START_SECONDS_MAX = 30
LOAD_SECONDS_MAX = 180
# The first requests connect, import and compile; then so many say how many fit into a run.
WARM_UP = 200
CALIBRATION = 1_000


@dataclass(frozen=True)
class Load:
    """What a crowd got, and what that cost the web."""

    answered: int
    refused: int
    seconds: float
    # From asking to the whole answer.
    p50_ms: float
    p99_ms: float
    cpu_seconds: float

    @property
    def per_cpu_second(self) -> float:
        return self.answered / self.cpu_seconds

    @property
    def per_second(self) -> float:
        return self.answered / self.seconds


@dataclass(frozen=True)
class WebProcess:
    """A running web of one worker, with its threads as they are set, and the empty route beside it."""

    pid: int
    port: int
    env: dict[str, str]
    folder: Path

    def load(
        self, requests: Sequence[bytes], *, times: int = 1, status: int = 200, connections: int = CONNECTIONS
    ) -> Load:
        """Send these requests and wait for all answers; `status` is what counts as answered."""
        file = self.folder / "requests"
        file.write_bytes(b"".join(requests))
        words = [str(self.port), str(connections), str(file), str(times), str(status)]
        command = [sys.executable, "-m", "onsale.sandbox.bench.load", *words]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.env, text=True
        ) as process:
            assert process.stdout is not None
            if process.stdout.readline() != "ready\n":
                raise PartFailed("The crowd of the bench could not connect to the web.")
            before = cpu_seconds(self.pid)
            said, _ = process.communicate("go\n", timeout=LOAD_SECONDS_MAX)
            spent = cpu_seconds(self.pid) - before
        if process.returncode != 0:
            raise PartFailed("The crowd of the bench did not get its answers.")
        return Load(**json.loads(said), cpu_seconds=spent)

    def times_for(self, request: bytes, seconds: float) -> int:
        """How often this request can be sent in so many seconds, from a short trial."""
        self.load([request], times=WARM_UP)
        return max(WARM_UP, round(self.load([request], times=CALIBRATION).per_second * seconds))


@contextmanager
def web_process(parts: Parts, *, factory: str = FACTORY) -> Iterator[WebProcess]:
    """The web on these parts. The same options as `onsale web`, whose command cannot take a factory of ours."""
    port = parts.config.web_port
    words = ["--interface", "wsgi", "--factory", "--host", LOOPBACK, "--port", str(port), "--no-ws"]
    words += ["--workers", "1", "--blocking-threads", str(parts.config.web_threads), "--backlog", "2048"]
    command = [sys.executable, "-m", "granian", *words, "--log-level", "warning", factory]
    with running(command, env=parts.env, log=parts.folder / LOG) as process:
        address = f"http://{LOOPBACK}:{port}{empty_route.PATH}"
        up = poll(lambda: process.poll() is not None or answers(address), seconds=START_SECONDS_MAX)
        if up and process.poll() is None:
            yield WebProcess(process.pid, port, parts.env, parts.folder)
        elif not up:
            raise PartFailed(f"The web did not answer within {START_SECONDS_MAX} s.")


def get(path: str) -> bytes:
    """A GET without a body, as short as HTTP allows."""
    return f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}\r\n\r\n".encode()


EMPTY = get(empty_route.PATH)
