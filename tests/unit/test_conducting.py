"""How a rehearsal's crowd is heard: all it said is heard at once, however long a look at the shop takes."""

from __future__ import annotations

from multiprocessing import Pipe

from onsale.db.ids import EventId
from onsale.sandbox.rehearsal.conducting import Conductor
from onsale.sandbox.rehearsal.generating import Reached
from onsale.sandbox.rehearsal.journal import Exchanges, Journal, Progress
from onsale.sandbox.rehearsal.plan import Plan

WORDS = 50


class Busy:
    """A shop whose every look takes long; what it is told to kill is written down with how often it was looked at."""

    def __init__(self) -> None:
        self.looks = 0

    def look(self) -> None:
        self.looks += 1


class Alive:
    """A crowd's process that runs."""

    exitcode = None

    def is_alive(self) -> bool:
        return True


def test_a_crowd_that_talks_faster_than_the_shop_is_looked_at_is_heard_to_the_end() -> None:
    ours, theirs = Pipe()
    stack, heard = Busy(), []
    conductor = Conductor(Plan(buyers=1), "http://127.0.0.1:9", EventId(1), [], lambda said, _: heard.append(said))
    conductor.stack = stack  # type: ignore[assignment]  # of a stack only what is looked at
    for _ in range(WORDS):
        theirs.send(Progress(0.0, 0, 0, 0, 0, 0, 0, 0, 0, 0))
    theirs.send(Reached(1, 0.0))
    theirs.send(Journal(Exchanges(0.0), [], 1.0, 0.1))

    conductor._until_the_crowd_is_gone(Alive(), ours)  # type: ignore[arg-type]  # of a process only whether it runs

    assert len(heard) == WORDS
    assert stack.looks <= 2
