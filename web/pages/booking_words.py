"""What the state of a booking means to the buyer, in words, and what the buyer can do about it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from onsale.db.allocation import Refusal
from onsale.db.code_rules import CodeRefusal
from onsale.db.states import HOLDING
from onsale.db.states import BookingState as S


@dataclass(frozen=True)
class BookingWords:
    """One state, told to the buyer; `settled` means nothing more will happen by itself."""

    tag: str
    title: str
    text: str
    kind: str = ""
    settled: bool = False
    needs_you: bool = False
    wants_card: bool = False
    may_cancel: bool = False
    may_choose_again: bool = False
    # What the way to choose again is called, where it is not to choose something else.
    again: str = ""
    # Together with the version this says whether the page must be drawn again.
    mark: str = ""


WORDS: dict[S, BookingWords] = {
    S.WAITING: BookingWords(
        "Waiting",
        "We book for you when your number comes",
        "You need not stay. When the queue reaches your number we take the best that fits and charge your card.",
        kind="good",
        may_cancel=True,
    ),
    S.QUEUED: BookingWords(
        "Deciding",
        "Your booking is in line",
        "It is decided in the order of the numbers; this takes a moment. Close the page if you like: the answer stays.",
        may_cancel=True,
    ),
    S.HELD: BookingWords(
        "Held for you",
        "These tickets are held for you",
        "Nobody else can take them until the time is up. Pay before that and they are yours.",
        kind="good",
        needs_you=True,
        wants_card=True,
        may_cancel=True,
    ),
    S.AUTHORISING: BookingWords(
        "Paying",
        "Asking your bank",
        "Your tickets stay held meanwhile. This usually takes a few seconds; please do not pay again.",
    ),
    S.REQUIRES_ACTION: BookingWords(
        "Your bank asks",
        "Your bank wants you to confirm",
        "Follow the link to your bank, say yes there, and you come back here.",
        kind="warn",
        needs_you=True,
        may_cancel=True,
    ),
    S.AUTHORISED: BookingWords(
        "Paying",
        "Your bank said yes",
        "We are writing the tickets to your name. The money is taken only after that.",
    ),
    S.COMMITTED: BookingWords(
        "Yours",
        "The tickets are yours",
        "They are written to your name. The payment is being completed.",
        kind="good",
    ),
    S.CONFIRMED: BookingWords(
        "Confirmed", "Enjoy the show", "Paid, and the tickets are yours.", kind="good", settled=True
    ),
    S.REFUNDING: BookingWords(
        "Refunding",
        "Your money is on its way back",
        "We are asking your bank. This usually takes a few seconds.",
    ),
    S.REFUNDED: BookingWords(
        "Refunded",
        "The tickets are given back",
        "What comes back is listed here; banks need a few days to show it.",
        settled=True,
    ),
    S.SOLD_OUT: BookingWords(
        "Sold out",
        "Sold out before your turn",
        "Nothing that fits was left when your number was decided. You were not charged.",
        kind="bad",
        settled=True,
    ),
    S.UNAVAILABLE: BookingWords(
        "Not available",
        "Somebody was before you",
        "What you asked for is gone. You were not charged, and your turn is still yours: choose something else.",
        kind="warn",
        settled=True,
        may_choose_again=True,
    ),
    S.PAYMENT_FAILED: BookingWords(
        "Payment failed",
        "The payment did not go through",
        "You were not charged, and the tickets are free for others.",
        kind="bad",
        settled=True,
    ),
    S.EXPIRED: BookingWords(
        "Expired",
        "The time to pay ran out",
        "The tickets are free for others. You were not charged.",
        kind="bad",
        settled=True,
    ),
    S.CANCELLED: BookingWords(
        "Cancelled", "Cancelled", "The tickets are free for others. You were not charged.", settled=True
    ),
    S.FAILED: BookingWords(
        "Failed",
        "Something broke on our side",
        "This booking could not be decided and we were told. You were not charged. Please try again.",
        kind="bad",
        settled=True,
        may_choose_again=True,
    ),
}


DEARER = BookingWords(
    "Price changed",
    "The price went up before your booking was decided",
    "We never charge more than the {shown} that you were shown, so nothing was booked and you were not charged. "
    "Look at the prices as they are now and choose again: your turn is still yours.",
    kind="warn",
    settled=True,
    may_choose_again=True,
    again="See the prices now",
)
OF_THE_PRICES = {
    Refusal.NO_SUCH_TIER: "Tickets of the kind you asked for are not sold there (any more).",
    Refusal.TIER_LIMIT: "One booking may not have so many tickets of one of the kinds you asked for.",
    Refusal.ADDRESS_LIMIT: "So many tickets were booked from your network address that this booking would pass the "
    "limit of this show; somebody else may have booked over the same connection.",
}
# In the currency of the booking: the least and the most that the payment provider takes at once.
OF_THE_TOTAL = {
    Refusal.TOTAL_TOO_SMALL: "All of it came to less than {least}, and no bank takes so small a payment. Take more "
    "tickets, or leave out the code if you used one.",
    Refusal.TOTAL_TOO_LARGE: "All of it came to more than {most}, the most that can be paid at once. Take fewer "
    "tickets in one booking.",
}
# The provider will know in hours or days; the page may be closed.
WAITING_FOR_MONEY = BookingWords(
    "On its way",
    "The payment is on its way",
    "Your bank said yes and the money has not come yet, which may take hours. Your tickets stay held meanwhile. "
    "You can close this page: what became of it is told here. Please do not pay again.",
    mark="processing",
)
CANCELLING = BookingWords(
    "Cancelling",
    "Making sure that nothing is charged",
    "We are asking the bank to release the payment. Then the tickets go back on sale.",
    mark="cancelling",
)


# The bank refuses what is given back, or sent it back later.
OWED = "Your bank did not take the money. We were told, and try again; there is nothing that you need to do."


def owed(words: BookingWords) -> BookingWords:
    """The same words, where the money that is given back has not arrived."""
    kept = " The tickets that you kept are yours." if words is WORDS[S.CONFIRMED] else ""
    title = words.title if words.title == CALLED_OFF else "Your money has not reached you yet"
    tag = words.tag if words is WORDS[S.CONFIRMED] else "Money not there yet"
    return replace(words, tag=tag, title=title, text=OWED + kept, kind="warn", mark="owed")


CARD_LET_GO = BookingWords(
    "One moment",
    "This card may not pay for these tickets",
    "One card pays for only so many tickets of this show. We are asking the bank to let go what it reserved; then you "
    "can use another card. The tickets stay held for you.",
    mark="letting-go",
)


NOT_CHARGED = "Nothing was booked and you were not charged. Your turn is still yours: "


def _refused(tag: str, title: str, then: str) -> BookingWords:
    return BookingWords(
        tag, title, NOT_CHARGED + then, kind="warn", settled=True, may_choose_again=True, again="Choose again"
    )


# Why a code, or the want of one, left a booking with nothing.
CODE_REFUSED: dict[str, BookingWords] = {
    CodeRefusal.USED: _refused(
        "Code used up", "Your code is used up", "remove the code, or use another one, and choose again."
    ),
    CodeRefusal.OFF: _refused(
        "Code over", "Your code is not valid any more", "remove the code, or use another one, and choose again."
    ),
    CodeRefusal.NOT_FOR_TICKETS: _refused(
        "Not for these",
        "Your code is not for these tickets",
        "choose tickets that it is for, or remove the code and pay the full price.",
    ),
    CodeRefusal.NEEDED: _refused(
        "Code needed", "These tickets are sold only with a code", "enter the code, or choose other tickets."
    ),
}

CALLED_OFF = "This show is cancelled"


def dearer(shown: str) -> BookingWords:
    """The words for a booking that would have cost more than the buyer was `shown`."""
    return replace(DEARER, text=DEARER.text.format(shown=shown))


def of_refusal(reason: str | None) -> BookingWords | None:
    """The words for a booking that was refused for what it asked, where there are better ones than the state's."""
    if reason not in OF_THE_PRICES:
        return None
    told = f"{OF_THE_PRICES[Refusal(reason)]} You were not charged, and your turn is still yours: choose again."
    return replace(WORDS[S.UNAVAILABLE], title="This cannot be booked as you asked", text=told)


def unpayable(reason: str | None, *, least: str, most: str) -> BookingWords | None:
    """The words for a booking whose total cannot be paid."""
    if reason not in OF_THE_TOTAL:
        return None
    why = OF_THE_TOTAL[Refusal(reason)].format(least=least, most=most)
    told = f"{why} Nothing was booked and you were not charged; your turn is still yours."
    return replace(
        WORDS[S.UNAVAILABLE], title="This total cannot be paid", tag="Not possible", text=told, again="Choose again"
    )


def words_for(
    state: S,
    *,
    charging: bool = False,
    declined: bool = False,
    cancelling: bool = False,
    called_off: bool = False,
    waiting: bool = False,
) -> BookingWords:
    """The words of a state; `charging`: a card is known and being tried, so a held booking asks for nothing.

    `declined` is the last attempt's outcome: the hold goes on and asks for another card. `called_off`: it ends because
    the show does not take place. `waiting`: the last attempt's outcome comes later.
    """
    if called_off and state is S.CANCELLED:
        return replace(WORDS[state], title=CALLED_OFF, text="You were not charged.")
    if called_off and state in (S.REFUNDING, S.REFUNDED):
        return replace(WORDS[state], title=CALLED_OFF, text="You get back all that you paid; there is nothing to do.")
    words = WORDS[state]
    if cancelling and state in HOLDING:
        return CANCELLING
    if waiting and state is S.AUTHORISING:
        return WAITING_FOR_MONEY
    if state is S.HELD and charging:
        return replace(
            words,
            text="We are charging the card you gave. This takes a moment.",
            needs_you=False,
            wants_card=False,
            mark="charging",
        )
    if state is S.HELD and declined:
        return replace(words, mark="declined", text="They stay yours until the time is up.")
    return words
