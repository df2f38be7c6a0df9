"""The machine's own nginx in front of a web of the sandbox, by the very file that `deploy/` has for production.

with EmbeddedNginx(folder, web_port=8000, seats_port=8002) as nginx:
    requests.get(f"{nginx.url}/v1/events/1/queue")
"""

from __future__ import annotations

import http.client
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from onsale.sandbox.embedded import EmbeddedServer, PartFailed, PartMissing
from onsale.sandbox.ports import LOOPBACK

ANSWER_SECONDS = 5
# Debian keeps it where only root's PATH leads.
_PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/bin"))


@dataclass(frozen=True)
class Upstream:
    """A request that went on to the web: what the cache made of it, what the web answered, and what was asked."""

    at: float
    cache: str
    status: str
    verb: str
    path: str


class EmbeddedNginx(EmbeddedServer):
    """nginx with `deploy/nginx.conf`, changed in nothing but ports and folders. PartMissing where there is none."""

    name = "nginx"
    program = "nginx"
    stop_signal = signal.SIGTERM

    def __init__(self, folder: Path, *, web_port: int, seats_port: int) -> None:
        super().__init__(folder)
        self._web_port, self._seats_port = web_port, seats_port

    @property
    def data_folder(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def upstream_log(self) -> Path:
        return self.folder / "upstream.log"

    def upstream(self) -> Iterator[Upstream]:
        """What went on to the web, oldest first."""
        for line in self.upstream_log.read_text().splitlines():
            at, cache, status, verb, path, _ = line.split(" ")
            yield Upstream(float(at), cache, status, verb, path)

    def prepare(self) -> None:
        self.data_folder.mkdir(exist_ok=True, mode=0o700)

    def command(self) -> list[str]:
        found = shutil.which("nginx", path=_PLACES)
        if found is None:
            raise PartMissing("There is no nginx on this machine. Install it: apt install nginx-light.")
        file = self.folder / "nginx.conf"
        file.write_text(self._settings(), encoding="utf-8")
        # Its workers would be nobody, who may not look into a folder of ours.
        as_root = " user root;" if os.geteuid() == 0 else ""
        return [found, "-p", str(self.data_folder), "-c", str(file), "-g", f"daemon off;{as_root}"]

    def answers(self) -> bool:
        asking = http.client.HTTPConnection(LOOPBACK, self.port, timeout=ANSWER_SECONDS)
        try:
            # It answers this by itself.
            asking.request("GET", "/metrics")
            return asking.getresponse().status == http.HTTPStatus.NOT_FOUND
        except OSError:
            return False
        finally:
            asking.close()

    def _settings(self) -> str:
        text = (files("onsale.sandbox") / "nginx.conf").read_text(encoding="utf-8")
        ours = {
            "listen 8080 ": f"listen {LOOPBACK}:{self.port} ",
            "server 127.0.0.1:8000;": f"server {LOOPBACK}:{self._web_port};",
            "server 127.0.0.1:8002;": f"server {LOOPBACK}:{self._seats_port};",
            "/var/cache/nginx/onsale ": f"{self.folder / 'cache'} ",
            "/var/log/nginx/onsale-upstream.log": str(self.upstream_log),
            "pid /run/onsale-nginx.pid;": f"pid {self.folder / 'nginx.pid'};",
            "worker_rlimit_nofile 65536;": "",
        }
        for theirs, mine in ours.items():
            if text.count(theirs) != 1:
                raise PartFailed(f"deploy/nginx.conf should say {theirs!r} once.")
            text = text.replace(theirs, mine)
        return text
