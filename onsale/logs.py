"""How Onsale logs: one event per line, for people on a laptop and as JSON everywhere else.

    log = structlog.get_logger()
    log.info("booking_held", event_id=7, booking_id=str(booking.id))

Never put a token, a key, a password or an e-mail address in a line; what slips in under such a name is blotted out.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from onsale.config import Config, LogFormat

BLOTTED = "(hidden)"
# By the end of a name, so that queue_token and webhook_secret are caught too.
_NEVER_SHOWN = (
    "token",
    "secret",
    "password",
    "email",
    "authorization",
    "cookie",
    "api_key",
    "secret_key",
    "card_number",
)
_CELERY_PER_TASK = ("celery.beat", "celery.worker.strategy", "celery.app.trace")


def configure(config: Config, *, level: int = logging.INFO) -> None:
    """Send structlog and the standard library's loggers to stderr in one form; called once, when a process starts."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        blot_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    to_stderr = logging.StreamHandler(sys.stderr)
    to_stderr.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_last(config.log_format))
    )
    root = logging.getLogger()
    root.handlers[:] = [to_stderr]
    root.setLevel(level)
    # Stripe and httpx log whole addresses at INFO, and those carry identifiers; Celery logs four lines per sweep.
    for chatty in ("stripe", "httpx", "httpcore", "urllib3", *_CELERY_PER_TASK):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    # It writes a traceback for each try at a node that is away; whoever asked says so once.
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)


def blot_secrets(_: Any, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Blot out values whose name says that they must not be read."""
    for name in line:
        if name.lower().endswith(_NEVER_SHOWN):
            line[name] = BLOTTED
    return line


def _last(log_format: LogFormat) -> list[Any]:
    ends: list[Any] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    # Both without local variables: they hold the tokens and keys a line must not show.
    if log_format == "json":
        tracebacks = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        return [*ends, structlog.processors.ExceptionRenderer(tracebacks), structlog.processors.JSONRenderer()]
    plain = structlog.dev.plain_traceback
    return [*ends, structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=plain)]
