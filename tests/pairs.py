"""What tests do to a primary and its standby."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import psutil

from onsale.sandbox.embedded import working_in
from onsale.sandbox.pair import PostgresPair


@contextmanager
def mute(pair: PostgresPair) -> Iterator[None]:
    """The primary sends nothing to its standby for a while; neither knows yet. Only for a few seconds."""
    processes = working_in(pair.primary.data_folder, pair.program)
    (sender,) = [one for one in processes if "walsender" in " ".join(one.cmdline())]
    sender.suspend()
    try:
        yield
    finally:
        with suppress(psutil.NoSuchProcess):
            sender.resume()


def waits_for_the_standby(pair: PostgresPair) -> bool:
    """Whether a commit on the primary waits to be confirmed."""
    with closing(pair.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        row = cursor.fetchone()
        return bool(row and row[0])
