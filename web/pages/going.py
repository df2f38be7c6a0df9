"""Going on to another page after a form (303), so that reloading never sends a form again."""

from __future__ import annotations

from flask import Response, flash, make_response, redirect, url_for

from onsale import errors
from onsale.web import problems


def to(endpoint: str, **values: object) -> Response:
    """To this page."""
    return to_address(url_for(endpoint, **values))  # type: ignore[arg-type]  # Flask types every further value as Any.


def to_address(address: str) -> Response:
    """To this address of this site."""
    return make_response(redirect(address, 303))


def back(error: errors.OnsaleError, endpoint: str, **values: object) -> Response:
    """A form that could not be done: say why on the page it leads to."""
    problem = problems.problem_of(error)
    flash(problem.detail or problem.title, "bad")
    return to(endpoint, **values)
