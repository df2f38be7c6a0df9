"""Work done in a thread while PostgreSQL writes a batch: what a lane owes for its last one, and what helps the next."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

Work = Callable[[], None]


class Beside:
    """One piece of work after the other. At the end of the `with` all of it is done; whatever it raised is raised.

    Two threads that both run Python only hinder each other, so what is owed begins when the lane says that it is about
    to wait.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "beside-the-lane")
        self._owed: Work | None = None
        self._under_way: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._pool:
            self.finish()

    def owe(self, work: Work) -> None:
        """To be begun soon, after what was owed before; done also when that raises."""
        try:
            self.finish()
        finally:
            self._owed = work

    def run(self, work: Work) -> Future[None]:
        """Begin this at once. Whoever asks for the result gets what it raised."""
        return self._pool.submit(work)

    def begin(self) -> None:
        """We are about to wait: begin what is owed."""
        if self._owed is not None:
            self._under_way, self._owed = self._pool.submit(self._owed), None

    def finish(self) -> None:
        """Do what was not begun, wait for what was. Raises what it raised."""
        owed, self._owed = self._owed, None
        if owed is not None:
            owed()
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()
