"""What `onsale doctor` concludes from what it saw: pure judgements, without any part."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from onsale.cli.doctor import (
    PARTS,
    clocks,
    copies,
    machine,
    payments,
    pools,
    promises,
    reads,
    record,
    report,
    rooms,
    settings,
    stores,
)
from onsale.cli.doctor import web as web_part
from onsale.cli.doctor import workers as worker_part
from onsale.cli.doctor.asking import Said
from onsale.cli.doctor.clocks import Reading
from onsale.cli.doctor.examining import Part, examine
from onsale.cli.doctor.finding import Answer, Finding, Seen, broken, not_checked, ok
from onsale.cli.doctor.payments import Endpoint
from onsale.cli.doctor.promises import Kept, judge
from onsale.cli.doctor.reads import Server
from onsale.cli.doctor.record import Facts, Slot, Standby
from onsale.cli.doctor.sales import Numbers, Pulse
from onsale.cli.doctor.signs import Asked
from onsale.config import Config
from onsale.db.change_outbox import OutboxState
from onsale.db.ids import EventId
from onsale.db.refunds import Failing
from onsale.payments.webhooks import WANTED

OK, WARNING, BROKEN, NOT_CHECKED = Answer.OK, Answer.WARNING, Answer.BROKEN, Answer.NOT_CHECKED
GIB = 1 << 30
PRODUCTION = {
    "ONSALE_ENVIRONMENT": "production",
    "ONSALE_DATABASE_URL": "postgresql://onsale:word-of-the-record@db.example/onsale",
    "ONSALE_QUEUE_URL": "redis://:word-of-the-queue@queue.example/0",
    "ONSALE_CACHE_URL": "redis://:word-of-the-cache@cache.example/0",
    "ONSALE_BROKER_URL": "amqp://onsale:word%20of%20the%20broker@broker.example//",
    "ONSALE_PUBLIC_URL": "https://tickets.example.com",
    "ONSALE_SECRET_KEYS": "k1:abcdefghijklmnopqrstuvwxyz0123456789",
    "ONSALE_STRIPE_SECRET_KEY": "sk_live_of_the_tests",
    "ONSALE_STRIPE_PUBLISHABLE_KEY": "pk_live_of_the_tests",
    "ONSALE_STRIPE_WEBHOOK_SECRET": "whsec_of_the_tests_with_32_characters",
    "ONSALE_TRUSTED_PROXIES": "1",
}
SANDBOX = PRODUCTION | {
    "ONSALE_ENVIRONMENT": "sandbox",
    "ONSALE_PUBLIC_URL": "http://127.0.0.1:8000",
    "ONSALE_STRIPE_SECRET_KEY": "sk_test_of_the_tests",
    "ONSALE_STRIPE_PUBLISHABLE_KEY": "pk_test_of_the_tests",
    "ONSALE_TRUSTED_PROXIES": "0",
}


def production(**changed: str) -> Config:
    return Config.from_env(PRODUCTION | {f"ONSALE_{name.upper()}": value for name, value in changed.items()})


def sandbox(**changed: str) -> Config:
    return Config.from_env(SANDBOX | {f"ONSALE_{name.upper()}": value for name, value in changed.items()})


# How the parts are run.


def a_part(name: str, *seen: Seen, then: BaseException | threading.Event | None = None, more: int = 0) -> Part:
    checks = tuple(f"check {number}" for number in range(len(seen) + more))

    def run(_: Config) -> Iterator[tuple[str, Seen]]:
        yield from zip(checks, seen, strict=False)
        if isinstance(then, BaseException):
            raise then
        if then is not None:
            then.wait(30)

    return Part(name, name.title(), checks, run)


def test_a_part_that_raises_keeps_what_it_had_seen_and_stops_no_other():
    found = examine(sandbox(), [a_part("one", ok("Seen."), then=KeyError("x"), more=1), a_part("two", ok("Seen."))])

    assert [one.answer for one in found] == [OK, NOT_CHECKED, OK]
    assert "KeyError" in found[1].saw


def test_a_part_that_hangs_is_not_waited_for():
    hanging = threading.Event()
    parts = [a_part("one", ok("Seen."), then=hanging, more=2), a_part("two", ok("Seen."))]

    found = examine(sandbox(), parts, seconds_max=0.2)
    hanging.set()

    assert [one.answer for one in found] == [OK, NOT_CHECKED, NOT_CHECKED, OK]
    assert found[1].saw == "No answer within 0.2 s."


@pytest.mark.parametrize(
    "secret",
    [
        "word-of-the-record",
        "word-of-the-queue",
        "word-of-the-cache",
        "word%20of%20the%20broker",
        "word of the broker",
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "sk_live_of_the_tests",
        "whsec_of_the_tests_with_32_characters",
    ],
)
def test_a_secret_that_got_into_a_sentence_is_hidden(secret):
    talkative = a_part("one", broken(f"Tried {secret}.", f"Do not use {secret}."))

    found = examine(production(), [talkative])

    assert (found[0].saw, found[0].do) == ("Tried ********.", "Do not use ********.")


def test_the_passwords_of_a_url_with_several_hosts_are_hidden_too():
    config = production(database_url="postgresql://onsale:hush-hush@one:5432,two:5433/onsale?sslpassword=hushed")

    found = examine(config, [a_part("one", broken("hush-hush and hushed", "."))])

    assert found[0].saw == "******** and ********"


# Settings.


def test_good_production_settings_are_all_ok():
    assert {name: seen.answer for name, seen in settings.examine(production())} == dict.fromkeys(
        settings.PART.checks, OK
    )


def test_a_laptops_settings_are_all_ok():
    assert {seen.answer for _, seen in settings.examine(sandbox())} == {OK}


@pytest.mark.parametrize(
    ("config", "check", "answer"),
    [
        (sandbox(public_url="https://tickets.example.com"), "environment", BROKEN),
        (sandbox(public_url="http://tickets.example.com"), "public address", BROKEN),
        (sandbox(public_url="http://192.168.1.20:8000"), "environment", OK),
        (sandbox(secret_keys="k1:" + "hush" * 8), "secret keys", BROKEN),
        (
            sandbox(secret_keys=",".join(f"k{n}:abcdefghijklmnopqrstuvwxyz01234567{n}" for n in range(4))),
            "secret keys",
            WARNING,
        ),
        (
            sandbox(secret_keys=",".join(f"k{n}:abcdefghijklmnopqrstuvwxyz01234567{n}" for n in range(3))),
            "secret keys",
            OK,
        ),
        (sandbox(guards_off="last_look"), "guards", BROKEN),
        (production(trusted_proxies="0"), "proxies", WARNING),
        (production(web_host="0.0.0.0"), "proxies", WARNING),
        (production(stripe_secret_key="sk_test_x", stripe_publishable_key="pk_test_x"), "payment keys", WARNING),
        (production(stripe_api_base="https://payments.example"), "payment keys", WARNING),
    ],
)
def test_a_setting_that_is_wrong_where_it_runs_is_seen(config, check, answer):
    seen = dict(settings.examine(config))[check]

    assert seen.answer is answer
    assert bool(seen.do) == (answer is not OK)


@pytest.mark.parametrize(
    ("python", "celery", "answer"),
    [((3, 11, 0), (5, 6, 3), OK), ((3, 10, 9), (5, 6, 3), BROKEN), ((3, 11, 0), (5, 6, 2), BROKEN)],
)
def test_versions_that_are_too_old_are_broken(python, celery, answer):
    assert settings.versions(python, celery).answer is answer


# The record.

GOOD = Facts(
    settings={
        "data_directory": "/nowhere/at/all",
        "fsync": "on",
        "full_page_writes": "on",
        "max_connections": "100",
        "server_encoding": "UTF8",
        "server_version_num": "160004",
        "superuser_reserved_connections": "3",
        "synchronous_commit": "on",
        "synchronous_standby_names": "two",
        "wal_level": "replica",
    },
    in_recovery=False,
    revision="0012",
    standbys=(Standby("two", "streaming", "sync"),),
    slots=(),
    connected=5,
    idle_seconds=0.0,
    idle_who="",
)


def facts(standbys: tuple[Standby, ...] = GOOD.standbys, **changed: str) -> Facts:
    return replace(GOOD, settings={**GOOD.settings, **changed}, standbys=standbys)


@pytest.mark.parametrize(
    ("seen", "answer"),
    [
        (facts(), OK),
        (facts(standbys=(Standby("a", "streaming", "quorum"), Standby("b", "streaming", "async"))), OK),
        (facts(synchronous_commit="remote_apply"), OK),
        (facts(synchronous_commit="local"), WARNING),
        (facts(synchronous_standby_names=""), WARNING),
        # Somebody follows, and nobody waits for them.
        (facts(synchronous_standby_names="", standbys=(Standby("two", "streaming", "async"),)), WARNING),
        (facts(standbys=()), BROKEN),
        (facts(standbys=(Standby("stranger", "streaming", "async"),)), BROKEN),
        (facts(standbys=(Standby("two", None, None),)), NOT_CHECKED),
    ],
)
def test_a_standby_counts_only_if_commits_wait_for_it(seen, answer):
    judged = record.standby(seen, sandbox=False)

    assert judged.answer is answer
    assert bool(judged.lacks) == (answer is WARNING)


def test_a_laptop_is_fine_without_a_standby_and_still_lacks_it():
    judged = record.standby(facts(synchronous_standby_names=""), sandbox=True)

    assert judged.answer is OK
    assert "Fine for a laptop" in judged.saw
    assert "standby" in judged.lacks


@pytest.mark.parametrize(
    ("judged", "answer"),
    [
        (record.server_version(facts()), OK),
        (record.server_version(facts(server_encoding="SQL_ASCII")), BROKEN),
        (record.server_version(facts(server_version_num="140000")), OK),
        (record.server_version(facts(server_version_num="139999")), BROKEN),
        (record.schema(GOOD, newest="0012"), OK),
        (record.schema(GOOD, newest="0013"), BROKEN),
        (record.schema(replace(GOOD, revision=None), newest="0012"), BROKEN),
        (record.primary(GOOD), OK),
        (record.primary(replace(GOOD, in_recovery=True)), BROKEN),
        (record.commits(facts()), OK),
        (record.commits(facts(synchronous_commit="local")), OK),
        (record.commits(facts(synchronous_commit="off")), BROKEN),
        (record.disk_writes(facts(), sandbox=False), OK),
        (record.disk_writes(facts(fsync="off"), sandbox=False), BROKEN),
        (record.disk_writes(facts(full_page_writes="off"), sandbox=False), BROKEN),
        (record.disk_writes(facts(fsync="off"), sandbox=True), OK),
        (record.log_level(facts()), OK),
        (record.log_level(facts(wal_level="minimal")), WARNING),
        (record.slots(GOOD), OK),
        (record.slots(replace(GOOD, slots=(Slot("cdc", True, GIB),))), OK),
        (record.slots(replace(GOOD, slots=(Slot("cdc", True, GIB + 1),))), WARNING),
        (record.slots(replace(GOOD, slots=(Slot("cdc", False, 0),))), WARNING),
        (record.slots(replace(GOOD, slots=(Slot("cdc", True, 0), Slot("old", False, 17 * GIB)))), BROKEN),
        (record.idle_transactions(replace(GOOD, idle_seconds=29.9, idle_who="psql")), OK),
        (record.idle_transactions(replace(GOOD, idle_seconds=31.0, idle_who="psql")), WARNING),
        (record.idle_transactions(replace(GOOD, idle_seconds=601.0, idle_who="psql")), BROKEN),
        (record.disk(GOOD), NOT_CHECKED),
    ],
)
def test_what_the_record_says_of_itself_is_judged(judged, answer):
    assert judged.answer is answer


NEED = pools.Need({"web": 20, "lanes": 8, "payments": 25, "sweeps": 2, "admit": 2})


@pytest.mark.parametrize(
    ("allowed", "connected", "answer"),
    [(100, 5, OK), (100, 78, WARNING), (70, 5, WARNING), (60, 5, WARNING), (59, 5, BROKEN)],
)
def test_the_pools_are_added_up_against_the_connections_that_the_server_takes(allowed, connected, answer):
    assert NEED.total == 57

    assert pools.pools(NEED, allowed=allowed, reserved=3, connected=connected).answer is answer


def test_what_a_process_may_open_follows_its_settings():
    usual = pools.need(sandbox()).by_process
    bigger = pools.need(sandbox(web_workers="4", payment_concurrency="40")).by_process

    assert bigger["web"] == 4 * usual["web"]
    # A thread each, on two pools, of which the lanes' has nine; and one for what says that the process is alive.
    assert (usual["payments"], bigger["payments"]) == (16 + 9 + 1, 40 + 9 + 1)
    assert (usual["lanes"], usual["sweeps"], usual["admit"], usual["changes"]) == (8, 2, 2, 5)


# Queue, cache and broker.

HEALTHY = stores.Facts(
    info={
        "role": "master",
        "redis_version": "7.2.4",
        "maxmemory_policy": "noeviction",
        "maxmemory": 100 << 20,
        "used_memory": 10 << 20,
        "aof_enabled": 1,
        "aof_last_write_status": "ok",
        "aof_last_bgrewrite_status": "ok",
        "rdb_last_bgsave_status": "ok",
        "run_id": "a" * 40,
    },
    settings={"appendfsync": "everysec"},
)


def answers(role: str, /, **info: object) -> dict[str, Answer]:
    changed = stores.Facts({**HEALTHY.info, **info}, HEALTHY.settings)
    return {check: seen.answer for check, seen in stores.judged(role, changed, sandbox=False)}


@pytest.mark.parametrize("role", stores.ROLES)
def test_a_healthy_server_is_ok_in_every_role(role):
    assert answers(role) == dict.fromkeys(stores.ASPECTS, OK)


@pytest.mark.parametrize(
    ("role", "info", "aspect", "answer"),
    [
        ("queue", {"maxmemory_policy": "allkeys-lru"}, "eviction", BROKEN),
        ("broker", {"maxmemory_policy": "volatile-ttl"}, "eviction", BROKEN),
        ("cache", {"maxmemory_policy": "allkeys-lru"}, "eviction", OK),
        ("queue", {"used_memory": 76 << 20}, "memory", WARNING),
        ("queue", {"used_memory": 96 << 20}, "memory", BROKEN),
        ("queue", {"maxmemory": 0}, "memory", WARNING),
        ("queue", {"aof_enabled": 0}, "append-only log", WARNING),
        ("cache", {"aof_enabled": 0}, "append-only log", OK),
        ("broker", {"aof_enabled": 0}, "append-only log", OK),
        ("queue", {"aof_last_write_status": "err"}, "persistence", BROKEN),
        ("queue", {"rdb_last_bgsave_status": "err"}, "persistence", BROKEN),
        ("queue", {"role": "slave"}, "reachable", BROKEN),
        ("queue", {"loading": 1}, "reachable", WARNING),
        ("queue", {"redis_version": "6.2.14"}, "version", BROKEN),
        ("queue", {"valkey_version": "9.1.2"}, "version", OK),
    ],
)
def test_what_a_server_says_is_judged_by_its_role(role, info, aspect, answer):
    assert answers(role, **info)[aspect] is answer


def test_a_queue_without_a_log_is_fine_on_a_laptop_and_said_to_lack_it():
    off = stores.Facts({**HEALTHY.info, "aof_enabled": 0})

    seen = stores.append_only_log("queue", off, sandbox=True)

    assert seen.answer is OK
    assert seen.lacks


@pytest.mark.parametrize(("fsync", "answer"), [("everysec", OK), ("always", OK), ("no", WARNING), (None, NOT_CHECKED)])
def test_a_log_that_is_never_flushed_is_not_enough(fsync, answer):
    told = stores.Facts(HEALTHY.info, {} if fsync is None else {"appendfsync": fsync})

    assert stores.append_only_log("queue", told, sandbox=False).answer is answer


def test_three_roles_on_one_server_are_for_laptops():
    other = stores.Facts({**HEALTHY.info, "run_id": "b" * 40})
    third = stores.Facts({**HEALTHY.info, "run_id": "c" * 40})
    shared = {"queue": HEALTHY, "cache": other, "broker": HEALTHY}

    assert stores.separate(shared, sandbox=False).answer is WARNING
    assert stores.separate(shared, sandbox=False).saw.startswith("queue and broker share")
    assert stores.separate(shared, sandbox=True).answer is OK
    assert stores.separate({**shared, "broker": third}, sandbox=False).answer is OK
    assert stores.separate({"queue": HEALTHY}, sandbox=False).answer is NOT_CHECKED


def test_rabbitmq_is_known_by_what_it_says():
    assert stores.rabbitmq({"product": "RabbitMQ", "version": "4.1.0"}).answer is OK
    assert stores.rabbitmq({"product": "Qpid", "version": "1"}).answer is WARNING


# Clocks.


@pytest.mark.parametrize(
    ("ahead", "within", "answer"),
    [
        (0.9, 0.0, OK),
        (-1.1, 0.0, WARNING),
        (9.9, 0.0, WARNING),
        (-10.1, 0.0, BROKEN),
        # What a slow way there and back explains is no difference.
        (1.5, 0.6, OK),
        (10.5, 0.6, WARNING),
    ],
)
def test_clocks_apart_are_seen_beyond_what_the_way_explains(ahead, within, answer):
    assert clocks.against_ours("PostgreSQL", Reading(ahead, within)).answer is answer


def test_two_servers_that_are_each_nearly_right_can_be_too_far_apart():
    assert clocks.against_each_other(Reading(0.8, 0.0), Reading(-0.8, 0.0)).answer is WARNING
    assert clocks.against_each_other(Reading(0.8, 0.0), None).answer is NOT_CHECKED


def test_a_clock_is_read_between_two_looks_at_ours():
    ours = iter([100.0, 102.0])

    assert clocks.compared(lambda: 106.0, ours=lambda: next(ours)) == Reading(5.0, 1.0)


# Payments.

HERE = "https://tickets.example.com/v1/webhooks/stripe"
ALL = tuple(WANTED)


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ([Endpoint(HERE, "enabled", ALL)], OK),
        ([Endpoint(HERE, "enabled", ("*",))], OK),
        ([Endpoint(HERE, "disabled", ALL), Endpoint(HERE, "enabled", ALL)], OK),
        ([Endpoint(HERE, "enabled", ALL[1:])], WARNING),
        ([Endpoint(HERE, "disabled", ALL)], BROKEN),
        ([Endpoint("https://elsewhere.example/v1/webhooks/stripe", "enabled", ALL)], BROKEN),
        ([], BROKEN),
    ],
)
def test_stripe_must_know_our_address_and_send_what_is_needed(found, answer):
    assert payments.endpoint(found, address=HERE).answer is answer


@pytest.mark.parametrize(
    ("status", "signed", "forged"),
    [(204, OK, BROKEN), (400, BROKEN, OK), (302, BROKEN, OK), (0, NOT_CHECKED, NOT_CHECKED), (200, BROKEN, BROKEN)],
)
def test_a_signed_event_must_be_taken_and_a_forged_one_refused(status, signed, forged):
    assert payments.webhook(Said(status)).answer is signed
    assert payments.forged_webhook(Said(status)).answer is forged


# Workers.

ONE, TWO = {"a": "lanes@one", "b": "lanes@one"}, {"a": "lanes@one", "b": "lanes@two"}


@pytest.mark.parametrize(
    ("asked", "answer", "word"),
    [
        (Asked(2, ONE, waiting=0), OK, "lanes@one answered"),
        (Asked(2, TWO, waiting=0), OK, "lanes@one, lanes@two"),
        (Asked(0), NOT_CHECKED, "no message"),
        (Asked(2, {}, waiting=2), BROKEN, "no worker"),
        (Asked(2, {}, waiting=2, silent=("10.0.0.7:4242",)), BROKEN, "10.0.0.7:4242"),
        (Asked(2, {}, waiting=1), BROKEN, "took 1 of 2"),
        (Asked(2, {"a": "lanes@one"}, waiting=0), BROKEN, "deaf. lanes@one works"),
        (Asked(2, {}, waiting=2, before=500, after=300), WARNING, "Busy"),
        (Asked(2, {"a": "lanes@one"}, waiting=1), WARNING, "Busy"),
        (Asked(2, {}, waiting=None), BROKEN, "0 of 2"),
    ],
)
def test_alive_busy_deaf_and_missing_are_told_apart(asked, answer, word):
    seen = worker_part.alive("lanes", asked)

    assert seen.answer is answer
    assert word in seen.saw


def pulse(still: float | None, unwritten: float = 0.0) -> Pulse:
    return Pulse(EventId(7), still, unwritten)


@pytest.mark.parametrize(
    ("pulses", "admission", "journal"),
    [
        ([], NOT_CHECKED, NOT_CHECKED),
        ([pulse(0.1), pulse(4.9, 19.9)], OK, OK),
        ([pulse(0.1), pulse(5.1)], BROKEN, OK),
        ([pulse(0.1), pulse(None)], BROKEN, OK),
        # The web lets people in, and nobody writes it down.
        ([pulse(0.1, 20.1)], OK, BROKEN),
    ],
)
def test_every_open_event_must_move_and_be_written_down(pulses, admission, journal):
    assert worker_part.admission(pulses).answer is admission
    assert worker_part.journal(pulses).answer is journal


@pytest.mark.parametrize(
    ("numbers", "holds", "lanes"),
    [
        (Numbers(0, 0.0, None), OK, OK),
        (Numbers(0, 0.0, 4.9), OK, OK),
        (Numbers(1, 40.0, 5.1), BROKEN, WARNING),
        (Numbers(0, 0.0, 61.0), OK, BROKEN),
    ],
)
def test_what_is_overdue_is_judged(numbers, holds, lanes):
    assert worker_part.overdue_holds(numbers).answer is holds
    assert worker_part.undecided(numbers).answer is lanes


@pytest.mark.parametrize(
    ("failing", "answer"), [(Failing(0, 0), OK), (Failing(3, 0), WARNING), (Failing(3, 1), BROKEN)]
)
def test_a_refund_that_the_bank_refuses_is_seen(failing, answer):
    assert worker_part.failed_refunds(Numbers(0, 0.0, None, failing)).answer is answer


# The web and the machine.

FROM_ORIGIN = {"cache-control": "public, max-age=1, stale-if-error=30", "etag": '"1"'}


@pytest.mark.parametrize(
    ("said", "laptop", "answer"),
    [
        (Said(200, "{}", FROM_ORIGIN | {"age": "0"}), False, OK),
        (Said(200, "{}", FROM_ORIGIN), False, WARNING),
        (Said(200, "{}", FROM_ORIGIN), True, OK),
        (Said(200, "{}", {"etag": '"1"'}), True, WARNING),
        (Said(200, "{}", FROM_ORIGIN | {"cache-control": "private"}), False, WARNING),
        (Said(503, "recovering"), True, BROKEN),
        (Said(0, "no answer"), True, NOT_CHECKED),
    ],
)
def test_a_status_nobody_may_cache_is_seen(said, laptop, answer):
    assert web_part.queue_status(said, sandbox=laptop).answer is answer


@pytest.mark.parametrize(
    ("address", "said", "answer"),
    [
        ("", Said(0, "nobody is asked"), OK),
        ("https://seats", Said(200, "{}", {"access-control-allow-origin": "*"}), OK),
        ("https://seats", Said(503, "{}", {"access-control-allow-origin": "*"}), OK),
        # The web's own answer: whoever would wait there is sent away at once.
        ("https://seats", Said(200, "{}", FROM_ORIGIN), BROKEN),
        ("https://seats", Said(502, "Bad Gateway"), BROKEN),
        ("https://seats", Said(0, "no answer"), BROKEN),
    ],
)
def test_where_browsers_are_sent_to_wait_must_let_them_wait(address, said, answer):
    assert web_part.live_seats(address, lambda _: said).answer is answer


def test_the_web_must_be_ours_alive_and_ready():
    assert web_part.alive(Said(200, "ok"), address="http://x").answer is OK
    # Somebody else's page at our address.
    assert web_part.alive(Said(200, "<h1>Welcome to nginx"), address="http://x").answer is BROKEN
    assert web_part.alive(Said(0, "no answer"), address="http://x").answer is BROKEN
    assert web_part.ready(Said(503, "queue not reachable")).answer is BROKEN
    assert web_part.same_keys(Said(200, "{}")).answer is OK
    assert web_part.same_keys(Said(401, "{}")).answer is BROKEN
    assert web_part.same_keys(Said(0, "no answer")).answer is NOT_CHECKED


@pytest.mark.parametrize(
    ("free", "total", "answer"),
    [(GIB - 1, 4 * GIB, BROKEN), (GIB, 4 * GIB, WARNING), (9 * GIB, 100 * GIB, WARNING), (10 * GIB, 100 * GIB, OK)],
)
def test_a_disk_that_fills_up_is_seen(free, total, answer):
    assert rooms.room("It", free=free, total=total).answer is answer


@pytest.mark.parametrize(("limit", "answer"), [(1_024, WARNING), (8_191, WARNING), (8_192, OK), (-1, OK)])
def test_few_open_files_are_for_laptops(limit, answer):
    assert machine.open_files(limit, sandbox=False).answer is answer
    assert machine.open_files(limit, sandbox=True).answer is OK


def test_the_disk_of_a_folder_that_is_not_there_yet_is_its_parents(tmp_path):
    assert machine.existing(tmp_path / "not" / "yet") == tmp_path


# The promises.


def all_ok() -> dict[str, Finding]:
    findings = [Finding(part.name, check, OK, "Fine.") for part in PARTS for check in part.checks]
    return {one.name: one for one in findings}


def kept(**changed: Seen) -> dict[int, Kept]:
    found = all_ok()
    for name, seen in changed.items():
        found[name] = replace(found[name], answer=seen.answer, lacks=seen.lacks)
    return {one.promise.number: one.kept for one in judge(list(found.values()))}


def test_there_are_eight_promises_and_each_stands_on_checks_that_exist():
    assert [one.number for one in promises.PROMISES] == list(range(1, 9))
    known = set(all_ok())
    for promise in promises.PROMISES:
        assert set(promise.stands_on) <= known, promise


def test_where_everything_is_ok_every_promise_is_kept():
    assert set(kept().values()) == {Kept.KEPT}


def test_without_a_synchronous_standby_the_first_three_are_kept_only_so_far():
    found = kept(**{"record: standby": ok("None.", lacks="a standby")})

    assert [number for number, one in found.items() if one is Kept.SO_FAR] == [1, 2, 3]
    assert Kept.NOT not in found.values()


@pytest.mark.parametrize(
    ("check", "lost"),
    [
        ("record: commits", [1, 2, 3]),
        ("settings: guards", [1, 2, 3, 4]),
        ("queue: queue eviction", [4, 5, 6]),
        ("workers: journal", [5]),
        ("workers: payments", [2, 3]),
        ("clocks: queue", [6]),
        ("web: queue status", [7]),
        ("machine: open files", []),
    ],
)
def test_what_is_broken_breaks_the_promises_that_stand_on_it(check, lost):
    found = kept(**{check: broken("No.", "Mend it.")})

    assert [number for number, one in found.items() if one is Kept.NOT] == lost


def test_what_was_not_checked_leaves_a_promise_unknown_rather_than_kept():
    found = kept(**{"workers: admission": not_checked("No event is open.")})

    assert [number for number, one in found.items() if one is Kept.UNKNOWN] == [4, 6, 8]


def test_a_part_that_is_away_breaks_no_promise_but_nobody_knows():
    found = kept(**{"record: reachable": broken("Away.", "Start it.")})

    assert [number for number, one in found.items() if one is Kept.UNKNOWN] == [1, 2, 3, 5]
    assert Kept.NOT not in found.values()


# The report.


def test_a_warning_fails_only_the_strict():
    fine = [Finding("record", "disk", OK, "Fine."), Finding("record", "slots", NOT_CHECKED, "Hm.")]
    warned = [*fine, Finding("record", "standby", WARNING, "None.", "Get one.")]
    bad = [*warned, Finding("record", "commits", BROKEN, "Off.", "On.")]

    assert [report.passes(each, strict=False) for each in (fine, warned, bad)] == [True, True, False]
    assert [report.passes(each, strict=True) for each in (fine, warned, bad)] == [True, False, False]


def test_the_report_names_the_part_and_says_what_to_do_and_keeps_its_lines_short():
    findings = [
        Finding("record", "standby", WARNING, "Commits wait for nobody " * 8, "Let a standby follow " * 8),
        Finding("record", "disk", OK, "Room enough."),
    ]

    said = report.text(findings, judge(list(all_ok().values())), [record.PART]).splitlines()

    assert said[0] == "The record (PostgreSQL)"
    assert said[1].startswith("  warning      standby  Commits wait for nobody")
    assert any(line.lstrip().startswith("-> Let a standby follow") for line in said)
    assert "The promises" in said
    assert said[-1] == "2 checks: 1 warning, 1 ok."
    assert max(map(len, said)) <= report.WIDTH


# Where the web reads from.

PRIMARY = Server(cluster=7, database="onsale", started=1.0, in_recovery=False, lsn=100 << 20, old_seconds=0.0)
STANDBY = replace(PRIMARY, started=2.0, in_recovery=True)


@pytest.mark.parametrize(
    ("standby", "answer", "words"),
    [
        (STANDBY, OK, "0.0 MiB behind"),
        # A primary where nothing happens: the last commit is old, and nothing is missing.
        (replace(STANDBY, old_seconds=900.0), OK, "0.0 MiB behind"),
        (replace(STANDBY, lsn=99 << 20), OK, "1.0 MiB behind"),
        (replace(STANDBY, lsn=99 << 20, old_seconds=11.0), WARNING, "11 s"),
        (replace(STANDBY, lsn=80 << 20), WARNING, "20.0 MiB behind"),
        (replace(STANDBY, cluster=8), BROKEN, "another record"),
        (replace(STANDBY, database="other"), BROKEN, "another record"),
        (replace(STANDBY, in_recovery=False), BROKEN, "was promoted"),
        (PRIMARY, WARNING, "the primary itself"),
        (None, WARNING, "Nobody answers"),
    ],
)
def test_reads_lead_to_a_standby_of_this_record_that_is_in_step(standby, answer, words):
    seen = reads.reads(PRIMARY, standby)

    assert (seen.answer, words in seen.saw) == (answer, True)
    assert seen.do or answer is OK


# Who hears of changes by the outbox.


@pytest.mark.parametrize(
    ("rows", "followed", "indexed", "answer"),
    [
        (0, True, True, OK),
        (99_999, True, True, OK),
        (100_000, True, True, WARNING),
        (1_000_000, True, True, BROKEN),
        (0, False, False, WARNING),
        (0, False, True, BROKEN),
    ],
)
def test_an_outbox_is_followed_and_does_not_grow(rows, followed, indexed, answer):
    assert copies.outbox(OutboxState(rows, 1_000_000, followed), indexed=indexed).answer is answer
