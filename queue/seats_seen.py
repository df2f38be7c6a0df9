"""What a process knows of an event's seats: each section's letters in one version, and what led there; told as JSON.

Pure and immutable: a version follows from the one before and what changed. The web has one per event that somebody
looks at, and so has the process that lets viewers wait (`live_seats.py` and `seats_watch.py` read for them).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import orjson

from onsale.db.ids import EventId
from onsale.queue.ticket_marks import FREE, HELD, SOLD, letters

# Writes remembered: whoever missed more is told everything.
WRITES_KEPT = 1_000
# More changes than this are longer than the whole.
CHANGES_TOLD_MAX = 1_000
# Answers kept of one version: each `since` and section is made once, however many ask.
ANSWERS_KEPT = 512
VERSION = re.compile(r"([0-9a-z]{1,40})\.(0|[1-9][0-9]{0,15})")
_CHANGE_BYTES = 4

# The number of a write, and its changes: three bytes of ordinal and a letter each.
Write = tuple[int, bytes]


@dataclass(frozen=True, slots=True)
class SectionPlan:
    """Where a section's letters come from: runs of (first ordinal, count) in the order of the seat map."""

    id: int
    general: bool
    runs: tuple[tuple[int, int], ...]

    def ordinals(self) -> Iterator[int]:
        """Whose letters they are, one after the other."""
        return (first + step for first, count in self.runs for step in range(count))


@dataclass(frozen=True)
class Plan:
    """Which ticket is which letter."""

    sections: tuple[SectionPlan, ...]

    @classmethod
    def from_json(cls, text: bytes) -> Plan:
        return cls(
            tuple(
                SectionPlan(id_, general, tuple((first, count) for first, count in runs))
                for id_, general, runs in orjson.loads(text)
            )
        )

    def json(self) -> bytes:
        return orjson.dumps([[each.id, each.general, each.runs] for each in self.sections])

    @property
    def last_ordinal(self) -> int:
        return max((first + count - 1 for each in self.sections for first, count in each.runs), default=0)

    def place(self, ordinal: int) -> tuple[int, int] | None:
        """(which section, which of its letters); None for a ticket that is not in the plan."""
        firsts, places = self._index
        nearest = bisect_right(firsts, ordinal) - 1
        if nearest < 0:
            return None
        section, at, count = places[nearest]
        step = ordinal - firsts[nearest]
        return (section, at + step) if step < count else None

    @cached_property
    def _index(self) -> tuple[list[int], list[tuple[int, int, int]]]:
        found = []
        for number, section in enumerate(self.sections):
            at = 0
            for first, count in section.runs:
                found.append((first, (number, at, count)))
                at += count
        found.sort()
        return [first for first, _ in found], [place for _, place in found]


@dataclass(frozen=True, slots=True)
class SectionSeen:
    """One letter (f, h, s) per ticket of a section; `changed_at` is the last write remembered that changed it."""

    section_id: int
    general: bool
    letters: bytes
    changed_at: int = 0

    @property
    def free(self) -> int:
        return self.letters.count(FREE.encode())

    @property
    def held(self) -> int:
        return self.letters.count(HELD.encode())

    @property
    def sold(self) -> int:
        return self.letters.count(SOLD.encode())

    @property
    def states(self) -> str:
        """As the API tells it: "" for general admission, whose places nobody picks."""
        return "" if self.general else self.letters.decode()


@dataclass(frozen=True)
class SeatsSeen:
    """One version of the seats of an event, with the writes before it as far as they are known."""

    event_id: EventId
    epoch: str
    seq: int
    plan: Plan
    sections: tuple[SectionSeen, ...]
    writes: tuple[Write, ...] = ()
    _answers: dict[tuple[int | None, int | None], bytes] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    @classmethod
    def whole(
        cls, event_id: EventId, version: tuple[str, int], plan: Plan, marks: bytes, *, writes: Sequence[Write] = ()
    ) -> SeatsSeen:
        """The seats as the copy has them: `marks` from ordinal 1."""
        by_ordinal, kept = letters(marks), _consecutive(writes, version[1])
        changed_at = _changed_at(plan, kept)
        sections = tuple(
            SectionSeen(
                section.id,
                section.general,
                b"".join(by_ordinal[first - 1 : first - 1 + count] for first, count in section.runs),
                changed_at.get(number, 0),
            )
            for number, section in enumerate(plan.sections)
        )
        return cls(event_id, *version, plan, sections, kept)

    @property
    def version(self) -> str:
        return f"{self.epoch}.{self.seq}"

    def after(self, seq: int, writes: Sequence[Write]) -> SeatsSeen:
        """The version that follows from these writes."""
        if not writes:
            return self
        changed: dict[int, bytearray] = {}
        for _, changes in writes:
            for ordinal, letter in _changes(changes):
                place = self.plan.place(ordinal)
                if place is not None:
                    section, at = place
                    changed.setdefault(section, bytearray(self.sections[section].letters))[at] = letter
        changed_at = _changed_at(self.plan, writes)
        sections = tuple(
            replace(each, letters=bytes(changed[number]), changed_at=changed_at[number]) if number in changed else each
            for number, each in enumerate(self.sections)
        )
        kept = (*self.writes, *writes)[-WRITES_KEPT:]
        return SeatsSeen(self.event_id, self.epoch, seq, self.plan, sections, kept)

    def becoming(self, now: SeatsSeen) -> SeatsSeen:
        """The next version of this epoch: the letters of another reading with the same plan."""
        changes = b"".join(
            ordinal.to_bytes(3, "big") + bytes([letter])
            for plan, before, after in zip(self.plan.sections, self.sections, now.sections, strict=True)
            if before.letters != after.letters
            for ordinal, was, letter in zip(plan.ordinals(), before.letters, after.letters, strict=True)
            if was != letter
        )
        return self.after(self.seq + 1, [(self.seq + 1, changes)]) if changes else self

    def known(self, version: str | None) -> int | None:
        """The number of a version of this epoch that is not forgotten; None for any other."""
        found = VERSION.fullmatch(version or "")
        if found is None or found[1] != self.epoch:
            return None
        seq = int(found[2])
        oldest = self.writes[0][0] - 1 if self.writes else self.seq
        # One ahead of ours was told by another process: to us nothing has happened since.
        return min(seq, self.seq) if seq >= oldest else None

    def tag(self, since: str | None) -> str:
        """The entity tag of what is told to someone who knows the version `since`."""
        # Another process may have forgotten a version that this one knows: the same seats, told in another way.
        return f'"{self.version}{"" if self.known(since) is None else "+"}"'

    def changed(self, since: int, section_id: int | None = None) -> bool:
        """Whether a section (or any) changed after the write `since`."""
        if section_id is None:
            return since < self.seq
        return any(each.changed_at > since for each in self.sections if each.section_id == section_id)

    def told(self, since: str | None = None, section_id: int | None = None) -> bytes:
        """The JSON document for someone who knows the version `since`, of one section or of all."""
        known = self.known(since)
        asked = (known, section_id)
        answer = self._answers.get(asked)
        if answer is None:
            answer = self._told(known, section_id)
            if len(self._answers) < ANSWERS_KEPT:
                self._answers[asked] = answer
        return answer

    def _told(self, since: int | None, section_id: int | None) -> bytes:
        changed = {} if since is None else self._since(since)
        if since is None or sum(map(len, changed.values())) > CHANGES_TOLD_MAX:
            return self._document(None, [self._whole(each) for each in self._wanted(section_id)])
        sections = [
            self._counted(self.sections[number])
            | {"states": None, "changes": self._told_changes(number, changed[number])}
            for number in sorted(changed)
            if section_id in (None, self.sections[number].section_id)
        ]
        return self._document(f"{self.epoch}.{since}", sections)

    def _document(self, since: str | None, sections: list[dict[str, object]]) -> bytes:
        free, held, sold = self._counts
        return orjson.dumps(
            {
                "event_id": self.event_id,
                "version": self.version,
                "since": since,
                "free": free,
                "held": held,
                "sold": sold,
                "sections": sections,
            }
        )

    @cached_property
    def _counts(self) -> tuple[int, int, int]:
        return (
            sum(each.free for each in self.sections),
            sum(each.held for each in self.sections),
            sum(each.sold for each in self.sections),
        )

    def _wanted(self, section_id: int | None) -> Iterable[SectionSeen]:
        return (each for each in self.sections if section_id in (None, each.section_id))

    def _whole(self, section: SectionSeen) -> dict[str, object]:
        return self._counted(section) | {"states": section.states, "changes": None}

    def _counted(self, section: SectionSeen) -> dict[str, object]:
        return {"id": section.section_id, "free": section.free, "held": section.held, "sold": section.sold}

    def _told_changes(self, number: int, positions: set[int]) -> list[tuple[int, str]]:
        """What each of these places is now; a place of general admission has no number."""
        section = self.sections[number]
        return [] if section.general else [(at, chr(section.letters[at])) for at in sorted(positions)]

    def _since(self, since: int) -> dict[int, set[int]]:
        """Which letters of which sections were written after this write."""
        found: dict[int, set[int]] = defaultdict(set)
        for seq, changes in reversed(self.writes):
            if seq <= since:
                break
            for ordinal, _ in _changes(changes):
                place = self.plan.place(ordinal)
                if place is not None:
                    found[place[0]].add(place[1])
        return found


def _changes(packed: bytes) -> Iterable[tuple[int, int]]:
    """(ordinal, letter) of each change."""
    for at in range(0, len(packed), _CHANGE_BYTES):
        yield int.from_bytes(packed[at : at + 3], "big"), packed[at + 3]


def _changed_at(plan: Plan, writes: Sequence[Write]) -> dict[int, int]:
    """By section: the last of these writes that changed it."""
    places = ((seq, plan.place(ordinal)) for seq, changes in writes for ordinal, _ in _changes(changes))
    return {place[0]: seq for seq, place in places if place is not None}


def _consecutive(writes: Sequence[Write], seq: int) -> tuple[Write, ...]:
    """The newest writes that lead without a gap to this number."""
    kept: list[Write] = []
    for number, changes in reversed(writes):
        if number != seq - len(kept):
            break
        kept.append((number, changes))
    return tuple(reversed(kept))[-WRITES_KEPT:]
