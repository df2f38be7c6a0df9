"""Statements that a connection's server plans once: for a few big ones that run many times a second.

The driver has no call for it, so PREPARE and EXECUTE are said in SQL. What is planned lives as long as the connection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from zlib import crc32

from sqlalchemy import Connection, CursorResult
from sqlalchemy.exc import DBAPIError

from onsale.db import sql
from onsale.errors import RecordUnavailable

# `:name`, and not the `::` of a cast.
_PARAMETER = re.compile(r"(?<!:):([a-z_]+)")
_KNOWN = "prepared"
# The server does not know the statement, knows it already, or its columns have another type since: a pooler gave us
# another server's connection, or a migration came by.
_NOT_AS_PLANNED = ("26000", "42P05", "0A000")


def execute(connection: Connection, name: str, arguments: Mapping[str, Any]) -> CursorResult[Any]:
    """Run `db/sql/<name>.sql`, planned at most a few times per connection.

    RecordUnavailable when the connection's plan is not there any more: the transaction is over, and the connection is
    given up, so that the next one plans anew.
    """
    prepare, run, order = _said(name, sql.load(name).text)
    try:
        if run not in connection.info.setdefault(_KNOWN, set()):
            connection.exec_driver_sql(prepare)
            connection.info[_KNOWN].add(run)
        return connection.exec_driver_sql(run, tuple(arguments[each] for each in order))
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) in _NOT_AS_PLANNED:
            connection.invalidate(error)
            raise RecordUnavailable("A planned statement was lost. Try again.") from error
        raise


@cache
def _said(name: str, text: str) -> tuple[str, str, tuple[str, ...]]:
    """PREPARE, EXECUTE, and the parameters in their order. Another text is another statement."""
    order = tuple(dict.fromkeys(_PARAMETER.findall(text)))
    numbered = _PARAMETER.sub(lambda found: f"${order.index(found[1]) + 1}", text)
    planned = f"{name}_{crc32(text.encode()):08x}"
    return f"PREPARE {planned} AS {numbered}", f"EXECUTE {planned} ({', '.join(['%s'] * len(order))})", order
