"""The tables of the record, typed: what the migrations build, for reading and for the test that compares the two.

Statements are written by hand beside the functions that need them; the constraints are explained in the migrations.
"""

from onsale.db.models import catalogue, changes, guards, letters, payments, people, queue, refunds, sales, search
from onsale.db.models.base import Base

metadata = Base.metadata

__all__ = [
    "Base",
    "catalogue",
    "changes",
    "guards",
    "letters",
    "metadata",
    "payments",
    "people",
    "queue",
    "refunds",
    "sales",
    "search",
]
