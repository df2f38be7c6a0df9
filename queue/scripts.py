"""Runs the queue's Lua files, registered so that a failover reloads them, and makes their answers errors or values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from redis import Redis
from redis.exceptions import RedisError

from onsale.errors import (
    AddressLimitReached,
    AdmissionSpent,
    NotInQueue,
    NotOpenYet,
    NotYourTurn,
    NumbersExhausted,
    OtherDevice,
    PlaceHandedOver,
    QueueClosed,
    QueueRecovering,
    QueueUnavailable,
    TurnLapsed,
    WeightNotCounted,
)
from onsale.queue import lua
from onsale.queue.kept_connections import KeptConnections, KeptScript

NAMES = (
    "join",
    "enter",
    "come_back",
    "leave",
    "heartbeat",
    "stay",
    "place",
    "advance",
    "listen",
    "follow",
    "configure",
    "stop_briefly",
    "set_stock",
    "keep_outlook",
    "grant_block",
    "close_entries",
    "snapshot",
    "begin_recovery",
    "finish_recovery",
    "bind",
    "hand_over",
    "revoke",
    "reinstate",
    "vacate",
    "claim",
    "pass_spare",
)
# Until a block is reserved or a queue restored, a second is enough to wait.
RETRY_SECONDS = 1
# What the queue is told as the opening of a draw that was not held: it opens when it was, and not by the clock.
NEVER_MS = 253_402_300_799_000
# How soon to ask again whether it was.
DRAW_RETRY_SECONDS = 30

_ERRORS = {
    b"RECOVER": QueueRecovering,
    b"CLOSED": QueueClosed,
    b"EXHAUSTED": NumbersExhausted,
    b"ADDRESS": AddressLimitReached,
    b"NOT_OPEN": NotOpenYet,
    b"UNKNOWN": NotInQueue,
    b"NOT_YET": NotYourTurn,
    b"LAPSED": TurnLapsed,
    b"DONE": AdmissionSpent,
    b"DEVICE": OtherDevice,
    b"NO_DRAW": WeightNotCounted,
    b"MOVED": PlaceHandedOver,
}
_PASSING = (QueueRecovering, NumbersExhausted)


class Scripts:
    """The registered scripts of one Redis client. `sources` replaces a script's text (negative controls do)."""

    def __init__(self, client: Redis, *, sources: dict[str, str] | None = None) -> None:
        texts = {name: lua.load(name) for name in NAMES} | (sources or {})
        kept = KeptConnections(client.connection_pool)
        self._scripts = {name: KeptScript(client, source, kept) for name, source in texts.items()}

    def run(self, name: str, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> list[Any]:
        """What the script answers after OK; everything else it can say is raised."""
        try:
            answer: list[Any] = self._scripts[name](keys, arguments)
        except RedisError as error:
            raise QueueUnavailable(retry_after_seconds=RETRY_SECONDS) from error
        if answer[0] != b"OK":
            _refuse(answer)
        return answer[1:]


def _refuse(answer: Sequence[Any]) -> NoReturn:
    kind = _ERRORS[answer[0]]
    if kind is NotOpenYet and int(answer[1]) == NEVER_MS:
        raise NotOpenYet(retry_after_seconds=DRAW_RETRY_SECONDS)
    if kind is NotOpenYet:
        raise NotOpenYet(retry_after_seconds=max(1, -(-(int(answer[1]) - int(answer[2])) // 1000)))
    raise kind(retry_after_seconds=RETRY_SECONDS if kind in _PASSING else None)
