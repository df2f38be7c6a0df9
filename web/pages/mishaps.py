"""The pages for what goes wrong: every one says what to do next."""

from __future__ import annotations

from flask import Response, flash, make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from onsale import errors
from onsale.web import problems

TITLES = {
    400: "That request did not fit",
    401: "Please sign in",
    403: "This is not open to you",
    404: "There is nothing here",
    405: "That does not work here",
    409: "That is not possible any more",
    410: "That is over",
    413: "That was too much",
    425: "Not open yet",
    429: "A little slower, please",
    500: "Something broke on our side",
    503: "One moment, please",
}
# A page that may simply be asked for again.
AGAIN = {429, 500, 503}


def page(status: int, advice: str, *, retry_after_seconds: int | None = None) -> Response:
    """The page for an answer that is not the one hoped for."""
    again = request.full_path.rstrip("?") if request.method == "GET" and status in AGAIN else None
    title = TITLES.get(status, TITLES[500 if status >= 500 else 400])
    response = make_response(render_template("error.html", title=title, status=status, advice=advice, again=again), status)
    response.headers["Cache-Control"] = "no-store"
    if retry_after_seconds is not None:
        response.headers["Retry-After"] = str(retry_after_seconds)
    return response


def advice_of(error: errors.OnsaleError) -> str:
    """What to tell the buyer: the reason given, else the error's own sentence."""
    problem = problems.problem_of(error)
    return problem.detail or problem.title


def back(error: errors.OnsaleError, endpoint: str, **values: object) -> AnyResponse:
    """A form that could not be done: say why on the page it leads to."""
    flash(advice_of(error), "bad")
    return redirect(url_for(endpoint, **values), 303)  # type: ignore[arg-type]  # Flask types values as Any.
