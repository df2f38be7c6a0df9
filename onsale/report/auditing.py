"""What `onsale verify` finds, for a report: the one place where a report asks the auditor."""

from __future__ import annotations

from sqlalchemy import Engine

from onsale.config import Config
from onsale.db.ids import EventId
from onsale.verify.deployment import verify_with
from onsale.verify.verdict import Verdict


def audited(config: Config, engine: Engine, event_id: EventId, *, ledger: bool = True) -> Verdict:
    """The verdict on an event with everything that these settings name. Raises RecordUnavailable."""
    return verify_with(config, engine, event_id, ledger=ledger)
