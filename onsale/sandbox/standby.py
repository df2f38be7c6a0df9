"""A PostgreSQL that can follow another one: what each of a pair's two servers is, in either role.

A role is not a property of a folder's name but of what is in it: `standby.signal` makes a standby, and of two servers
without it the one that was promoted last (its history is the longer one) is the primary.
"""

from __future__ import annotations

import shutil
from contextlib import closing, suppress
from pathlib import Path

import psutil

from onsale.sandbox.embedded import Identity, PartFailed, poll, secret_in, working_in
from onsale.sandbox.ports import LOOPBACK
from onsale.sandbox.postgres import USER, EmbeddedPostgres

# PostgreSQL's own name of the file that makes a standby.
STANDBY = "standby.signal"
PROMOTE_SECONDS_MAX = 30
# A standby that follows by then is in step; one that does not cannot follow any more and is copied anew.
FOLLOW_SECONDS_MAX = 15
# How much a primary keeps for a standby that is away: enough for a restart; after more it is copied anew.
WAL_KEPT = "256MB"
# Sent to each other this often at least; silence for longer means that the other one is gone.
SILENCE_SECONDS = 5
ASK_SECONDS = 0.005


class PairedPostgres(EmbeddedPostgres):
    """One of a pair: a primary, or (with a `source`) the standby that follows it."""

    def __init__(
        self,
        folder: Path,
        *,
        password_file: Path,
        port: int | None = None,
        durable: bool = True,
        identity: Identity | None = None,
    ) -> None:
        super().__init__(folder, port=port, durable=durable, identity=identity)
        self.source: PairedPostgres | None = None
        self._password_file = password_file

    @property
    def password(self) -> str:
        return secret_in(self._password_file)

    @property
    def has_data(self) -> bool:
        return (self.data_folder / "PG_VERSION").exists()

    @property
    def is_standby(self) -> bool:
        """Whether its data is a standby's: it follows somebody, or waits for somebody to follow."""
        return (self.data_folder / STANDBY).exists()

    @property
    def timeline(self) -> int:
        """How often this history was promoted, plus one; 0 without data."""
        if not self.has_data:
            return 0
        # Written by a promotion before it lets anybody write.
        histories = (self.data_folder / "pg_wal").glob("*.history")
        return max((int(file.stem, 16) for file in histories), default=1)

    @property
    def ended(self) -> bool:
        """Whether it was started and is gone."""
        return self._process is not None and self._process.poll() is not None

    def settings(self) -> dict[str, object]:
        settings = super().settings() | {
            # The standby gives this name; the primary waits for it.
            "cluster_name": self.folder.name,
            # Also where a power cut may lose everything: acknowledged means that the standby has it.
            "synchronous_commit": "on",
            "wal_keep_size": WAL_KEPT,
            "wal_sender_timeout": f"{SILENCE_SECONDS}s",
            "wal_receiver_timeout": f"{SILENCE_SECONDS}s",
            "wal_retrieve_retry_interval": "100ms",
        }
        if self.source is not None:
            settings["primary_conninfo"] = self._address_of(self.source)
        return settings

    def prepare(self) -> None:
        """A primary's cluster, or a copy of the source's unless ours follows it already."""
        if self.source is not None and not (self.has_data and self.is_standby):
            self._copy(self.source)
        super().prepare()

    def promote(self) -> None:
        """Make the standby a primary that waits for nobody; returns when it takes writes."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            # Whom it would wait for is dead: with a name set here every commit would hang.
            cursor.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            cursor.execute("SELECT pg_reload_conf(), pg_promote(false)")

            def takes_writes() -> bool:
                cursor.execute("SELECT NOT pg_is_in_recovery()")
                row = cursor.fetchone()
                return bool(row and row[0])

            if not poll(takes_writes, seconds=PROMOTE_SECONDS_MAX, every=ASK_SECONDS):
                raise PartFailed(f"The standby was not promoted within {PROMOTE_SECONDS_MAX} s; see {self.log_file}.")
        self.source = None

    def wait_for(self, standby: str) -> str:
        """From now on a commit is acknowledged when this standby has it on its disk; '' waits for nobody.

        Returns how far the log had come: up to there nobody waited, from there on everybody does.
        """
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("ALTER SYSTEM SET synchronous_standby_names = %s", (standby,))
            cursor.execute("SELECT pg_reload_conf()")

            def is_set() -> bool:
                cursor.execute("SHOW synchronous_standby_names")
                return bool(cursor.fetchone() == (standby,))

            if not poll(is_set, seconds=FOLLOW_SECONDS_MAX, every=ASK_SECONDS):
                raise PartFailed(f"The primary does not read its settings; see {self.log_file}.")
            # It is the checkpointer that tells all others to wait, and it reads its settings before a checkpoint.
            cursor.execute("CHECKPOINT")
        return self.lsn()

    def lsn(self) -> str:
        """How far this primary's log has come."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_current_wal_flush_lsn()::text")
            row = cursor.fetchone()
            assert row is not None
            return str(row[0])

    def is_followed(self, standby: str) -> bool:
        """Whether the standby of this name receives what is written here as it is written."""
        return bool(self._ask("SELECT state = 'streaming'", standby))

    def is_confirmed(self, standby: str, lsn: str) -> bool:
        """Whether commits wait for this standby, and it has everything up to there on its disk."""
        return bool(self._ask("SELECT sync_state = 'sync' AND flush_lsn >= %s::pg_lsn", lsn, standby))

    def is_replayed(self, standby: str, lsn: str) -> bool:
        """Whether who reads on this standby sees everything up to there."""
        return bool(self._ask("SELECT replay_lsn >= %s::pg_lsn", lsn, standby))

    def _ask(self, question: str, *values: str) -> object:
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(question + " FROM pg_stat_replication WHERE application_name = %s", values)
            row = cursor.fetchone()
            return row and row[0]

    def copy_anew(self) -> None:
        """Forget what is here and follow the source from a fresh copy."""
        self.kill()
        shutil.rmtree(self.data_folder, ignore_errors=True)
        self.start_again_if_ended()

    def fence(self) -> None:
        """End whatever still works in this folder: a primary that lost its first process may go on for a moment."""
        left = list(working_in(self.data_folder, self.program))
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=PROMOTE_SECONDS_MAX)

    def _copy(self, source: PairedPostgres) -> None:
        """A fresh copy of the source. What an old primary wrote and nobody was told of goes with its old folder."""
        address = self._address_of(source)

        def options(fresh: Path) -> list[str]:
            return [
                f"--pgdata={fresh}",
                f"--dbname={address}",
                "--wal-method=stream",
                "--checkpoint=fast",
                *self.unless_durable("--no-sync"),
            ]

        self.make_data("pg_basebackup", options, mark=STANDBY)

    def _address_of(self, source: PairedPostgres) -> str:
        # Arguments can be read by everybody on the machine, so the password goes by a file.
        passes = self.secret_file("passes", f"{LOOPBACK}:*:*:{USER}:{self.password}\n")
        return f"host={LOOPBACK} port={source.port} user={USER} passfile='{passes}'"
