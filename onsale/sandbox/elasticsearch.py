"""An Elasticsearch of one's own, on 127.0.0.1, from jars on Maven Central; where Java and Maven are.

with EmbeddedElasticsearch(Path(".onsale/elasticsearch")) as node:
    client = elasticsearch.Elasticsearch(node.url())
"""

from __future__ import annotations

import http.client
import json
import signal
from pathlib import Path

from onsale.sandbox.elasticsearch_node import Distribution, distribution
from onsale.sandbox.embedded import EmbeddedServer
from onsale.sandbox.ports import LOOPBACK

HEAP_MEGABYTES = 512
ANSWER_SECONDS = 5
LOG_SETTINGS = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


class EmbeddedElasticsearch(EmbeddedServer):
    """One node in a folder. Everyone on this machine may ask it: what it holds is public."""

    name = "Elasticsearch"
    program = "java"
    stop_signal = signal.SIGTERM

    _distribution: Distribution

    @property
    def data_folder(self) -> Path:
        return self.folder / "data"

    @property
    def log_settings(self) -> Path:
        return self.folder / "config" / "log4j2.properties"

    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    def prepare(self) -> None:
        self._distribution = distribution()
        for name in ("data", "config", "logs"):
            (self.folder / name).mkdir(exist_ok=True, mode=0o700)
        self.log_settings.write_text(LOG_SETTINGS, encoding="utf-8")

    def command(self) -> list[str]:
        home = self._distribution.home
        settings = {
            "path.home": home,
            "path.data": self.data_folder,
            "path.logs": self.folder / "logs",
            "cluster.name": "onsale",
            "node.name": "onsale",
            "discovery.type": "single-node",
            "network.host": LOOPBACK,
            "http.port": self.port,
            # A port of its own choice: nobody but the node itself uses it.
            "transport.port": "0",
            # A laptop's disk is often nine tenths full, and an index that turns read-only helps nobody there.
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            # Names of indices are ours; one that is misspelt must not come into being.
            "action.auto_create_index": "false",
        }
        return [
            str(self._distribution.java),
            f"-Xms{HEAP_MEGABYTES}m",
            f"-Xmx{HEAP_MEGABYTES}m",
            # Better gone and started again than alive and out of memory.
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",
            f"-Dlog4j2.configurationFile={self.log_settings}",
            "--enable-native-access=ALL-UNNAMED",
            "--add-modules=jdk.incubator.vector",
            *("-cp", f"{home}/lib/*"),
            "onsale.node.OneNode",
            str(self.folder / "config"),
            *(f"{name}={value}" for name, value in settings.items()),
        ]

    def answers(self) -> bool:
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=ANSWER_SECONDS)
        try:
            connection.request("GET", "/_cluster/health")
            answer = connection.getresponse()
            return answer.status == http.HTTPStatus.OK and json.load(answer)["status"] != "red"
        # Not listening yet, or still reading its data.
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()
