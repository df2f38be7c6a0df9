"""What the web's rows are held against: a Flask route that does nothing, on the same server, beside the real thing.

It is in a Flask app of its own without a hook, so it costs the least that a route can. Inside the real app it would
also carry a request id, safe headers and a line in the log, and whatever is held against it would look better.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask

from onsale.web import wsgi

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PATH = "/bench/empty"


def application() -> WSGIApplication:
    """The factory a server calls: production's, and the empty route beside it."""
    return beside(wsgi.application())


def beside(real: WSGIApplication) -> WSGIApplication:
    """This application, with the empty route beside it."""
    empty = Flask("empty")

    @empty.get(PATH)
    def nothing() -> str:
        return ""

    def either(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        chosen = empty if environ["PATH_INFO"] == PATH else real
        return chosen(environ, start_response)

    return either
