"""Mail: whether a server takes our letters, and whether they get away."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from onsale.cli.doctor.examining import Part
from onsale.cli.doctor.finding import Seen, broken, not_checked, ok, warning, worst_for
from onsale.config import Config
from onsale.db import letters as record
from onsale.db.engine import make_engine, reading
from onsale.db.letters import LetterState, Numbers
from onsale.errors import RecordUnavailable
from onsale.mail.message import sender_of
from onsale.mail.post import Answer, Said
from onsale.mail.smtp import SmtpPost, SmtpServer, server_of
from onsale.workers.mail import LATE_SECONDS

LATE_SECONDS_BROKEN = 3_600.0


def examine(config: Config) -> Iterator[tuple[str, Seen]]:
    """The server, then the record's own word."""
    if config.smtp_url:
        at = server_of(config.smtp_url)
        yield "server", server(at, SmtpPost(at, named=sender_of(config.mail_from).domain).ask())
    else:
        yield "server", folder(config)
    engine = make_engine(config.database_url, application_name="onsale doctor", pool_size=1, max_overflow=0)
    try:
        with reading(engine) as connection:
            numbers = record.numbers(connection)
    except RecordUnavailable:
        yield "letters", not_checked("The record does not answer.")
        return
    finally:
        engine.dispose()
    yield "letters", letters(numbers)


def folder(config: Config) -> Seen:
    """Letters without a server reach nobody."""
    return worst_for(
        config.environment == "sandbox",
        f"Letters are files in {config.outbox_dir}, and reach nobody.",
        "set ONSALE_SMTP_URL and ONSALE_MAIL_FROM on every worker of the queue `mail`.",
    )


def server(at: SmtpServer, answer: Answer) -> Seen:
    """Whether it lets us in, and whether others can read along."""
    where = f"{at.host}:{at.port}"
    if answer.said is not Said.TAKEN:
        return broken(
            f"{where} does not let us in: {answer.why}", "Letters wait and are not lost; mend ONSALE_SMTP_URL."
        )
    if not (at.tls_at_once or at.starttls or _is_here(at.host)):
        return warning(f"{where} takes letters that anybody on the way can read.", "Leave `starttls=off` out.")
    return ok(f"{where} lets us in.")


def letters(numbers: Numbers) -> Seen:
    """Whether letters get away."""
    waiting, late = numbers.by_state.get(LetterState.WAITING, 0), numbers.late_seconds or 0.0
    unclear, failed = (numbers.by_state.get(state, 0) for state in (LetterState.UNCLEAR, LetterState.FAILED))
    if late > LATE_SECONDS:
        saw = f"{waiting} wait, the oldest for {late:,.0f} s."
        do = (
            "See `mail: server`, that the queue `mail` has a worker, and `onsale mail list`: it has the server's words."
        )
        return broken(saw, do) if late > LATE_SECONDS_BROKEN else warning(saw, do)
    if unclear or failed:
        return warning(
            f"Within a day {failed} failed and {unclear} may or may not have been sent; {waiting} wait.",
            "`onsale mail list` says why; `onsale mail retry` sends one once more.",
        )
    return ok(f"{waiting} wait." if waiting else "None waits.")


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


PART = Part("mail", "Mail", ("server", "letters"), examine)
