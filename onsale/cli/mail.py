"""`onsale mail`: which letters wait, which failed and why; one of them in full; and sending one once more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC
from uuid import UUID

import click
import orjson
from sqlalchemy import Connection, Engine

from onsale.config import Config
from onsale.db import letters
from onsale.db.engine import make_engine, reading, transaction
from onsale.db.ids import BookingId
from onsale.db.letters import LISTED_MAX, Letter, LetterState
from onsale.errors import IllegalMove, NotFound
from onsale.mail.drawing import Drawn
from onsale.printing import out
from onsale.workers.event_letters import NotNeeded
from onsale.workers.letters import drawn

UNSENT = frozenset(LetterState) - {LetterState.SENT, LetterState.DROPPED}
MEANS = {
    LetterState.WAITING: "It waits for its first or next try",
    LetterState.SENDING: "It is being sent now",
    LetterState.SENT: "The mail server took it, or it was written to the folder",
    LetterState.UNCLEAR: "Cut off while it was sent: the mail server may have it, and its log says whether",
    LetterState.FAILED: "It is not sent again by itself",
    LetterState.DROPPED: "It was not sent, because it was no longer so",
}


@click.group("mail")
def mail() -> None:
    """See what became of the letters to buyers, and send one once more.

    \b
    Letters are written with the booking's move they tell of, and sent by the
    worker of the queue `mail`, to ONSALE_SMTP_URL or into ONSALE_OUTBOX_DIR.
    """


@mail.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([each.value for each in LetterState]),
    help="Only these; by default whatever has not been sent. May be given several times.",
)
@click.option("--limit", type=click.IntRange(1, LISTED_MAX), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def list_(states: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List letters, the newest first: what waits, what failed and why."""
    wanted = [LetterState(state) for state in states] or sorted(UNSENT)
    with _record() as (_, engine), reading(engine) as connection:
        found = letters.listed(connection, wanted, limit=limit)
        numbers = letters.numbers(connection)
    if as_json:
        counted = {state.value: numbers.by_state.get(state, 0) for state in sorted(UNSENT)}
        _out_json(
            {"letters": [asdict(each) for each in found], "unsent": counted, "late_seconds": numbers.late_seconds}
        )
        return
    nothing = f"No letter is {' or '.join(states)}." if states else "No letter waits, and none failed or is unclear."
    out("\n".join(_line(each) for each in found) or nothing)


@mail.command("show")
@click.argument("named", metavar="LETTER", type=click.UUID)
@click.option("--html", is_flag=True, help="The letter's HTML and nothing else.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def show(named: UUID, html: bool, as_json: bool) -> None:
    """Show LETTER (its id, or its booking's): how far it has got, and what it says if it is sent now."""
    with _record() as (config, engine), reading(engine) as connection:
        found = _named(connection, named)
        shown = [(each, *_words(connection, each, public_url=config.public_url)) for each in found]
    if as_json:
        _out_json({"letters": [asdict(each) | {"says": words and asdict(words)} for each, words, _ in shown]})
    elif html:
        out("\n".join(words.html for _, words, _ in shown if words))
    else:
        out("\n\n".join(_in_full(*each) for each in shown))


@mail.command("retry")
@click.argument("letter_ids", metavar="[LETTER]...", nargs=-1, type=click.UUID)
@click.option("--failed", is_flag=True, help=f"All that failed, at most {LISTED_MAX} at a time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on standard output.")
def retry(letter_ids: tuple[UUID, ...], failed: bool, as_json: bool) -> None:
    """Send letters that failed or are unclear once more, with the same Message-ID as before.

    An unclear letter may be in its buyer's mailbox already: the mail server's log says whether it took the Message-ID.
    Many mailboxes show a Message-ID that comes twice only once, not all.
    """
    if not letter_ids and not failed:
        raise click.UsageError("Name a letter, or give --failed; `onsale mail list` has their ids.")
    with _record() as (_, engine), transaction(engine) as connection:
        also = letters.listed(connection, [LetterState.FAILED], limit=LISTED_MAX) if failed else ()
        again = [_again(connection, each) for each in dict.fromkeys([*letter_ids, *(one.id for one in also)])]
    if as_json:
        _out_json({"letters": [asdict(each) for each in again]})
    else:
        out("\n".join(f"{each.id}  will be sent once more" for each in again) or "No letter has failed.")


def _again(connection: Connection, letter_id: UUID) -> Letter:
    try:
        return letters.retry(connection, letter_id)
    except NotFound:
        raise click.ClickException(f"There is no letter {letter_id}. Nothing was changed.") from None
    except IllegalMove:
        raise click.ClickException(
            f"Letter {letter_id} has neither failed nor is it unclear. Nothing was changed."
        ) from None


def _named(connection: Connection, named: UUID) -> tuple[Letter, ...]:
    letter = letters.get(connection, named)
    found = (letter,) if letter else letters.of_booking(connection, BookingId(named))
    if not found:
        raise click.ClickException(f"There is no letter {named}, and none about a booking of that id.")
    return found


def _words(connection: Connection, letter: Letter, *, public_url: str) -> tuple[Drawn | None, str]:
    try:
        return drawn(connection, letter, public_url=public_url), ""
    except NotNeeded as why:
        return None, str(why)


def _in_full(letter: Letter, words: Drawn | None, why_not: str) -> str:
    told = f"{_line(letter)}\n{MEANS[letter.state]}."
    return (
        f"{told}\n\nSubject: {words.subject}\n\n{words.text}"
        if words
        else f"{told} It would not be sent now. {why_not}"
    )


def _line(letter: Letter) -> str:
    """A letter on one line: when, how far, which, to whom, and the last word about it."""
    why = f"  {letter.why}" if letter.why else ""
    tries = f"{letter.tries} {'try' if letter.tries == 1 else 'tries'}"
    return (
        f"{letter.created_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}Z  {letter.state:<8} {letter.kind:<12} {letter.id}  "
        f"{letter.address}  {tries}{why}"
    )


@contextmanager
def _record() -> Iterator[tuple[Config, Engine]]:
    config = Config.from_env(os.environ)
    engine = make_engine(config.database_url, application_name="onsale mail", pool_size=1)
    try:
        yield config, engine
    finally:
        engine.dispose()


def _out_json(document: dict[str, object]) -> None:
    out(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())
