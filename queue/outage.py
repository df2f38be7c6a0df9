"""Says in the log once that a part is away, and once that it is back, instead of once per request."""

from __future__ import annotations

import structlog

log = structlog.get_logger(__name__)


class Outage:
    """Whether one part answers, as last seen by this process."""

    def __init__(self, part: str) -> None:
        self._part = part
        self._away = False

    def failed(self, error: Exception) -> None:
        """It did not answer."""
        if not self._away:
            self._away = True
            # The kind only: a driver's message may carry an address with a password in it.
            log.warning("part_away", part=self._part, error=type(error).__name__)

    def worked(self) -> None:
        """It answered."""
        if self._away:
            self._away = False
            log.info("part_back", part=self._part)
