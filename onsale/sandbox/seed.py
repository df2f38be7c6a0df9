"""`onsale seed`: fills an empty record with the sample catalogue, its people and its on-sales.

Running it twice changes nothing. `--rearm` puts the two shows of the demo on sale anew: each gets another evening, a
new event with fresh tickets under the same address; the evening before it is closed and keeps its history.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from onsale.db.ids import EventId
from onsale.sandbox.passwords import Passwords


@dataclass(frozen=True)
class Seeded:
    """What is in the record now; `selling_now` and `opens_soon` are the demo's two events."""

    events: int
    tickets: int
    selling_now: EventId
    opens_soon: EventId


def seed(connection: Connection, *, now: datetime, passwords: Passwords, rearm: bool = False) -> Seeded:
    """Write what is missing of the catalogue in the connection's transaction; the caller commits.

    The demo's events have the slugs `selling-now` and `opens-soon`.
    """
    raise NotImplementedError
