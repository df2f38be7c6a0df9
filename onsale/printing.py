"""Standard output that cannot be written to is one sentence and exit code 1."""

from __future__ import annotations

import os
import sys
from contextlib import suppress

import click


def out(text: str) -> None:
    """Print this text; a ClickException says why it could not be (a full disk). A pipe closed early is click's own."""
    try:
        click.echo(text)
    except BrokenPipeError:
        raise
    except OSError as error:
        # What is left in the buffer would be tried once more at the end of Python, with a traceback.
        with suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise click.ClickException(f"Standard output could not be written: {error.strerror}.") from error
