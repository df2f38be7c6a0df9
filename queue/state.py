"""The values the queue takes and gives: what a buyer gets, what a worker says of a slot, how the whole queue stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from onsale.queue import gaps as nobodys
from onsale.queue.draw import DrawState
from onsale.queue.gaps import NO_GAPS, Gaps
from onsale.queue.keys import PlaceId, number_place, return_place


class Phase(StrEnum):
    """Where the queue is. `all_held` and `sold_out` are read off the stock while it is open; nobody sets them."""

    SCHEDULED = "scheduled"
    PRE_QUEUE = "pre_queue"
    OPEN = "open"
    PAUSED = "paused"
    ALL_HELD = "all_held"
    SOLD_OUT = "sold_out"
    CLOSED = "closed"


class Standing(StrEnum):
    """Where one place is; `passed`: the turn came and went (absent, not entered, time to choose over).

    `in_draw`: the number is still to be drawn, so that nobody is ahead or behind.
    """

    IN_DRAW = "in_draw"
    AHEAD = "ahead"
    ADMITTED = "admitted"
    ENTERED = "entered"
    HOLDING = "holding"
    PASSED = "passed"
    DONE = "done"


# The lane lets a slot follow its decision; while a booking waits longer than this (selling is stopped), the resend
# sweep tells the queue again. Were it much longer, a slot whose lane was killed in between would be missing to others.
UNDECIDED_MS = 120_000


class SlotKind(StrEnum):
    """What a slot is used for. `lapsed` ends it like an absence (a return number is possible), `done` for good."""

    CHOOSING = "choosing"
    UNDECIDED = "undecided"
    HOLDING = "holding"
    LAPSED = "lapsed"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class QueueRules:
    """What the organiser set; the seconds are what a buyer gets to enter, to choose and to pay. 0 as a limit: none.

    `rate_per_minute` is the rate in force. `because` says why it is lower than the one set, `ceiling_per_minute`, which
    is None where nothing can lower it (queue/auto_rate.py).
    """

    phase: Phase
    opens_at: datetime
    rate_per_minute: int
    max_active: int
    enabled: bool = True
    selling: bool = True
    reason: str = ""
    notice: str = ""
    enter_seconds: int = 120
    choose_seconds: int = 600
    pay_seconds: int = 600
    address_limit: int = 0
    handsfree_per_minute: int = 0
    # None: first come, first served.
    draw: DrawState | None = None
    ceiling_per_minute: int | None = None
    because: str = ""

    @property
    def ceiling(self) -> int:
        """The rate that was set."""
        return self.rate_per_minute if self.ceiling_per_minute is None else self.ceiling_per_minute


@dataclass(frozen=True, slots=True)
class SectionStock:
    """How the tickets of a section stand."""

    section_id: int
    name: str
    price_minor: int
    free: int
    held: int


@dataclass(frozen=True, slots=True)
class SoFar:
    """What the record knows of the sale: who has tickets or holds some, how many; and when which section sold out."""

    buyers: int
    tickets: int
    sold_out: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Joined:
    """A number in the queue; `created` is False when the buyer had it already.

    Of a draw: `pre_queue_number` is what they joined with, the first of `weight` in a row, and `number` is the same
    until it is `drawn`.
    """

    number: int
    joined_at_ms: int
    created: bool
    pre_queue_number: int | None = None
    drawn: bool = False
    weight: int = 1

    @property
    def token_number(self) -> int:
        """What a queue token proves: the number they joined with."""
        return self.pre_queue_number or self.number

    @property
    def in_draw(self) -> bool:
        """Whether the number is still to be drawn."""
        return self.pre_queue_number is not None and not self.drawn


@dataclass(frozen=True, slots=True)
class Advanced:
    """What one run of `advance` did: the numbers it went through (0 and 0: none), let in, and passed over.

    `hands_free`: how many of those let in have a booking waiting; wake the lane then.
    """

    first: int
    last: int
    return_first: int
    return_last: int
    admitted: int
    passed_over: int
    hands_free: int
    serving: int
    return_serving: int
    at_us: int


@dataclass(frozen=True, slots=True)
class Entered:
    """The buyer is in until `deadline_ms`. Asked again, the same answer."""

    admission_id: PlaceId
    number: int
    return_number: int | None
    deadline_ms: int


@dataclass(frozen=True, slots=True)
class TurnDevice:
    """The device that takes a place's turn, since when (0: it came first), and those that had it, the oldest first."""

    device: bytes
    since_ms: int
    had: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a buyer stands. `deadline_ms`: until when to come in, to choose or to pay; None where there is none.

    `joined_at_ms` is 0 where the place was asked for by its number. `pre_queue_number`: what they joined a draw with;
    `number` is then the drawn one, once it is.
    """

    number: int
    return_number: int | None
    standing: Standing
    deadline_ms: int | None
    joined_at_ms: int
    hands_free: bool
    pre_queue_number: int | None = None
    # So many pre-queue numbers in a row, from the one they joined with; the best drawn of them is `number`.
    weight: int = 1
    # None until the place was entered or moved by a client that names its device.
    turn: TurnDevice | None = None

    @property
    def token_number(self) -> int:
        """What a queue token proves: the number they joined with."""
        return self.pre_queue_number or self.number

    @property
    def admission_id(self) -> PlaceId:
        """The place that counts now: the return number, once there is one."""
        return return_place(self.return_number) if self.return_number else number_place(self.number)


@dataclass(frozen=True, slots=True)
class SlotState:
    """What became of an admitted place, and until when (`until_ms`, by the record's clock) it keeps its slot."""

    kind: SlotKind
    until_ms: int = 0


@dataclass(frozen=True, slots=True)
class QueueState:
    """How an event's queue stands at `now_ms` of Redis' clock. Stock is None until it was told once.

    Counters only grow. `admitted_last_minute` is measured. `stopped`: for a moment nobody is let in, whatever the rate.
    `recovering`: Redis lost or replaced the queue and it is being restored; the numbers may be incomplete.
    """

    now_ms: int
    recovering: bool
    rules: QueueRules
    version: int
    issued: int
    block_end: int
    serving: int
    return_issued: int
    return_serving: int
    waiting: int
    admitted: int
    entered: int
    holding: int
    admitted_total: int
    admitted_last_minute: int
    asked_to: int
    free: int | None
    held: int | None
    sections: tuple[SectionStock, ...]
    # Whether tickets that come back are a waiting list's.
    waiting_list: bool = False
    stopped: bool = False
    # Until when everyone counts as present, and up to which number presence was asked for long enough.
    grace_until_ms: int = 0
    asked_long: int = 0
    # Of those asked to show presence: how many were asked, how many heard; None until it was first counted.
    asked: int | None = None
    heard: int | None = None
    # When the organiser's settings last came into force.
    configured_at_ms: int = 0
    # What `queue/outlook.py` remembers, and what the record knows of the sale so far, as they are kept.
    outlook: bytes = b""
    so_far: SoFar | None = None
    # Up to where drawn numbers were looked through for those that are nobody's; None: all of them, or there are none.
    spare_to: int | None = None
    # Numbers that recoveries went on behind: nobody is ahead of anybody with these.
    gaps: Gaps = NO_GAPS
    # Up to which number the last recovery went on: nobody joined to get there.
    restored_to: int = 0
    # Holds since the tickets were last counted; each took at least one of those that `free` says.
    taken: int = 0

    @property
    def active(self) -> int:
        """Slots in use."""
        return self.admitted + self.entered + self.holding

    @property
    def choosing(self) -> int:
        """Who has a claim on one of the `free` tickets: nobody more is let in than there are (advance.lua)."""
        return self.admitted + self.entered + self.taken

    @property
    def called(self) -> int:
        """How many people's numbers were called."""
        return nobodys.people(1, self.serving, self.gaps.numbers)

    @property
    def returns_called(self) -> int:
        """How many people's return numbers were called."""
        return nobodys.people(1, self.return_serving, self.gaps.returns)

    @property
    def uncalled(self) -> int:
        """How many people's numbers were not called yet, those who left counted as well."""
        return nobodys.people(self.serving + 1, self.issued, self.gaps.numbers)

    @property
    def returns_uncalled(self) -> int:
        """The same of return numbers."""
        return nobodys.people(self.return_serving + 1, self.return_issued, self.gaps.returns)


@dataclass(frozen=True, slots=True)
class JoinEntry:
    """A line of the joins stream: acknowledge by `id` once the record has it."""

    id: str
    number: int
    buyer: bytes
    joined_at_ms: int
    # The network address as bytes, an IPv6 address as its /64; empty where a number was only proven again.
    address: bytes = b""
    weight: int = 1


@dataclass(frozen=True, slots=True)
class ReturnEntry:
    """A line of the stream of return numbers: whose number took which."""

    id: str
    return_number: int
    number: int


@dataclass(frozen=True, slots=True)
class AdmissionEntry:
    """A line of the admissions stream; `seq` counts runs, `passed` and `return_passed` are ranges passed over."""

    id: str
    seq: int
    at_us: int
    first: int
    last: int
    return_first: int
    return_last: int
    admitted: int
    passed: tuple[tuple[int, int], ...]
    return_passed: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Restored:
    """What recovery writes before anybody may go on; `queue/recovery.py` computes it.

    Nobody is known to own the numbers `unknown_first` to `issued` (and `return_unknown_first` to `return_issued`): they
    count as present only when heard.
    """

    issued: int
    serving: int
    return_issued: int
    return_serving: int
    unknown_first: int
    return_unknown_first: int
    seq: int
    admitted_total: int


# What a worker says about many slots at once.
Slots = Mapping[PlaceId, SlotState]
