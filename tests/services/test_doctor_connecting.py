"""`onsale doctor` on how processes reach the record: through a pooler that drops limits, past a failover."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from sqlalchemy import Engine, event, make_url

from onsale.cli.doctor import copies, record
from onsale.cli.doctor.connecting import LIMITS, addresses, hosts_of, limits
from onsale.cli.doctor.examining import examine
from onsale.cli.doctor.finding import Answer, Finding
from onsale.config import Config

OK, WARNING, BROKEN = Answer.OK, Answer.WARNING, Answer.BROKEN
SSL_REQUEST = struct.pack("!ii", 8, 80877103)
RECEIVE_BYTES = 65_536


def test_the_examination_of_the_copies_lets_go_of_the_record(settings, redis_client):
    ended: list[Engine] = []
    note = ended.append
    event.listen(Engine, "engine_disposed", note)
    try:
        said = dict(copies.examine(Config.from_env(settings)))
    finally:
        event.remove(Engine, "engine_disposed", note)

    assert said["index"].answer is OK
    assert len(ended) == 1


def found(settings: dict[str, str]) -> dict[str, Finding]:
    return {one.check: one for one in examine(Config.from_env(settings), [record.PART])}


@contextmanager
def pooler(port: int) -> Iterator[int]:
    """Passes everything on, but for what a connection asks for at its start: as many poolers do."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server, port), daemon=True).start()
        yield server.getsockname()[1]


def _serve(server: socket.socket, port: int) -> None:
    with suppress(OSError):
        while True:
            client, _ = server.accept()
            threading.Thread(target=_relay, args=(client, port), daemon=True).start()


def _relay(client: socket.socket, port: int) -> None:
    with client, socket.create_connection(("127.0.0.1", port)) as upstream, suppress(OSError):
        first = client.recv(RECEIVE_BYTES)
        if first == SSL_REQUEST:
            client.sendall(b"N")
            first = client.recv(RECEIVE_BYTES)
        upstream.sendall(without_options(first))
        threading.Thread(target=_pump, args=(upstream, client), daemon=True).start()
        _pump(client, upstream)


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while said := one.recv(RECEIVE_BYTES):
            other.sendall(said)


def without_options(startup: bytes) -> bytes:
    """The startup packet: its length, the protocol's version, then names and values, each ended by a zero."""
    words = startup[8:].rstrip(b"\0").split(b"\0")
    kept = [pair for pair in zip(words[::2], words[1::2], strict=True) if pair[0] != b"options"]
    body = startup[4:8] + b"".join(name + b"\0" + value + b"\0" for name, value in kept) + b"\0"
    return struct.pack("!i", len(body) + 4) + body


def test_limits_that_a_pooler_drops_are_missed(settings) -> None:
    url = make_url(settings["ONSALE_DATABASE_URL"])
    assert url.port

    direct = found(settings)["limits"]
    with pooler(url.port) as port:
        through = url.set(port=port).render_as_string(hide_password=False)
        pooled = found(settings | {"ONSALE_DATABASE_URL": through})

    assert direct.answer is OK
    assert pooled["reachable"].answer is OK
    assert pooled["limits"].answer is BROKEN
    for name in LIMITS:
        assert name in pooled["limits"].saw


def test_one_limit_that_is_not_in_force_is_named_alone() -> None:
    in_force = {name: str(milliseconds) for name, milliseconds in LIMITS.items()}

    assert limits(in_force).answer is OK
    assert limits({**in_force, "lock_timeout": "0"}).saw.startswith("Asked for and not in force: lock_timeout.")


def test_a_pair_is_found_after_a_failover_only_by_both_its_addresses(pair, paired_record_url, settings) -> None:
    both = found(settings | {"ONSALE_DATABASE_URL": paired_record_url})
    one_url = pair.primary.url(make_url(paired_record_url).database)
    one = found(settings | {"ONSALE_DATABASE_URL": one_url})

    assert (both["standby"].answer, both["addresses"].answer) == (OK, OK)
    assert (one["standby"].answer, one["addresses"].answer) == (OK, WARNING)
    assert "target_session_attrs=read-write" in one["addresses"].do


def test_the_standbys_own_address_is_not_the_records(pair, paired_record_url, settings) -> None:
    url = pair.standby.url(make_url(paired_record_url).database)

    seen = found(settings | {"ONSALE_DATABASE_URL": url})

    assert (seen["reachable"].answer, seen["primary"].answer) == (OK, BROKEN)


@pytest.mark.parametrize(
    ("url", "answer"),
    [
        ("postgresql+psycopg2://u:p@one/onsale", OK),
        ("postgresql+psycopg2://u:p@/onsale", OK),
        ("postgresql+psycopg2://u:p@/onsale?host=one:5432&host=two:5432&target_session_attrs=read-write", OK),
        ("postgresql+psycopg2://u:p@/onsale?host=one,two&target_session_attrs=primary", OK),
        ("postgresql+psycopg2://u:p@/onsale?host=one:5432&host=two:5432", BROKEN),
        ("postgresql+psycopg2://u:p@one,two/onsale?target_session_attrs=prefer-standby", BROKEN),
    ],
)
def test_several_addresses_need_a_word_about_which_one(url, answer) -> None:
    assert addresses(url, standbys=(), waits_for="").answer is answer


def test_one_address_and_a_standby_is_a_warning() -> None:
    url = "postgresql+psycopg2://u:p@one/onsale"

    assert addresses(url, standbys=["two"], waits_for="").answer is WARNING
    assert addresses(url, standbys=(), waits_for="two").answer is WARNING
    assert hosts_of(url) == ["one"]


def test_an_address_that_cannot_be_read_is_said_without_its_password(settings) -> None:
    seen = found(settings | {"ONSALE_DATABASE_URL": "postgresql://onsale:hush@one:5432,two:5432/onsale"})

    assert seen["reachable"].answer is BROKEN
    assert "?host=one:5432&host=two:5432" in seen["reachable"].saw
    assert "hush" not in seen["reachable"].saw
