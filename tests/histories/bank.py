"""A bank in memory behind the interface of a payment provider: keeps every promise of it, and loses answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from uuid import UUID

from onsale.errors import ProviderUnavailable
from onsale.payments.provider import Intent, IntentStatus, Refund, RefundStatus

S = IntentStatus
T = TypeVar("T")
YES, NO, ASKS, SLOW = "pm_yes", "pm_no", "pm_asks", "pm_slow"
CARDS = (YES, NO, ASKS, SLOW)
SAYS = {
    YES: S.REQUIRES_CAPTURE,
    NO: S.REQUIRES_PAYMENT_METHOD,
    ASKS: S.REQUIRES_ACTION,
    SLOW: S.PROCESSING,
}
TAKES_A_CARD = (S.REQUIRES_PAYMENT_METHOD, S.REQUIRES_CONFIRMATION, S.REQUIRES_ACTION)


@dataclass
class Bank:
    """One payment per booking. `asked`: the keys of the confirmations that came, and what each was answered."""

    intents: dict[str, Intent] = field(default_factory=dict)
    asked: dict[str, Intent] = field(default_factory=dict)
    refunded: dict[str, int] = field(default_factory=dict)
    answers_lost: int = 0

    def of_booking(self, booking_id: UUID) -> Intent | None:
        return self.intents.get(f"pi_{booking_id}")

    def decides(self, intent_id: str, *, yes: bool) -> None:
        """The cardholder answers, or a slow card comes to its end."""
        intent = self.intents[intent_id]
        if intent.status in (S.REQUIRES_ACTION, S.PROCESSING):
            self._set(intent, SAYS[YES] if yes else SAYS[NO])

    def create_intent(self, *, booking_id: UUID, amount_minor: int, currency: str, **_: Any) -> Intent:
        name = f"pi_{booking_id}"
        fresh = Intent(name, S.REQUIRES_PAYMENT_METHOD, "", amount_minor, currency, booking_id=booking_id)
        return self._answer(lambda: self.intents.setdefault(name, fresh))

    def confirm_intent(
        self, intent_id: str, *, payment_method: str, key: str, return_url: str, buyer_away: bool = False
    ) -> Intent:
        def confirm() -> Intent:
            if key not in self.asked:
                intent = self.intents[intent_id]
                if intent.status in TAKES_A_CARD:
                    intent = self._set(intent, SAYS[payment_method])
                self.asked[key] = intent
            # The same key is answered as it was the first time, however old that answer is by now.
            return self.asked[key]

        return self._answer(confirm)

    def retrieve_intent(self, intent_id: str) -> Intent:
        return self._answer(lambda: self.intents[intent_id])

    def capture_intent(self, intent_id: str, *, key: str) -> Intent:
        def capture() -> Intent:
            intent = self.intents[intent_id]
            return self._set(intent, S.SUCCEEDED) if intent.status is S.REQUIRES_CAPTURE else intent

        return self._answer(capture)

    def cancel_intent(self, intent_id: str, *, key: str) -> Intent:
        def cancel() -> Intent:
            intent = self.intents[intent_id]
            return intent if intent.captured else self._set(intent, S.CANCELED)

        return self._answer(cancel)

    def refund_intent(self, intent_id: str, *, amount_minor: int, key: str) -> Refund:
        def refund() -> Refund:
            self.refunded[intent_id] = amount_minor
            return Refund(key, RefundStatus.SUCCEEDED, intent_id, amount_minor, "eur")

        return self._answer(refund)

    def _set(self, intent: Intent, status: IntentStatus) -> Intent:
        declined = status is S.REQUIRES_PAYMENT_METHOD
        self.intents[intent.id] = replace(
            intent,
            status=status,
            captured_minor=intent.amount_minor if status is S.SUCCEEDED else 0,
            decline_code="card_declined" if declined else None,
            next_action_url="https://bank.example/" if status is S.REQUIRES_ACTION else None,
        )
        return self.intents[intent.id]

    def _answer(self, work: Callable[[], T]) -> T:
        done = work()
        if self.answers_lost:
            self.answers_lost -= 1
            raise ProviderUnavailable
        return done
