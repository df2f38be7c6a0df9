"""What every table shares: how Python's types and the constraints' names are written in PostgreSQL."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from sqlalchemy import BigInteger, DateTime, Integer, MetaData, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.orm import DeclarativeBase, mapped_column
from sqlalchemy.types import UserDefinedType

# A name that can be worked out is a name that an error, a migration and a person agree on.
NAMES = {
    "pk": "pk_%(table_name)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

Big = Annotated[int, mapped_column(BigInteger)]
BigKey = Annotated[int, mapped_column(BigInteger, primary_key=True)]
Key = Annotated[int, mapped_column(Integer, primary_key=True)]
UuidKey = Annotated[UUID, mapped_column(Uuid, primary_key=True)]
TextKey = Annotated[str, mapped_column(Text, primary_key=True)]


class PgSnapshot(UserDefinedType[str]):
    """PostgreSQL's own pg_snapshot, which SQLAlchemy does not know."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "pg_snapshot"


class Xid8(UserDefinedType[str]):
    """PostgreSQL's own xid8: a transaction's id that never wraps around."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


# Without this a reflected table has columns of no type, with a warning.
ischema_names["pg_snapshot"] = PgSnapshot
ischema_names["xid8"] = Xid8


class Base(DeclarativeBase):
    """The record's tables."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {
        str: Text,
        datetime: DateTime(timezone=True),
        UUID: Uuid,
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
    }
