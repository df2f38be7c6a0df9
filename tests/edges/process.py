"""Tells stories in processes of their own, and kills each where it is told to: `python -m tests.edges.process`.

Reads one JSON object a line (`Told`) and answers with one (`Heard`). Each story is told by a fork of this process,
which has no thread and no connection: everything is imported once, and nothing is shared.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import orjson
from flask import Flask

from onsale.config import Config
from onsale.db.ids import EventId
from onsale.web import create_app
from onsale.workers.shop import Shop, open_shop
from tests.edges.acts import STORIES, World
from tests.edges.edges import Edges
from tests.edges.recovering import Sweeps, recover

Parts = tuple[Shop, Flask]


@dataclass(frozen=True)
class Told:
    """One story about one buyer's seat; `die_at` names the edge, or is empty."""

    story: str
    event_id: int
    buyer_id: str
    token: str
    ticket: int
    staff: str = ""
    die_at: str = ""
    without: tuple[str, ...] = ()


@dataclass(frozen=True)
class Heard:
    """Which edges were passed, and whether it was killed; what went wrong if neither."""

    edges: tuple[str, ...]
    killed: bool
    failed: str = ""


def main() -> None:
    """One line after the other, until there are no more."""
    config = Config.from_env(os.environ)
    # Made once, and connected to nothing until a fork of this process needs it.
    parts = open_shop(config), create_app(config)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    # What is logged on the way is no answer.
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    for line in sys.stdin:
        heard = tell(parts, Told(**orjson.loads(line)))
        answers.write(orjson.dumps(asdict(heard)) + b"\n")


def tell(parts: Parts, told: Told) -> Heard:
    """The story until its end or its edge, and, if it was killed, what came of it when others took over."""
    story, died, failed = _forked(lambda say: _tell(parts, told, say))
    edges = tuple(one["edge"] for one in story if "edge" in one)
    if failed or not told.die_at:
        return Heard(edges, died, failed)
    act = max((one["act"] for one in story if "act" in one), default=0)
    _, _, failed = _forked(lambda say: _take_over(parts, told, act))
    return Heard(edges, died, failed)


def _forked(do: Any) -> tuple[list[dict[str, Any]], bool, str]:
    """What a child said while it did this; whether it was killed; how it failed otherwise."""
    ours, theirs = os.pipe()
    child = os.fork()
    if not child:
        os.close(ours)
        _child(do, theirs)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        said = [orjson.loads(line) for line in pipe]
    _, status = os.waitpid(child, 0)
    failed = next((one["failed"] for one in said if "failed" in one), "")
    return said, os.WIFSIGNALED(status), failed


def _child(do: Any, pipe: int) -> None:
    def say(**what: Any) -> None:
        os.write(pipe, orjson.dumps(what) + b"\n")

    try:
        do(say)
    except BaseException as error:
        with suppress(OSError):
            say(failed=f"{type(error).__name__}: {error}"[:2_000])
    finally:
        os._exit(0)


def _tell(parts: Parts, told: Told, say: Any) -> None:
    world = _world(parts, told)
    for act in STORIES[told.story].before:
        act.do(world)
    edges = Edges(told.die_at, seen=lambda edge: say(edge=edge))
    edges.install()
    for number, act in enumerate(STORIES[told.story].acts):
        say(act=number)
        act.do(world)
    edges.rest()
    for act in STORIES[told.story].after:
        act.do(world)


def _take_over(parts: Parts, told: Told, act: int) -> None:
    """The rest of the story by others: people repeat what had no answer, workers find what is left in the record."""
    world, without = _world(parts, told), {Sweeps(one) for one in told.without}
    for left in STORIES[told.story].acts[act:]:
        if left.again:
            left.do(world)
        recover(world, without=without)
    for left in STORIES[told.story].after:
        left.do(world)
        recover(world, without=without)


def _world(parts: Parts, told: Told) -> World:
    shop, app = parts
    return World(shop, app.test_client(), EventId(told.event_id), told.buyer_id, told.token, told.ticket, told.staff)


if __name__ == "__main__":
    main()
