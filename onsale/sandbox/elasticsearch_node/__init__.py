"""Builds an Elasticsearch out of its jars on Maven Central: a launcher, the text filters they lack, and Maven."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onsale.sandbox.embedded import PartFailed, PartMissing

# Elasticsearch 9 is compiled for it.
JAVA_MIN = 21
# Where Java lies on Debian, on Fedora and on a Mac, beside JAVA_HOME and the path.
JAVA_FOLDERS = ("/usr/lib/jvm/*", "/Library/Java/JavaVirtualMachines/*/Contents/Home")
SOURCES = Path(__file__).parent
# The first build fetches 75 MB.
BUILD_SECONDS_MAX = 600
NETWORK = "transport-netty4"
_DESCRIPTOR = "plugin-descriptor.properties"


@dataclass(frozen=True)
class Distribution:
    """What a node is started from: the home of a JDK, and a folder with lib/ and modules/. Nothing writes to it."""

    java_home: Path
    home: Path

    @property
    def java(self) -> Path:
        return self.java_home / "bin" / "java"


def distribution() -> Distribution:
    """The node's files, built at the first call; PartMissing without Java 21 or Maven, PartFailed when Maven fails."""
    java_home = newest_java()
    if java_home is None:
        raise PartMissing(f"Elasticsearch needs a JDK {JAVA_MIN} or newer; JAVA_HOME names one.")
    maven = shutil.which("mvn")
    home = cache_folder() / _fingerprint()
    if not home.exists():
        if maven is None:
            raise PartMissing("Elasticsearch is built with Maven, and there is no `mvn` on the path.")
        _build(maven, java_home, home)
    return Distribution(java_home, home)


def newest_java() -> Path | None:
    """The home of the newest JDK here that is new enough."""
    versions = {home: java_version(home) for home in _java_homes() if (home / "bin" / "javac").exists()}
    best = max(versions, key=lambda home: versions[home], default=None)
    return best if best and versions[best] >= JAVA_MIN else None


def java_version(home: Path) -> int:
    """The major version that a JDK's release file tells; 0 when it tells none."""
    try:
        found = re.search(r'^JAVA_VERSION="(\d+)', (home / "release").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def cache_folder() -> Path:
    """Where builds are kept, for every checkout of this user."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "onsale" / "elasticsearch"


def _java_homes() -> Iterator[Path]:
    if named := os.environ.get("JAVA_HOME"):
        yield Path(named)
    if found := shutil.which("javac"):
        yield Path(found).resolve().parent.parent
    for pattern in JAVA_FOLDERS:
        yield from Path("/").glob(pattern.lstrip("/"))


def _fingerprint() -> str:
    """Another pom, launcher or filter is another build."""
    files = sorted([SOURCES / "pom.xml", *(each for each in (SOURCES / "src").rglob("*") if each.is_file())])
    return hashlib.sha256(b"\0".join(each.read_bytes() for each in files)).hexdigest()[:16]


def _build(maven: str, java_home: Path, home: Path) -> None:
    """Let Maven build beside the target and put it there whole; processes that want it at once build it once."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with (home.parent / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if home.exists():
            return
        with tempfile.TemporaryDirectory(dir=home.parent) as folder:
            project = Path(folder)
            shutil.copy(SOURCES / "pom.xml", project)
            shutil.copytree(SOURCES / "src", project / "src")
            _run_maven(maven, java_home, project)
            built = project / "target" / "home"
            _describe_network(built / "modules" / NETWORK)
            built.rename(home)


def _run_maven(maven: str, java_home: Path, project: Path) -> None:
    command = [maven, "--quiet", "--batch-mode", "--file", str(project / "pom.xml"), "package"]
    env = {**os.environ, "JAVA_HOME": str(java_home)}
    try:
        ran = subprocess.run(command, env=env, capture_output=True, text=True, timeout=BUILD_SECONDS_MAX, check=False)
    except subprocess.TimeoutExpired:
        raise PartFailed(f"Maven did not finish Elasticsearch within {BUILD_SECONDS_MAX} s.") from None
    if ran.returncode:
        errors = [line for line in ran.stdout.splitlines() if "ERROR" in line]
        raise PartFailed("Maven could not build Elasticsearch:\n" + "\n".join(errors[:3]))


def _describe_network(module: Path) -> None:
    """Put the module's own descriptor beside its jars, without its name as a Java module: ours is on the class path."""
    (jar,) = module.glob(f"{NETWORK}-*.jar")
    with zipfile.ZipFile(jar) as files:
        lines = files.read(f"META-INF/es-plugins/{NETWORK}/{_DESCRIPTOR}").decode().splitlines()
    kept = [line for line in lines if not line.startswith("modulename")]
    (module / _DESCRIPTOR).write_text("\n".join(kept) + "\n", encoding="utf-8")
