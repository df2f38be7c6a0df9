"""On a Redis Cluster an event lives in one slot: a script touches only keys it declares, with the event's tag."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from hashlib import sha1
from typing import Any, ClassVar

import pytest
from redis import Connection, ConnectionPool, Redis

from onsale.db.ids import EventId, ticket_id
from onsale.errors import NotInQueue
from onsale.queue import lua
from onsale.queue.keys import number_place
from onsale.queue.live_seats import LiveSeats
from onsale.queue.outlook import Cause, Outlook
from onsale.queue.place_store import Handing, PlaceStore
from onsale.queue.scripts import NAMES
from onsale.queue.seats_seen import Plan, SectionPlan
from onsale.queue.state import Phase, Place, SlotKind, SlotState, Standing
from onsale.queue.store import QueueStore
from onsale.queue.ticket_cache import TakenTicket, TicketCache
from tests.services.waiting_room import ADDRESS, EMPTY, EVENT, RULES, START_MS, Room, a_buyer

PROMISED = Outlook(
    START_MS, 1, Cause.NONE, START_MS, Phase.OPEN, 0, 60, 0, serving=0, present=1.0, returns_share=0.0, slots_bind=False
)


class Recorded(Connection):
    """A connection that remembers which keys each script was given, by the script's hash."""

    keys_used: ClassVar[dict[str, set[str]]] = {}

    def pack_command(self, *args: Any) -> Any:
        """On the queue's way."""
        self._note(args)
        return super().pack_command(*args)

    def send_command(self, *args: Any, **options: Any) -> None:
        """On redis-py's own way."""
        self._note(args)
        super().send_command(*args, **options)

    def _note(self, words: Sequence[Any]) -> None:
        if words[0] == "EVALSHA":
            self.keys_used.setdefault(_text(words[1]), set()).update(_text(key) for key in words[3 : 3 + int(words[2])])


def _text(key: str | bytes) -> str:
    return key.decode() if isinstance(key, bytes) else key


@pytest.fixture
def recorded(redis_client: Redis) -> Iterator[Redis]:
    Recorded.keys_used.clear()
    pool = ConnectionPool(connection_class=Recorded, **redis_client.connection_pool.connection_kwargs)
    yield Redis(connection_pool=pool)
    pool.disconnect()


def everything(store: QueueStore, places: PlaceStore) -> Sequence[Callable[[], object]]:
    """Every call that runs a script."""
    buyer = a_buyer()
    handing = Handing(buyer, a_buyer(), a_place(1), None)
    return (
        lambda: store.begin_recovery(EVENT, EMPTY, RULES, version=1),
        lambda: store.finish_recovery(EVENT),
        lambda: store.grant_block(EVENT, 100),
        lambda: store.join(EVENT, buyer, address=ADDRESS),
        lambda: store.set_stock(EVENT, [], free=9, held=0),
        lambda: store.advance(EVENT, now_ms=START_MS * 2),
        lambda: store.enter(EVENT, "1"),
        lambda: store.place_of(EVENT, buyer),
        lambda: store.place_at(EVENT, "1"),
        lambda: store.heartbeat(EVENT, "1"),
        lambda: store.stay(EVENT, 1),
        lambda: store.follow(EVENT, {number_place(1): SlotState(SlotKind.LAPSED)}),
        lambda: store.come_back(EVENT, 1),
        lambda: store.leave(EVENT, "1"),
        lambda: store.configure(EVENT, replace(RULES, max_active=9), version=2),
        lambda: store.snapshot(EVENT),
        lambda: store.stop_briefly(EVENT, seconds=1),
        lambda: store.keep_outlook(EVENT, PROMISED),
        lambda: store.close_entries(EVENT),
        lambda: places.bind(EVENT, 1, device=b"a device"),
        lambda: places.hand_over(EVENT, handing),
        lambda: places.revoke(EVENT, [2]),
        lambda: places.reinstate(EVENT, [2]),
        # A buyer's look at a drawn number claims it.
        lambda: places.vacate(EVENT, [3]),
        lambda: store._claim(EVENT, 3),
        lambda: places.pass_spare(EVENT, range(1, 5), [4], size=9),
    )


def a_place(number: int) -> Place:
    return Place(number, None, Standing.AHEAD, None, START_MS, hands_free=False)


def test_all_keys_of_an_event_are_in_one_slot(recorded: Redis) -> None:
    store = QueueStore(recorded)
    for call in everything(store, PlaceStore(recorded)):
        # There is no draw whose entries could be closed.
        with suppress(NotInQueue):
            call()
    cache = TicketCache(recorded)
    cache.put(EVENT, [TakenTicket(ticket_id(EVENT, 1), 1, None)])
    cache.taken([ticket_id(EVENT, 1)])
    live = LiveSeats(recorded)
    live.begin(EVENT, Plan((SectionPlan(1, False, ((1, 5),)),)))
    cache.clear(EVENT, {ticket_id(EVENT, 1): 2})
    live.read(EVENT, None)

    named = {key for keys in Recorded.keys_used.values() for key in keys}
    stored = {_text(key) for key in recorded.scan_iter()}

    slots = {recorded.execute_command("CLUSTER KEYSLOT", key) for key in named | stored}
    assert [name for name in NAMES if sha1(lua.load(name).encode()).hexdigest() not in Recorded.keys_used] == []
    assert len(slots) == 1
    assert stored <= named


def test_two_events_may_be_in_different_slots(recorded: Redis) -> None:
    room = Room(recorded)
    other = type(room.keys)(EventId(EVENT + 1))

    assert room.keys.queue != other.queue
    assert len({recorded.execute_command("CLUSTER KEYSLOT", key) for key in (room.keys.queue, other.queue)}) == 2


SEATS = ["mark_tickets", "taken_tickets", "begin_seats", "read_seats"]
SCRIPTS = [*NAMES, *SEATS, "pace", "look_up", "keep", "outdate", "vouch"]


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_names_no_key_it_did_not_declare(name: str) -> None:
    source = lua.load(name)

    calls = re.findall(r"(?:redis\.call|[^.\w]call)\('(\w+)'(?:, ([^,)]+))?", source)

    assert calls
    for command, first in calls:
        if command not in {"TIME", "INFO"}:
            assert re.match(r"(unpack\()?KEYS\b|keys?\b|bits\b|one\.", first), f"{name}: {command} {first}"


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_says_what_it_takes_and_why_it_is_one(name: str) -> None:
    source = lua.load(name)
    lines = source.splitlines()
    limit = 120 if name == "advance" else 60

    assert source.startswith(f"-- {name}(KEYS: ")
    assert "Why one script:" in source
    assert len(lines) <= limit, f"{len(lines)} lines"
    assert max(map(len, lines)) <= 160
