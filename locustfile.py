"""Load for one event: the simulated buyers of `onsale rehearse`, sent by Locust, and checks that fail the run.

    locust                                          the web UI, http://127.0.0.1:8089
    locust --headless -u 200 -r 50 -t 90s           the same without a browser; exits 1 when a check fails
    locust --headless -u 200 -t 3m --shape ramp     or doors-open, flash-crowd
    locust --headless -u 200 -r 50 -t 90s WaitingRoomOnly

Sends everybody to one show of the sample catalogue at the shop of the last `make run`; --event and --host name others.
Every request is named by its route. docs/load-testing.md says what the checks mean.
"""

# A load test's whims are nobody's secret.
# ruff: noqa: S311

from __future__ import annotations

import json
import logging
import random
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import gevent
import requests
from locust import FastHttpUser, LoadTestShape, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser
from locust.rpc import Message
from locust.runners import MasterRunner, WorkerRunner

from onsale.sandbox.environment import RUN_ENV, read_env
from onsale.sandbox.visitor import buyer as visitor
from onsale.sandbox.visitor.habits import PLAIN, habits
from onsale.sandbox.visitor.locusting import (
    SHAPE_SECONDS,
    Journey,
    Shape,
    Tally,
    WaitingRoomVisitor,
    carry,
    fault,
    scaled,
    shares_of,
    users_at,
)
from onsale.sandbox.visitor.steps import Answer, Ask
from onsale.sandbox.visitor.visit import OVER

# On sale at 600 a minute, without the demo's crowd: at "Lanterns" a newcomer waits longer than a short test runs.
SHOW = "Harbour Lights"
HOST = "http://127.0.0.1:8000"
JOURNEY, PROMISES = "JOURNEY", "promises broken"
NEXT_BUYER_SECONDS = (1.0, 3.0)
# Where all is gone nobody queues up again at once.
ALL_GONE_SECONDS = (15.0, 30.0)
# Where nobody answers, or the event is not there: asked so often, once a second.
LOOKS_MAX = 5
LOOK_SECONDS = 10
ERRORS_MAX = 500
# The message in which a master deals out tokens.
TOKENS = "onsale-tokens"

log = logging.getLogger("onsale")


def last_run() -> str:
    """Where the last `make run` in this folder answers: it moves to another port when its own is taken."""
    file = Path(".onsale", RUN_ENV)
    return read_env(file).get("ONSALE_PUBLIC_URL", HOST) if file.exists() else HOST


class Crowd:
    """What all users of one process share: whom they come to see, what they are like, and what became of them."""

    def __init__(self, environment: Environment) -> None:
        self.tally = Tally()
        self.has_opened = False
        self.event_id: int | None = None
        self.tokens: list[str] = []
        self._environment = environment

    def open(self) -> None:
        """A run begins: read the options, which the web UI may have changed, and find the event."""
        options = self._environment.parsed_options
        self.tally, self.event_id, self.has_opened = Tally(), None, True
        try:
            self.shares = shares_of(options.shares)
            self.manners = scaled(visitor.Manners(), float(options.think))
            if options.tokens:
                self._read_tokens(Path(options.tokens))
            self.event_id = self._find(options.event)
        except (ValueError, OSError) as error:
            self.tally.saw(str(error))
            log.error("%s", error)

    def _read_tokens(self, file: Path) -> None:
        """Each token is one buyer: a master deals the file out to its workers, who need none of their own."""
        runner = self._environment.runner
        if isinstance(runner, WorkerRunner):
            return
        tokens = file.read_text(encoding="utf-8").split()
        if isinstance(runner, MasterRunner):
            clients = [client.id for client in runner.clients.all]
            for index, client_id in enumerate(clients):
                runner.send_message(TOKENS, tokens[index :: len(clients)], client_id)
        else:
            self.tokens = tokens

    def _find(self, wanted: str) -> int:
        """The id of the event; ValueError where there is none. Several evenings: the one announced last is on sale."""
        host = (self._environment.host or Buyer.host).rstrip("/")
        found = look_up(host, f"/v1/event={quote(wanted, safe='')}")["event_ids"]
        if not found:
            raise ValueError(f"{host} has no event {wanted!r}; --event names another, by id or name")
        event = look_up(host, f"/v1/events/{found[-1]}")
        # A part of a name is enough to find a show: say which one it was.
        log.info("Everybody wants event %s, %s (%s)", event["id"], event["name"], event["slug"])
        return int(event["id"])

    def next_token(self) -> str | None:
        """A token for one buyer; None lets the buyer come as a guest."""
        return self.tokens.pop() if self.tokens else None


class OnsaleUser(FastHttpUser):
    """Carries one visit after the other, each a new buyer's, over Locust's client."""

    abstract = True
    host = last_run()
    network_timeout = 20.0
    connection_timeout = 10.0
    buys = True

    def wait_time(self) -> float:
        """How long until the next buyer comes."""
        return random.uniform(*(ALL_GONE_SECONDS if self.found_all_gone else NEXT_BUYER_SECONDS))

    def on_start(self) -> None:
        self.crowd: Crowd = self.environment.crowd
        self.found_all_gone = False
        if self.crowd.event_id is None:
            raise StopUser

    def new_buyer(self) -> visitor.Buyer:
        raise NotImplementedError

    @task
    def visit(self) -> None:
        self.client.cookiejar.clear()
        buyer = self.new_buyer()
        journey = Journey(buyer.visit)
        try:
            for _ in carry(buyer.steps(), send=self.send, sleep=gevent.sleep):
                self.tell(journey)
        finally:
            self.tell(journey)
            self.crowd.tally.over(buyer.visit, habits=buyer.habits, manners=self.crowd.manners, buys=self.buys)
            self.found_all_gone = buyer.visit.ended in OVER

    def tell(self, journey: Journey) -> None:
        """Write what was measured and what was broken into Locust's statistics, each in a line of its own."""
        stats = self.environment.stats
        for name, value in journey.measured():
            # Not as a request: minutes of waiting would drown the answers' milliseconds in the totals and the charts.
            stats.get(name, JOURNEY).log(value, 0)
        for what in journey.broken():
            self.crowd.tally.saw(what)
            if len(stats.errors) < ERRORS_MAX:
                stats.log_error(JOURNEY, PROMISES, what)

    def send(self, asks: tuple[Ask, ...]) -> tuple[Answer, ...]:
        """Send the requests of one step at once."""
        if len(asks) == 1:
            return (self.one(asks[0]),)
        sending = [gevent.spawn(self.one, ask) for ask in asks]
        try:
            gevent.joinall(sending, raise_error=True)
        finally:
            # The end of the test ends this user, and must end its requests.
            gevent.killall(sending)
        return tuple(each.value for each in sending)

    def one(self, ask: Ask) -> Answer:
        with self.client.request(
            ask.method,
            ask.path,
            name=ask.route,
            json=ask.body,
            data=ask.form,
            headers=dict(ask.headers),
            allow_redirects=ask.form is None,
            catch_response=True,
        ) as response:
            waits = (response.headers or {}).get("Retry-After", "")
            retry_after = float(waits) if waits.isdecimal() else None
            answer = Answer(response.status_code, document(response.content), retry_after)
            wrong = fault(answer)
            if wrong:
                response.failure(wrong)
                self.crowd.tally.saw(f"{ask.method} {ask.route}: {wrong}")
            else:
                response.success()
        return answer


class Buyer(OnsaleUser):
    """The buyers of a rehearsal: most wait, choose and pay, others do what every onsale has."""

    def new_buyer(self) -> visitor.Buyer:
        chance, crowd = random.Random(), self.crowd
        return visitor.Buyer(
            crowd.event_id,
            habits(chance, crowd.shares),
            chance=chance,
            clock=time.monotonic,
            manners=crowd.manners,
            token=crowd.next_token(),
        )


class WaitingRoomOnly(OnsaleUser):
    """The five steps that the load test of AWS' Virtual Waiting Room took; sent when named on the command line."""

    buys = False

    def new_buyer(self) -> visitor.Buyer:
        return WaitingRoomVisitor(
            self.crowd.event_id, PLAIN, chance=random.Random(), clock=time.monotonic, token=self.crowd.next_token()
        )


class Shaped(LoadTestShape):
    """One of the shapes, with the users and the time of -u and -t."""

    # Locust would take a shape that it finds here for wanted, and no longer heed -r.
    abstract = True
    use_common_options = True

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape

    def tick(self) -> tuple[int, float] | None:
        options, seconds = self.runner.environment.parsed_options, self.get_run_time()
        if options.run_time and seconds >= float(options.run_time):
            return None
        run_seconds = float(options.run_time or SHAPE_SECONDS)
        return users_at(self.shape, seconds, users=int(options.num_users or 1), run_seconds=run_seconds)


def look_up(host: str, path: str) -> dict[str, Any]:
    """A document of the shop's; ValueError where nobody answers with one."""
    for _ in range(LOOKS_MAX):
        with suppress(requests.RequestException):
            answer = requests.get(f"{host}{path}", timeout=LOOK_SECONDS)
            if answer.ok:
                return dict(answer.json())
        gevent.sleep(1)
    raise ValueError(f"{host} does not answer; --host says where the shop is")


def document(body: bytes | None) -> object:
    """The JSON of an answer; None for an empty one or another kind of text."""
    try:
        return json.loads(body) if body else None
    except ValueError:
        return None


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """What a run can be told beside Locust's own options."""
    parser.add_argument(
        "--event", env_var="ONSALE_EVENT", default=SHOW, help="The show: its id, or a part of its name."
    )
    parser.add_argument(
        "--shares",
        env_var="ONSALE_SHARES",
        default="",
        help="How many do what: abandons=0.1,two_tabs=0 and so on, each from 0 to 1.",
    )
    parser.add_argument(
        "--think",
        env_var="ONSALE_THINK",
        type=float,
        default=1.0,
        help="How long people take to choose and to pay: 1 as people do, 0.1 ten times as quick.",
    )
    parser.add_argument(
        "--tokens",
        env_var="ONSALE_TOKENS",
        default="",
        include_in_web_ui=False,
        help="A file of JWTs, one a line (`onsale tokens -n 10000`): each is one buyer; then they come as guests.",
    )
    parser.add_argument(
        "--shape",
        env_var="ONSALE_SHAPE",
        choices=[each.value for each in Shape],
        default=None,
        include_in_web_ui=False,
        help="How the users of -u come over the time of -t; -r counts when no shape is chosen.",
    )


@events.init.add_listener
def set_up(environment: Environment, **_: Any) -> None:
    """Give every process its crowd, choose shape and users, and let workers report to their master."""
    crowd = environment.crowd = Crowd(environment)
    options = environment.parsed_options
    shapes = {each.value: Shaped(each) for each in Shape}
    environment.available_shape_classes = shapes
    if options.shape:
        environment.shape_class = shapes[options.shape]
        environment.shape_class.runner = environment.runner
    if not (options.user_classes or options.class_picker or isinstance(environment.runner, WorkerRunner)):
        environment.user_classes[:] = [Buyer]

    def report(client_id: str, data: dict[str, Any]) -> None:
        data["onsale"] = crowd.tally.report()

    def add(client_id: str, data: dict[str, Any]) -> None:
        crowd.tally.add(data["onsale"])

    def take_tokens(environment: Environment, msg: Message, **_: Any) -> None:
        crowd.tokens = list(msg.data)

    environment.events.report_to_master.add_listener(report)
    environment.events.worker_report.add_listener(add)
    if isinstance(environment.runner, WorkerRunner):
        environment.runner.register_message(TOKENS, take_tokens)


@events.test_start.add_listener
def open_doors(environment: Environment, **_: Any) -> None:
    """Find the event; without one there is no test."""
    environment.crowd.open()
    if environment.crowd.event_id is None and not isinstance(environment.runner, WorkerRunner):
        gevent.spawn(environment.runner.stop if environment.web_ui else environment.runner.quit)


@events.test_stop.add_listener
def tell_verdict(environment: Environment, **_: Any) -> None:
    """In the web UI every run has its verdict, in the log."""
    if environment.web_ui:
        log.info("%s", environment.crowd.tally.told())


@events.quitting.add_listener
def judge(environment: Environment, **_: Any) -> None:
    """Exit with 1 when a check failed; a master and a single process know the whole."""
    if isinstance(environment.runner, WorkerRunner):
        return
    environment.runner.stop()
    if environment.crowd.has_opened and environment.crowd.tally.verdict():
        environment.process_exit_code = 1

    # Below Locust's own tables, where it is seen.
    def tell(exit_code: int, **_: Any) -> None:
        print(f"\n{environment.crowd.tally.told()}", file=sys.stderr)

    if not environment.web_ui:
        environment.events.quit.add_listener(tell)
