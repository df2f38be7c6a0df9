"""How Alembic finds the record: a connection handed over by `engine.migrate`, or ONSALE_DATABASE_URL at a desk."""

import os

from alembic import context
from sqlalchemy import Connection, create_engine

from onsale.db.models import metadata

# A migration that waits longer than this for a table would make everybody behind it wait too.
LOCK_TIMEOUT = "5s"


def mine(thing, name, kind, reflected, compare_to):
    """Leave out what is written by hand because it depends on an extension that may be missing."""
    return not (kind == "index" and name.endswith("_trigrams"))


def run(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        transaction_per_migration=True,
        compare_type=True,
        include_object=mine,
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with create_engine(os.environ["ONSALE_DATABASE_URL"]).connect() as own:
        own.exec_driver_sql(f"SET lock_timeout = '{LOCK_TIMEOUT}'")
        own.commit()
        run(own)
