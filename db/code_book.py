"""What a lane knows of its event's codes while it decides a batch: the rules, how often each is used, and by whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from onsale.db.code_rules import Code, CodeKind, CodeRefusal, go_together
from onsale.db.ids import BuyerId


@dataclass(frozen=True, slots=True)
class CodeBook:
    """The codes that bookings of a batch name, and the sections that only a code opens.

    Counts what the batch itself gives; read anew for each batch.
    """

    codes: Mapping[int, Code] = field(default_factory=dict)
    code_only: frozenset[int] = frozenset()
    # What every amount in the event's currency is a multiple of.
    unit_minor: int = 1
    used: Counter[int] = field(default_factory=Counter)
    used_by: Counter[tuple[int, BuyerId]] = field(default_factory=Counter)

    def shown(self, code_ids: Iterable[int], buyer_id: BuyerId) -> tuple[Code, ...] | CodeRefusal:
        """The codes that a booking names; or why it may have nothing with them."""
        codes = tuple(self.codes[code_id] for code_id in code_ids if code_id in self.codes)
        for code in codes:
            if code.off:
                return CodeRefusal.OFF
            if code.uses_max is not None and self.used[code.id] >= code.uses_max:
                return CodeRefusal.USED
            if code.uses_per_buyer is not None and self.used_by[code.id, buyer_id] >= code.uses_per_buyer:
                return CodeRefusal.USED
        # Refused when it was booked; only another release could have let it in.
        return codes if go_together(codes) else CodeRefusal.NOT_FOR_TICKETS

    def use(self, code_ids: Iterable[int], buyer_id: BuyerId) -> None:
        """A hold has used these."""
        for code_id in code_ids:
            self.used[code_id] += 1
            self.used_by[code_id, buyer_id] += 1

    def refusal(self, section_ids: Iterable[int], codes: Iterable[Code]) -> CodeRefusal | None:
        """Why tickets of these sections may not be had with these codes; None: they may.

        A section that only a code opens wants one, and a code that takes something off must do so: nobody who typed one
        pays the full price without being asked.
        """
        wanted, shown = frozenset(section_ids), tuple(codes)
        if not self.opened(wanted, shown):
            return CodeRefusal.NEEDED
        for code in shown:
            if code.takes_off and not any(code.covers(section_id) for section_id in wanted):
                return CodeRefusal.NOT_FOR_TICKETS
        return None

    def opened(self, section_ids: frozenset[int], codes: Iterable[Code]) -> bool:
        """Whether all of these sections are open to who has these codes."""
        opening = [code for code in codes if code.kind is CodeKind.UNLOCK]
        return all(any(code.covers(shut) for code in opening) for shut in section_ids & self.code_only)

    def needed(
        self, section_ids: frozenset[int], codes: Iterable[Code], taken_off: Mapping[int, int]
    ) -> tuple[Code, ...]:
        """Those of the codes that a hold of tickets in these sections uses: one that opened nothing, or found nothing
        left to take off, is not used up.
        """
        shut = section_ids & self.code_only
        return tuple(code for code in codes if _did_something(code, shut, taken_off))


def _did_something(code: Code, shut: frozenset[int], taken_off: Mapping[int, int]) -> bool:
    if code.takes_off:
        return taken_off.get(code.id, 0) > 0
    return code.kind is not CodeKind.UNLOCK or any(code.covers(each) for each in shut)


NO_CODES = CodeBook()
