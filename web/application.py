"""The app factory: one Flask app with the API, the pages, the console and what an operator asks of a process."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from flask import Flask, Request, Response, g, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask_wtf import CSRFProtect
from werkzeug.exceptions import HTTPException
from werkzeug.routing import Rule

from onsale.config import Config
from onsale.errors import OnsaleError
from onsale.web import api, docs, edge, health, limits, pages, problems, tokens, trust
from onsale.web.api.contract import Refused
from onsale.web.box_office import EXTENSION, BoxOffice, open_box_office
from onsale.web.edge import API_PREFIX
from onsale.web.limits import Counters
from onsale.web.pages import mishaps
from onsale.web.problems import Problem

# Nothing that a buyer or an admin sends is a tenth of this; a webhook has a limit of its own.
BODY_BYTES_MAX = 64 * 1024

log = structlog.get_logger()


def create_app(config: Config, *, office: BoxOffice | None = None) -> Flask:
    """The app for this configuration; it connects to its parts when the first request needs them."""
    app = Flask("onsale.web")
    app.url_rule_class = LateRule
    app.config.update(_settings(config))
    app.session_interface = FormSessions()
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's own provider
    opened = office or open_box_office(config)
    app.extensions[EXTENSION] = opened
    app.extensions[limits.EXTENSION] = Counters(opened.cache_client, sandbox=config.environment == "sandbox")
    csrf = CSRFProtect(app)
    for blueprint in api.register(app, config):
        # The API takes no cookie, so nobody else's page can speak for a buyer there.
        csrf.exempt(blueprint)
    docs.register(app)
    trust.register(app)
    health.register(app)
    pages.register(app)
    edge.stay_here(app, config)
    edge.register(app, config)
    # Last, so that every error has one way out.
    _tell_errors(app)
    return app


class LateRule(Rule):
    """A route that learns how its address is written when one is first asked for: most never are.

    Werkzeug compiles two functions for each of 170 routes, which took most of an app's start. Without the method that
    is overridden here, in some later Werkzeug, everything works as it does now, and starts more slowly.
    """

    def _compile_builder(self, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled: list[Callable[..., tuple[str, str]]] = []
        compile_now = super()._compile_builder

        def build(rule: Rule, **values: object) -> tuple[str, str]:
            if not compiled:
                compiled.append(compile_now(append_unknown))
            return compiled[0](rule, **values)

        return build


class FormSessions(SecureCookieSessionInterface):
    """Sessions of pages alone: the API takes no cookie, and need not prepare to read one."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """What the cookie says; below /v1 nothing."""
        return self.session_class() if request.path.startswith(API_PREFIX) else super().open_session(app, request)


def _settings(config: Config) -> dict[str, object]:
    keys = [tokens.derived(secret, "session").hex() for _, secret in config.secret_keys]
    https = config.public_url.startswith("https://")
    return {
        "SECRET_KEY": keys[0],
        "SECRET_KEY_FALLBACKS": keys[1:],
        "MAX_CONTENT_LENGTH": BODY_BYTES_MAX,
        "MAX_FORM_MEMORY_SIZE": BODY_BYTES_MAX,
        "MAX_FORM_PARTS": 200,
        # Holds the CSRF token and what the next page says; who is signed in is in a cookie of `auth`.
        "SESSION_COOKIE_NAME": "__Host-onsale_form" if https else "onsale_form",
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "SESSION_COOKIE_SECURE": https,
        # A queue page may be open for hours before its form is sent.
        "WTF_CSRF_TIME_LIMIT": None,
        "SEND_FILE_MAX_AGE_DEFAULT": 3600,
    }


def _tell_errors(app: Flask) -> None:
    """Problems as problem+json below /v1, as pages elsewhere."""

    @app.errorhandler(OnsaleError)
    def ours(error: OnsaleError) -> Response:
        problem = problems.problem_of(error)
        if problem.status >= 500:
            log.warning("refused", why=type(error).__name__, path=request.path)
        return told(problem)

    @app.errorhandler(Refused)
    def refused(error: Refused) -> Response:
        return told(error.problem)

    @app.errorhandler(HTTPException)
    def of_http(error: HTTPException) -> Response:
        # A redirect to the address with the right slash is no problem.
        if error.code is None or error.code < 400:
            return error.get_response()  # type: ignore[return-value]  # Werkzeug's, which Flask sends as it is
        return told(problems.of_http(error))

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:
        log.exception("request_broken", path=request.path, method=request.method)
        return told(problems.of_status(500))


def told(problem: Problem) -> Response:
    """The answer to a request that went wrong."""
    if not request.path.startswith(API_PREFIX):
        return mishaps.page(problem)
    return Response(problem.body(g.get("request_id")), problem.status, problem.all_headers())
