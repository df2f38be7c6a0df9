"""The pages for what goes wrong: every one says what to do next."""

from __future__ import annotations

from flask import Response, make_response, render_template, request

from onsale.web.problems import Problem

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


def page(problem: Problem) -> Response:
    """The page for an answer that is not the one hoped for."""
    status = problem.status
    again = request.full_path.rstrip("?") if request.method == "GET" and status in AGAIN else None
    title = TITLES.get(status, TITLES[500 if status >= 500 else 400])
    advice = problem.detail or problem.title
    response = make_response(
        render_template("error.html", title=title, status=status, advice=advice, again=again), status
    )
    response.headers["Cache-Control"] = "no-store"
    for name, value in problem.headers:
        response.headers[name] = value
    if problem.retry_after_seconds is not None:
        response.headers["Retry-After"] = str(problem.retry_after_seconds)
    return response
