"""`onsale doctor` on real parts: what is set wrong, switched off, stopped or away is seen, and said without secrets."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from click.testing import CliRunner
from sqlalchemy import Engine, create_engine, make_url, text

from onsale.cli.doctor import PARTS, clocks, doctor, payments, record, signs, stores, web, workers
from onsale.cli.doctor.examining import SECONDS_MAX, Part, examine
from onsale.cli.doctor.finding import Answer, Finding
from onsale.config import Config
from onsale.db.engine import make_engine
from onsale.db.ids import EventId
from onsale.db.wishes import Wish
from onsale.queue.keys import EventKeys
from onsale.sandbox.pair import PostgresPair
from onsale.workers.lanes import work_lane
from tests.builders import a_booking, a_buyer, an_event, let_the_hold_run_out, open_queue, run_sql, seat, until
from tests.conftest import ONSALE, STRIPE_SETTINGS, House
from tests.services.conftest import Receiver
from tests.services.serving import serving
from tests.worker_processes import running

OK, WARNING, BROKEN, NOT_CHECKED = Answer.OK, Answer.WARNING, Answer.BROKEN, Answer.NOT_CHECKED
# Enough for an idle worker by far; a deaf one is waited for as long.
PROBE_SECONDS = 4.0


def found(config: Config, *parts: Part) -> dict[str, Finding]:
    """What these parts' checks say, by the check."""
    return {one.check: one for one in examine(config, parts)}


def as_production(settings: dict[str, str]) -> Config:
    """The same parts, judged as those of a deployment."""
    changed = {
        "ONSALE_ENVIRONMENT": "production",
        "ONSALE_PUBLIC_URL": "https://tickets.example.com",
        "ONSALE_STRIPE_API_BASE": "https://127.0.0.1:9",
    }
    return Config.from_env(settings | changed)


@pytest.fixture
def own_settings(engine: Engine) -> Any:
    """Set something for this test's record alone, as ALTER ROLE does for a user."""

    def set_for_record(name: str, value: str) -> None:
        database = make_url(engine.url).database
        run_sql(engine, f'ALTER DATABASE "{database}" SET {name} = {value}')

    return set_for_record


@pytest.fixture
def told(redis_client: redis.Redis) -> Iterator[Any]:
    """CONFIG SET on the test's Valkey, taken back afterwards."""
    before: dict[str, str] = {}

    def tell(**wanted: str | int) -> None:
        for name, value in wanted.items():
            setting = name.replace("_", "-")
            current = redis_client.config_get(setting)
            before.update({key: kept for key, kept in current.items() if key not in before})
            redis_client.config_set(setting, value)

    yield tell
    for name, value in before.items():
        redis_client.config_set(name, value)


# A whole house.


def test_a_fresh_house_is_well_and_its_doctor_says_what_a_laptop_lacks(stack: House) -> None:
    done = until(lambda: healthy(stack), "the doctor finds nothing wrong", seconds=60)

    said = json.loads(done.stdout)
    not_ok = {f"{one['part']}: {one['check']}" for one in said["findings"] if one["answer"] != "ok"}
    # The disks are the machine's own affair.
    assert not_ok - {"record: disk", "machine: disk"} == {"payments: endpoint"}
    by_number = {one["number"]: one for one in said["promises"]}
    assert [by_number[number]["kept"] for number in (1, 2, 3)] == ["kept, but"] * 3
    assert "synchronous standby" in by_number[1]["why"][0]
    assert [by_number[number]["kept"] for number in (4, 5, 6, 8)] == ["kept"] * 4


def test_another_key_than_the_webs_is_found(stack: House) -> None:
    kid, _, _ = stack.settings["ONSALE_SECRET_KEYS"].partition(":")
    other = {**stack.settings, "ONSALE_SECRET_KEYS": f"{kid}:{secrets.token_hex(32)}"}

    said = {
        one: json.loads(run_doctor(of, "--json").stdout) for one, of in (("ours", stack.settings), ("other", other))
    }

    answers = {
        one: next(each["answer"] for each in told["findings"] if each["check"] == "same keys")
        for one, told in said.items()
    }
    assert answers == {"ours": "ok", "other": "broken"}


def healthy(house: House) -> subprocess.CompletedProcess[str] | None:
    done = run_doctor(house.settings, "--json")
    return done if done.returncode == 0 else None


def run_doctor(settings: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ONSALE_")}
    return subprocess.run(
        [str(ONSALE), "doctor", *arguments], env={**ours, **settings}, capture_output=True, text=True, timeout=90
    )


def test_no_secret_is_ever_printed(stack: House) -> None:
    wrong = {**stack.settings, "ONSALE_DATABASE_URL": stack.settings["ONSALE_DATABASE_URL"] + "_gone"}
    printed = [run_doctor(stack.settings, "--json"), run_doctor(wrong)]

    said = "".join(done.stdout + done.stderr for done in printed)
    assert said.count("BROKEN") >= 1
    hidden = [stack.settings[name] for name in ("ONSALE_STRIPE_SECRET_KEY", "ONSALE_STRIPE_WEBHOOK_SECRET")]
    hidden.append(stack.settings["ONSALE_SECRET_KEYS"].partition(":")[2])
    for name in ("DATABASE", "QUEUE"):
        password = make_url(stack.settings[f"ONSALE_{name}_URL"]).password
        assert password
        hidden.append(str(password))
    for secret in hidden:
        assert secret not in said


# The command.


def test_only_a_part_is_checked_and_a_warning_fails_the_strict(settings, redis_client, told, monkeypatch) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    told(maxmemory_policy="noeviction", maxmemory=2 * redis_client.info()["used_memory"] * 10 // 16)

    easy = CliRunner().invoke(doctor, ["--only", "queue", "--json"])
    strict = CliRunner().invoke(doctor, ["--only", "queue", "--strict"])

    said = json.loads(easy.output)
    assert {one["part"] for one in said["findings"]} == {"queue"}
    assert said["promises"] == []
    assert said["counts"]["warning"] == 3
    assert (easy.exit_code, said["ok"]) == (0, True)
    assert strict.exit_code == 1
    assert "Raise maxmemory" in strict.output


def test_a_guard_left_off_fails_the_command(settings, monkeypatch) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    before = CliRunner().invoke(doctor, ["--only", "settings"])
    monkeypatch.setenv("ONSALE_GUARDS_OFF", "last_look")

    after = CliRunner().invoke(doctor, ["--only", "settings"])

    assert (before.exit_code, after.exit_code) == (0, 1)
    assert "Switched off: last_look" in after.output


def test_with_every_part_away_every_check_still_answers(settings, redis_client) -> None:
    nowhere = "127.0.0.1:9"
    away = Config.from_env(
        settings
        | {f"ONSALE_{name}_URL": f"redis://{nowhere}/0" for name in ("QUEUE", "CACHE", "BROKER")}
        | {"ONSALE_DATABASE_URL": f"postgresql://{nowhere}/gone", "ONSALE_PUBLIC_URL": f"http://{nowhere}"}
    )

    findings = examine(away, PARTS)

    assert [one.name for one in findings] == [f"{part.name}: {check}" for part in PARTS for check in part.checks]
    broken = {one.name for one in findings if one.answer is BROKEN}
    reachable = {f"queue: {role} reachable" for role in stores.ROLES}
    assert broken == {"record: reachable", "payments: provider", "web: alive"} | reachable
    assert not [one for one in findings if "ended with" in one.saw or "No answer within" in one.saw]


@pytest.mark.slow
def test_with_every_part_silent_every_check_ends(settings, redis_client) -> None:
    with listening() as port:
        silent = f"127.0.0.1:{port}"
        hung = Config.from_env(
            settings
            | {f"ONSALE_{name}_URL": f"redis://{silent}/0" for name in ("QUEUE", "CACHE", "BROKER")}
            | {
                "ONSALE_DATABASE_URL": f"postgresql://{silent}/gone",
                "ONSALE_PUBLIC_URL": f"http://{silent}",
                "ONSALE_SEATS_URL": f"http://{silent}/seats",
                "ONSALE_STRIPE_API_BASE": f"http://{silent}",
            }
        )
        began = time.monotonic()

        findings = examine(hung, PARTS)

        assert time.monotonic() - began < SECONDS_MAX - 5
    assert {one.answer for one in findings if one.part in ("record", "queue", "clocks", "web")} == {BROKEN, NOT_CHECKED}
    assert not [one for one in findings if "ended with" in one.saw or "No answer within" in one.saw]


@contextmanager
def listening() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


# The record.


def test_commits_that_a_crash_forgets_are_seen_until_the_user_is_set_right(config, own_settings) -> None:
    # The tests' own server acknowledges before it writes.
    before = found(config, record.PART)
    own_settings("synchronous_commit", "on")

    after = found(config, record.PART)

    assert before["commits"].answer is BROKEN
    assert after["commits"].answer is OK
    assert [one.check for one in before.values() if one.answer is BROKEN] == ["commits"]


def test_a_server_without_fsync_is_for_laptops(config, settings) -> None:
    production = as_production(settings)

    assert found(config, record.PART)["disk writes"].answer is OK
    assert found(production, record.PART)["disk writes"].answer is BROKEN
    assert found(production, record.PART)["standby"].answer is WARNING


def test_a_record_without_tables_is_told_to_migrate(config, empty_database_url) -> None:
    seen = found(replace(config, database_url=empty_database_url), record.PART)["schema"]

    assert seen.answer is BROKEN
    assert "onsale migrate" in seen.do


def test_a_slot_nobody_reads_and_a_transaction_nobody_ends_are_seen(config, engine) -> None:
    name = f"doctor_{os.getpid()}"
    other = make_engine(str(engine.url.render_as_string(hide_password=False)), application_name="somebody")
    run_sql(engine, "SELECT pg_create_physical_replication_slot(:name, true)", name=name)
    try:
        with other.connect() as sitting, engine.connect() as asking:
            sitting.execute(text("SELECT 1"))
            facts = until(lambda: idle_for(asking, 0.05), "somebody sits in a transaction")
        seen = found(config, record.PART)["slots"]
    finally:
        other.dispose()
        run_sql(engine, "SELECT pg_drop_replication_slot(:name)", name=name)

    assert facts.idle_who == "somebody"
    assert seen.answer is WARNING
    assert name in seen.do
    assert found(config, record.PART)["slots"].answer is OK


def idle_for(connection: Any, seconds: float) -> record.Facts | None:
    facts = record.read(connection)
    return facts if facts.idle_who == "somebody" and facts.idle_seconds > seconds else None


def test_pools_larger_than_the_server_are_broken(config) -> None:
    larger = replace(config, web_workers=8, web_threads=32)

    assert found(config, record.PART)["connections"].answer is OK
    assert found(larger, record.PART)["connections"].answer is BROKEN


def test_no_more_connections_are_open_at_once_than_the_doctor_says(shop, config) -> None:
    # The pools themselves: what they allow is what was added up.
    held = [shop.lane_engine.connect() for _ in range(9)]
    try:
        with create_engine(config.database_url).connect() as asking:
            open_now = asking.execute(
                text("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'onsale-lane'")
            ).scalar_one()
    finally:
        for one in held:
            one.close()

    assert open_now == 9


def test_a_pair_keeps_the_first_three_promises_until_its_standby_is_gone(
    settings, redis_client, pair: PostgresPair, paired_record_url
) -> None:
    production = replace(as_production(settings), database_url=paired_record_url)
    both = found(production, record.PART)
    pair.standby.kill()

    alone = until(lambda: standby_missed(production), "the primary misses its standby")

    assert both["standby"].answer is OK
    assert "outlive the primary" in both["standby"].saw
    assert alone.answer is BROKEN
    assert "hangs" in alone.saw


def standby_missed(config: Config) -> Finding | None:
    seen = found(config, record.PART)["standby"]
    return seen if seen.answer is BROKEN else None


def test_commits_that_do_not_wait_for_the_standby_that_is_there_are_seen(
    settings, redis_client, pair: PostgresPair, paired_record_url
) -> None:
    production = replace(as_production(settings), database_url=paired_record_url)
    owner = create_engine(paired_record_url)
    run_sql(owner, f'ALTER DATABASE "{make_url(paired_record_url).database}" SET synchronous_commit = local')
    owner.dispose()

    seen = found(production, record.PART)["standby"]

    assert seen.answer is WARNING
    assert "do not wait" in seen.saw


# Queue, cache and broker; clocks.


def test_a_queue_that_may_be_evicted_is_broken_and_so_is_such_a_broker(config, told) -> None:
    told(maxmemory_policy="allkeys-lru")

    seen = found(config, stores.PART)

    assert {role: seen[f"{role} eviction"].answer for role in stores.ROLES} == {
        "queue": BROKEN,
        "cache": OK,
        "broker": BROKEN,
    }


def test_a_server_nearly_full_is_seen(config, redis_client, told) -> None:
    told(maxmemory=int(redis_client.info()["used_memory"] * 1.01))

    assert found(config, stores.PART)["queue memory"].answer is BROKEN


def test_a_log_that_is_off_or_never_flushed_is_a_warning_in_production(settings, redis_client, told) -> None:
    production = as_production(settings)
    off = found(production, stores.PART)["queue append-only log"]
    told(appendonly="yes", appendfsync="no")
    never = found(production, stores.PART)["queue append-only log"]
    told(appendfsync="everysec")

    assert (off.answer, never.answer) == (WARNING, WARNING)
    assert found(production, stores.PART)["queue append-only log"].answer is OK


def test_one_server_for_all_three_is_for_laptops(config, settings) -> None:
    assert found(config, stores.PART)["separate"].answer is OK
    assert found(as_production(settings), stores.PART)["separate"].answer is WARNING


def test_the_clocks_of_one_machine_agree(config) -> None:
    assert {one.answer for one in found(config, clocks.PART).values()} == {OK}


# Payments.


def test_the_webhook_is_tried_at_the_public_address_and_a_wrong_secret_is_seen(config, simulator, engine) -> None:
    with serving(config) as shown:
        here = replace(config, public_url=shown.address, stripe_api_base=simulator)
        right = found(here, payments.PART)
        found(here, payments.PART)
        wrong = found(replace(here, stripe_webhook_secret="whsec_" + "another" * 5), payments.PART)

    assert (right["webhook"].answer, right["forged webhook"].answer, right["provider"].answer) == (OK, OK, OK)
    assert wrong["webhook"].answer is BROKEN
    with engine.connect() as connection:
        kept = connection.execute(text("SELECT id FROM webhook_events")).scalars().all()
    # However often it is tried.
    assert kept == ["evt_onsale_doctor"]


def test_somebody_who_takes_any_webhook_is_seen(config, webhook_receiver: Receiver) -> None:
    anybody = replace(config, public_url=webhook_receiver.url.rpartition("/")[0])

    assert found(anybody, payments.PART)["forged webhook"].answer is BROKEN


def test_a_key_that_the_provider_refuses_is_seen(config, simulator) -> None:
    wrong = replace(config, stripe_api_base=simulator, stripe_secret_key="sk_test_of_somebody_else")

    seen = found(wrong, payments.PART)["provider"]

    assert seen.answer is BROKEN
    assert "refuses our key" in seen.saw
    assert STRIPE_SETTINGS["ONSALE_STRIPE_SECRET_KEY"] != wrong.stripe_secret_key


# Workers.


def test_a_worker_gives_a_sign_of_life_until_it_is_stopped(config, settings, tmp_path: Path) -> None:
    def asked() -> signs.Asked:
        return signs.ask(config, ["lanes"], seconds_max=PROBE_SECONDS)["lanes"]

    with running("lanes", settings, tmp_path) as worker:
        alive = asked()
        os.killpg(worker.pid, signal.SIGSTOP)
        deaf = asked()
        # It has long asked for nothing now, and is still connected.
        still_deaf = asked()
        os.killpg(worker.pid, signal.SIGCONT)

    assert workers.alive("lanes", alive).answer is OK
    assert set(alive.answered.values()) == {f"lanes@{socket.gethostname()}"}
    for one in (deaf, still_deaf):
        assert workers.alive("lanes", one).answer is BROKEN
        assert "deaf" in workers.alive("lanes", one).saw


def test_a_queue_without_a_worker_is_told_from_a_deaf_one(config) -> None:
    asked = signs.ask(config, ["payments"], seconds_max=0.2)["payments"]

    seen = workers.alive("payments", asked)

    assert seen.answer is BROKEN
    assert "no worker" in seen.saw
    assert "-Q payments" in seen.do


def test_an_old_probe_is_not_answered_by_the_worker_that_comes_at_last(config, redis_client) -> None:
    signs.ask(config, ["sweeps"], seconds_max=0.1)
    broker = redis.Redis.from_url(config.broker_url)

    left = [json.loads(message) for message in broker.lrange("sweeps", 0, -1)]
    broker.close()

    assert len(left) == signs.PROBES_PER_QUEUE
    assert all(message["headers"]["expires"] for message in left)


def sales(config: Config) -> dict[str, Finding]:
    """The workers' part without waiting for signs of life: nobody answers here."""
    quick = replace(workers.PART, examine=workers.examine_sales, checks=workers.SALES_CHECKS)
    return found(config, quick)


def test_a_queue_that_stands_still_or_is_lost_is_seen(shop, config, engine, redis_client) -> None:
    event_id = an_event(engine)
    open_queue(shop, event_id)
    moving = sales(config)["admission"]
    minute_ago = (int(redis_client.time()[0]) - 60) * 1_000_000
    redis_client.hset(EventKeys(event_id).queue, "credits_at_us", minute_ago)
    still = sales(config)["admission"]
    redis_client.delete(EventKeys(event_id).queue)

    lost = sales(config)["admission"]

    assert (moving.answer, still.answer, lost.answer) == (OK, BROKEN, BROKEN)
    assert "stood still for 6" in still.saw
    assert "Redis has no queue of it" in lost.saw


def test_joins_that_nobody_writes_down_are_seen(shop, config, engine, redis_client) -> None:
    event_id = an_event(engine)
    open_queue(shop, event_id)
    shop.store.join(event_id, a_buyer(engine), address="192.0.2.1")
    just_now = sales(config)["journal"]
    age_the_oldest_join(redis_client, event_id, seconds=60)

    seen = sales(config)["journal"]

    assert just_now.answer is OK
    assert seen.answer is BROKEN
    assert "onsale admit" in seen.do


def age_the_oldest_join(client: redis.Redis, event_id: EventId, *, seconds: int) -> None:
    """The same line as if it had been written a while ago: a stream's ids cannot be changed."""
    stream = EventKeys(event_id).joins
    (_, fields), *_ = client.xrange(stream, count=1)
    client.delete(stream)
    client.xadd(stream, fields, id=f"{(int(client.time()[0]) - seconds) * 1_000}-1")


def test_a_hold_that_no_sweep_ends_and_a_booking_that_no_lane_decides_are_seen(shop, config, engine) -> None:
    event_id = an_event(engine)
    held = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1)
    work_lane(shop, event_id, last_look=True)
    waiting = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 2),)), number=2)
    before = sales(config)
    let_the_hold_run_out(engine, held, seconds=60)
    run_sql(engine, "UPDATE bookings SET queued_at = queued_at - interval '90 seconds' WHERE id = :id", id=waiting)

    after = sales(config)

    assert (before["overdue holds"].answer, before["undecided bookings"].answer) == (OK, OK)
    assert (after["overdue holds"].answer, after["undecided bookings"].answer) == (BROKEN, BROKEN)


# The web.


def test_the_web_is_asked_at_its_public_address(shop, config, engine) -> None:
    open_queue(shop, an_event(engine))
    with serving(config) as shown:
        seen = found(replace(config, public_url=shown.address), web.PART)
    gone = found(replace(config, public_url=shown.address), web.PART)

    # This web was started for another public address: it believes no token for this one.
    expected = dict.fromkeys(web.PART.checks, OK) | {"same keys": BROKEN}
    assert {check: one.answer for check, one in seen.items()} == expected
    # Nobody in front: fine here, and said.
    assert seen["queue status"].lacks
    assert (gone["alive"].answer, gone["ready"].answer) == (BROKEN, NOT_CHECKED)
