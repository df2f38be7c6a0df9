"""A folder that takes letters, as files that a mail program opens: what a laptop has instead of an SMTP server."""

from __future__ import annotations

import os
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path

from onsale.mail.message import Envelope
from onsale.mail.post import Answer, Said


class Outbox:
    """Writes each letter to `<when>-<letter>.eml`; the same letter is the same file, however often it is written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hand_over(self, envelope: Envelope, message: EmailMessage, *, at_the_brink: Callable[[], None]) -> Answer:
        """Write it whole or not at all: a file that is half there would be opened by somebody."""
        name = f"{message['Date'].datetime:%Y%m%dT%H%M%S}-{envelope.letter_id}.eml"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            unfinished = self._folder / f".{name}"
            unfinished.write_bytes(message.as_bytes())
        except OSError as error:
            return Answer(Said.AWAY, f"{self._folder} cannot be written to: {error.strerror}.")
        at_the_brink()
        try:
            os.replace(unfinished, self._folder / name)
        except OSError as error:
            return Answer(Said.AWAY, f"{self._folder} cannot be written to: {error.strerror}.")
        return Answer(Said.TAKEN)

    def close(self) -> None:
        """Nothing is kept open."""
