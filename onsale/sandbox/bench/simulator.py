"""The row `simulator`: payments a second through the simulated Stripe, and that it is no slower when it has many.

A payment is what Onsale asks for one: created, confirmed and captured, each call with its idempotency key, over kept
connections from another process, whose CPU is not counted. The value is payments per second of the clock while a
hundred thousand are made, with the client on the same machine. Then it is held against a second simulator with an empty
file, in runs that alternate: payments per CPU-second of the old one by those of the young one. It takes some minutes,
and 1.5 GB of the temporary folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from onsale.sandbox.bench.parts import plain_environment
from onsale.sandbox.bench.processes import running
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec, alternating, median_ratio, medians
from onsale.sandbox.cpu_time import cpu_seconds
from onsale.sandbox.embedded import PartFailed, poll
from onsale.sandbox.environment import sandbox_secrets
from onsale.sandbox.ports import LOOPBACK, free_port
from onsale.sandbox.settings import Addresses, sandbox_settings
from onsale.sandbox.stack import answers

PAYMENTS, PAYMENTS_QUICK = 100_000, 600
STEPS = 10
# One run of a pair; as many again warm a new one up.
RUN, RUN_QUICK = 3_000, 200
PAYERS = 16
RATIO_FLOOR = 0.9
START_SECONDS_MAX = 30


@dataclass(frozen=True)
class Run:
    """Payments made in one go."""

    paid: int
    refused: int
    seconds: float
    cpu_seconds: float

    @property
    def per_cpu_second(self) -> float:
        return self.paid / self.cpu_seconds


@dataclass(frozen=True)
class Bank:
    """A simulator with its payers."""

    pid: int
    payers: subprocess.Popen[str]

    def pay(self, payments: int) -> Run:
        """Make so many payments; PartFailed when one is refused, for then it is not payments that were measured."""
        assert self.payers.stdin is not None
        assert self.payers.stdout is not None
        before = cpu_seconds(self.pid)
        self.payers.stdin.write(f"{payments}\n")
        self.payers.stdin.flush()
        said = self.payers.stdout.readline()
        spent = cpu_seconds(self.pid) - before
        if not said:
            raise PartFailed("The payers of the bench did not get their answers.")
        run = Run(**json.loads(said), cpu_seconds=spent)
        if run.refused:
            raise PartFailed(f"{run.refused} of {payments} payments were refused.")
        return run


@contextmanager
def bank(folder: Path) -> Iterator[Bank]:
    """A simulator on a new file, as `onsale simulator` runs it, telling nobody."""
    folder.mkdir()
    port = free_port()
    addresses = Addresses(database_url="postgresql://nobody@127.0.0.1:9/none", valkey_urls=("redis://127.0.0.1:9",) * 3,
                          web_port=9, simulator_port=port)  # fmt: skip
    settings = sandbox_settings({}, folder=folder, secrets=sandbox_secrets(folder), addresses=addresses)
    env = plain_environment() | settings
    start = "from onsale.cli import main; main()"
    command = [sys.executable, "-c", start, "--folder", str(folder), "simulator", "--webhook-url", ""]
    with running(command, env=env, log=folder / "log") as process:
        address = f"http://{LOOPBACK}:{port}/healthz"
        if not poll(lambda: process.poll() is not None or answers(address), seconds=START_SECONDS_MAX):
            raise PartFailed(f"The simulator did not answer within {START_SECONDS_MAX} s.")
        words = [str(port), str(PAYERS), settings["ONSALE_STRIPE_SECRET_KEY"]]
        crowd = [sys.executable, "-m", "onsale.sandbox.bench.payers", *words]
        with subprocess.Popen(crowd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env, text=True) as payers:
            assert payers.stdin is not None
            assert payers.stdout is not None
            if payers.stdout.readline() != "ready\n":
                raise PartFailed("The payers of the bench could not connect to the simulator.")
            try:
                yield Bank(process.pid, payers)
            finally:
                # An empty line ends them.
                payers.stdin.close()


def measure(effort: Effort, say: Say) -> Measured:
    payments, run = (PAYMENTS_QUICK, RUN_QUICK) if effort.quick else (PAYMENTS, RUN)
    with tempfile.TemporaryDirectory(prefix="onsale-bench-") as name, ExitStack() as ends:
        old = ends.enter_context(bank(Path(name, "old")))
        old.pay(run)
        made = []
        for step in range(1, STEPS + 1):
            made.append(old.pay(payments // STEPS))
            say(f"{step * payments // STEPS:,} payments, {made[-1].paid / made[-1].seconds:,.0f}/s")
        young = ends.enter_context(bank(Path(name, "young")))
        young.pay(run)
        pairs = alternating(
            lambda: old.pay(run).per_cpu_second, lambda: young.pay(run).per_cpu_second, pairs=effort.pairs, say=say
        )
    ratio = median_ratio(pairs)
    faults = (f"after {payments:,} payments it does {ratio:.3f} of what a new one does",)
    notes = (
        f"after {payments:,} payments {ratio:.3f} of a new one's: {medians(pairs, 'payments per CPU-second')}",
        f"{sum(each.cpu_seconds for each in made) / sum(each.paid for each in made) * 1_000:.2f} ms of CPU a payment",
    )
    rate = sum(each.paid for each in made) / sum(each.seconds for each in made)
    # A trial is too short for a ratio that means something.
    return Measured(rate, faults if ratio < RATIO_FLOOR and not effort.quick else (), notes)


SPEC = Spec(
    "simulator",
    "payments through the simulated Stripe (three calls each), the client beside it, while 100,000 are made",
    "payments/s",
    floor=500,
    goal=1_000,
    measure=measure,
)
