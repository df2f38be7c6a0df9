"""Who takes a letter: an SMTP server or a folder, behind one small interface."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from enum import StrEnum
from typing import Protocol

from onsale.mail.message import Envelope


class Said(StrEnum):
    """What became of a letter that was handed over.

    AWAY: it is not about this letter, so the others would not be taken either. UNCLEAR: the server may have it, or not.
    """

    TAKEN = "taken"
    PUT_OFF = "put_off"
    REFUSED = "refused"
    AWAY = "away"
    UNCLEAR = "unclear"


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said, and why, for an operator."""

    said: Said
    why: str = ""


class Post(Protocol):
    """Takes letters, one after the other. `close` it; it may be used again after that."""

    def hand_over(self, envelope: Envelope, message: EmailMessage, *, at_the_brink: Callable[[], None]) -> Answer:
        """Hand a letter over. `at_the_brink` is called once, right before it might be taken; what it raises stops
        the letter from being handed over.
        """

    def close(self) -> None:
        """Let go of the server."""
