"""What the waiting room answers: the status that everybody polls, and one buyer's own place."""

from __future__ import annotations

from datetime import datetime

from onsale.queue.odds import Odds
from onsale.queue.outlook import Cause
from onsale.queue.state import Phase, Standing
from onsale.web.api.contract import Told
from onsale.web.api.documents import EventNumber, Moment


class SectionLeft(Told):
    """Tickets left in a section; `price_minor` is what one costs, with all fees and taxes.

    `sold_out_at`: since when the section has none free and none held; it stays for whoever comes later.
    """

    section_id: int
    name: str
    price_minor: int
    free: int
    sold_out_at: datetime | None


class WaitPiece(Told):
    """The next `people` in line (null: all the others) are called at between `slow` and `fast` a minute."""

    people: int | None
    fast_per_minute: float
    slow_per_minute: float


class WaitOutlook(Told):
    """What each client reckons its wait with: add up the pieces over its people ahead and itself.

    From `fast` comes the moment from which on the turn may come, from `slow` the one by which it will, nine times in
    ten. Within an `epoch` keep the earliest end and the narrowest band you have told; a new epoch has a `cause`, and
    `since` when. No pieces left for you: nobody can know; not `sure`: few have finished, their stay is an estimate.
    `opens_at_ms`, where not 0, is when the reckoning begins.
    """

    epoch: int
    opens_at_ms: int
    pieces: list[WaitPiece]
    returns: list[WaitPiece]
    sure: bool
    cause: Cause
    since: datetime | None


class OddsFigures(Told):
    """What is known of everybody, for the chances of each: of a hundred who decided, `buys_percent` bought so many
    tickets.

    `present_percent` of those who wait will be let in; `choosing` are inside and have not decided, or took tickets
    since those that are free were counted; `seen_percent`: how much of it was seen in this sale rather than taught by
    others.
    """

    buys_percent: int
    tickets_per_buyer: float
    seen_percent: int
    present_percent: int
    choosing: int


class HeartbeatAsked(Told):
    """Numbers up to this one show presence so often; return numbers always do."""

    up_to: int
    every_seconds: int


class PollBand(Told):
    """With at most so many people ahead (null: any number), ask every so many seconds, jittered."""

    ahead: int | None
    seconds: int


class WeightDocument(Told):
    """Of so many people at most an entry counts so often: the best of that many drawn numbers is theirs."""

    weight: int
    people_max: int


class DrawDocument(Told):
    """A draw, as it was announced and as it came out; docs/draw.md tells how to work a number out again.

    `waits_for`: `opening`, then `beacon`, then `opening` again where that was put off, until it was held. `size`: how
    many numbers are drawn, null while entries are open; a beacon published before `closed_at` proves nothing. `seed`
    and `beacon_value` are told when it was held; `without_beacon`: the organiser did not wait for it. `weights`: fixed
    when the pre-queue opens; every entry that is of none of them counts once.
    """

    seed_hash: str
    beacon_name: str | None
    waits_for: str | None
    size: int | None
    closed_at: datetime | None
    without_beacon: bool
    seed: str | None
    beacon_value: str | None
    weights: list[WeightDocument]


class GapsDocument(Told):
    """Ranges [first, last] of numbers, and of return numbers, that are nobody's: skipped when a queue was restored."""

    numbers: list[tuple[int, int]]
    returns: list[tuple[int, int]]


class StatusDocument(Told):
    """How the queue stands, alike for everybody: people ahead are your number - serving - 1, without `gaps` between.

    Keep the largest `serving` you have seen. `poll` tells how often to ask, the first band that fits; `wait` is what a
    wait is reckoned with, `odds` what the chances are. `pace_per_minute`: how many come in now, 0 where nobody can say.
    `rate_per_minute` is in force now, `ceiling_per_minute` is what the organiser set; `why` tells in a sentence why it
    is lower, and is empty where it is not.
    """

    phase: Phase
    draw: DrawDocument | None
    serving: int
    return_serving: int
    issued: int
    waiting: int
    rate_per_minute: int
    ceiling_per_minute: int
    why: str
    admitted_per_minute: int
    pace_per_minute: int
    gaps: GapsDocument
    returns_waiting: bool
    opens_at: datetime
    enabled: bool
    selling: bool
    recovering: bool
    reason: str
    notice: str
    free: int | None
    held: int | None
    tickets_left: list[SectionLeft]
    wait: WaitOutlook
    odds: OddsFigures
    enter_seconds: int
    choose_seconds: int
    waiting_list: bool
    heartbeat: HeartbeatAsked
    poll: list[PollBand]
    poll_ms: int


class NoticeDocument(Told):
    """What the organiser said, and when."""

    at: Moment
    words: str
    current: bool


class NoticesDocument(Told):
    """The last notices, newest first, alike for everybody."""

    event_id: EventNumber
    notices: list[NoticeDocument]


class JoinedDocument(Told):
    """A place in the queue. Keep the queue token: it proves the number."""

    event_id: EventNumber
    number: int
    queue_token: str
    joined_at: Moment
    created: bool
    status_url: str
    place_url: str


class JoinedWithCodeDocument(JoinedDocument):
    """A place in a draw: `number` is the first of `weight` pre-queue numbers in a row; the best drawn one counts."""

    weight: int


class PlaceDocument(Told):
    """Where one buyer stands; the wait is a band, null where nobody can know. Poll every `poll_seconds`, jittered.

    Of a draw: `pre_queue_number` is what they joined with, the first of `weight` in a row, `drawn_number` (then also
    `number`) what came of it, the best of them.
    Hand `told` in with the next question: what was told then gets no later without a reason (`wait.cause` of the
    status). `odds`: whether a ticket is left at your turn, null where nobody can know.
    """

    event_id: int
    number: int
    pre_queue_number: int | None
    weight: int
    drawn_number: int | None
    return_number: int | None
    standing: Standing
    ahead: int
    wait_low_seconds: int | None
    wait_high_seconds: int | None
    told: str | None
    odds: Odds | None
    poll_seconds: int
    heartbeat: bool
    deadline: Moment | None
    hands_free: bool
    queue_token: str


class EnteredDocument(Told):
    """The buyer is in. The admission token books until `choose_until`; a granted hold spends it, a refusal does not."""

    event_id: int
    number: int
    return_number: int | None
    admission_token: str
    choose_until: Moment
