"""The tables of the record, typed: what the migrations build, for reading and for the test that compares the two.

Statements are written by hand beside the functions that need them; the constraints are explained in the migrations.
"""

from onsale.db.models import (
    catalogue,
    chain,
    changes,
    codes,
    guards,
    letters,
    payments,
    people,
    queue,
    rates,
    refunds,
    sales,
    search,
    waiting,
    waits,
)
from onsale.db.models.base import Base

metadata = Base.metadata

__all__ = [
    "Base",
    "catalogue",
    "chain",
    "changes",
    "codes",
    "guards",
    "letters",
    "metadata",
    "payments",
    "people",
    "queue",
    "rates",
    "refunds",
    "sales",
    "search",
    "waiting",
    "waits",
]
