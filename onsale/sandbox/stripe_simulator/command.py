"""`onsale simulator`: serves the Stripe simulator with Granian, one process for the state and many threads to wait."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from onsale import logs
from onsale.config import Config
from onsale.sandbox import leash
from onsale.sandbox.stripe_simulator.app import Options, create_app

PORT_DEFAULT = 12_111
# A call that is made to wait occupies its thread; there must be more of these than payments in flight.
THREADS = 64
DATA_FILE = "stripe_simulator.sqlite3"
WEBHOOK_PATH = "/v1/webhooks/stripe"


@click.command("simulator")
@click.option("--port", type=click.IntRange(1, 65_535), help="Default: the port in ONSALE_STRIPE_API_BASE.")
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--data", type=click.Path(dir_okay=False, path_type=Path), help="The SQLite file with its payments.")
@click.option("--webhook-url", help=f"Where webhooks go. Default: ONSALE_PUBLIC_URL + {WEBHOOK_PATH}")
@click.pass_context
def simulator(ctx: click.Context, port: int | None, host: str, data: Path | None, webhook_url: str | None) -> None:
    """Serve a Stripe for this machine: test cards, 3-D Secure, refunds, signed webhooks; no money anywhere.

    Open its address in a browser to see the payments and to make the bank slow.
    """
    config = Config.from_env(os.environ)
    if config.environment != "sandbox":
        raise click.UsageError("The simulator is for the sandbox: ONSALE_ENVIRONMENT must be sandbox.")
    folder = ctx.obj if isinstance(ctx.obj, Path) else Path(".onsale")
    options = Options(
        data=(data or folder / DATA_FILE).resolve(),
        host=host,
        secret_key=config.stripe_secret_key,
        webhook_secret=config.stripe_webhook_secret,
        webhook_url=config.public_url + WEBHOOK_PATH if webhook_url is None else webhook_url,
    )
    serve(options, port=port or urlsplit(config.stripe_api_base).port or PORT_DEFAULT, config=config)


def serve(options: Options, *, port: int, config: Config) -> None:
    """Serve until SIGTERM."""
    Granian(
        "onsale.sandbox.stripe_simulator",
        address=options.host,
        port=port,
        interface=Interfaces.WSGI,
        # One: the idempotency keys in flight are known to one process only.
        workers=1,
        blocking_threads=THREADS,
        websockets=False,
        workers_kill_timeout=5,
        # At `warning` it warns of the many threads, which mostly wait.
        log_level=LogLevels.error,
    ).serve(target_loader=partial(load, options, config, os.getpid()), wrap_loader=False)


def load(options: Options, config: Config, parent: int) -> Any:
    """The application, made in the process that serves it, which ends with its parent: two would know half the keys."""
    leash.die_with(parent, signal.SIGTERM)
    logs.configure(config)
    return create_app(options)
