"""The migrations: one line of them, safe to run twice and at once, building what the models say."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool, create_engine, text

from onsale.db import engine as record
from onsale.db.models import metadata
from onsale.db.states import FIRST, LEGAL_MOVES, NEW
from tests.builders import a_show, run_sql


def scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(record._settings())


def test_there_is_one_head():
    assert len(scripts().get_heads()) == 1


def test_migrations_are_numbered_without_a_gap():
    numbers = sorted(int(script.revision) for script in scripts().walk_revisions())

    assert numbers == list(range(1, len(numbers) + 1))


def test_the_migrated_schema_is_what_the_models_say(engine):
    def ours(_thing, name, kind, _reflected, _compared):
        return not (kind == "index" and name.endswith("_trigrams")) and name != "alembic_version"

    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": ours})
        differences = compare_metadata(context, metadata)

    assert differences == []


def test_every_constraint_of_the_models_is_in_the_record_under_its_name(engine):
    with engine.connect() as connection:
        there = set(connection.execute(text("SELECT conname FROM pg_constraint")).scalars())

    wanted = {str(constraint.name) for table in metadata.tables.values() for constraint in table.constraints}
    assert wanted - there == set()


def test_the_legal_moves_in_the_record_are_those_in_the_code(engine):
    with engine.connect() as connection:
        there = {tuple(row) for row in connection.execute(text("SELECT from_state, to_state FROM booking_moves"))}

    moves = {(before.value, after.value) for before, afters in LEGAL_MOVES.items() for after in afters}
    assert there == moves | {(NEW, first.value) for first in FIRST}


def test_migrating_twice_changes_nothing(record_url, engine):
    record.migrate(record_url)

    with engine.connect() as connection:
        assert record.is_ready(connection)


def test_four_processes_may_migrate_at_once(empty_database_url):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record.migrate, [empty_database_url] * 4))

    with create_engine(empty_database_url).connect() as connection:
        assert record.is_ready(connection)
        connection.engine.dispose()


def test_a_record_without_the_newest_schema_is_not_ready(engine):
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))

        assert not record.is_ready(connection)


@pytest.mark.parametrize("table", ["tickets", "bookings", "booking_tickets"])
def test_hot_tables_leave_room_for_the_next_version_of_a_row(engine, table):
    with engine.connect() as connection:
        options = connection.execute(text("SELECT reloptions FROM pg_class WHERE relname = :t"), {"t": table}).scalar()

    assert any(option.startswith("fillfactor=") for option in options)


def run_again(url: str, revision: str) -> None:
    """This one migration, on a schema that has those after it."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        settings = record._settings()
        settings.attributes["connection"] = connection
        command.upgrade(settings, revision)
        connection.commit()
    run_sql(engine, "UPDATE alembic_version SET version_num = :newest", newest=record.newest_revision())


def test_what_was_written_before_words_of_every_script_is_written_anew_also_when_it_was_cut_short(record_url, engine):
    # More than one of its steps.
    events = [a_show(engine, f"방탄 {number}") for number in range(260)]
    run_sql(engine, "UPDATE search_documents SET all_words = '', all_terms = ''")
    run_sql(engine, "UPDATE alembic_version SET version_num = '0017'")

    run_again(record_url, "0018")

    with engine.connect() as connection:
        there = connection.execute(
            text("SELECT count(*) FROM search_documents d, search_document(d.event_id) w WHERE d.* = w.*")
        )
        assert there.scalar_one() == len(events)
