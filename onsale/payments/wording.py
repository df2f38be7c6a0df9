"""What a payment is called: on the buyer's statement, in the provider's own letters, and to who looks it up there."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

# A line of a statement, the longest prefix that an account may have, and Stripe's "* " between: what is left is ours.
# An account with a shorter prefix could have more, but only its owner knows it.
STATEMENT_CHARACTERS_MAX = 22
PREFIX_CHARACTERS_MAX = 10
SUFFIX_CHARACTERS_MAX = STATEMENT_CHARACTERS_MAX - PREFIX_CHARACTERS_MAX - len("* ")
# Refused by Stripe, wherever they stand.
NOT_ON_A_STATEMENT = frozenset("<>\\'\"*")
DESCRIPTION_CHARACTERS_MAX = 500
# Letters that are no other letter with a mark on it. Other scripts are left out: who writes them knows how, we do not.
_LATIN = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D"}
    | {"ð": "d", "Ð": "D", "þ": "th", "Þ": "Th", "\u0131": "i", "&": "+"}
)


@dataclass(frozen=True, slots=True)
class Wording:
    """The words that go with one payment. None of them decides anything; all may be other ones at a repeat."""

    description: str
    # Of the statement's line, after the account's own prefix; None: the account's line as it is.
    statement_suffix: str | None = None
    # Where the provider is to send a receipt of its own.
    receipt_email: str | None = field(default=None, repr=False)
    # Beside the booking's id, which is always there.
    metadata: Mapping[str, str] = field(default_factory=dict)


def statement_suffix(name: str) -> str | None:
    """An event's name as a bank prints it: plain Latin capitals, as many as fit. None when no letter is left."""
    plain = " ".join(unicodedata.normalize("NFKD", name.translate(_LATIN)).split())
    kept = "".join(one for one in plain if one.isascii() and one.isprintable() and one not in NOT_ON_A_STATEMENT)
    suffix = " ".join(kept.upper().split())[:SUFFIX_CHARACTERS_MAX].strip()
    return suffix if any(one.isalpha() for one in suffix) else None
