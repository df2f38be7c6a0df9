"""What every answer has in common: a request id, headers that keep a browser safe, and one line in the access log.

The log has the path and never the query, a header or a body: tokens travel in headers, but people paste anything
anywhere. The short way of `web/wsgi.py` is not logged: ten thousand lines a second tell nobody anything.
"""

from __future__ import annotations

import re
import secrets
import time
from urllib.parse import urlsplit

import structlog
from flask import Flask, Response, g, request
from werkzeug.routing import RequestRedirect

from onsale.config import Config
from onsale.web import elements

REQUEST_ID = "X-Request-Id"
# Only ours: no address of another site, no inline script or style, no framing, no plugin.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not even to our own provider's pages: whoever follows a link leaves nothing of the address behind.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
# The API answers data, which no browser shows as a page: what is left to say is that it must not try. Every byte here
# is sent again with every poll of everybody who waits.
API_PREFIX = "/v1/"
API_DOCS = "/v1/docs"
API_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}
# The one page that may ask where somebody is, for the shows nearby.
SEARCH_PATH = "/search"
MAY_ASK_WHERE = {"Permissions-Policy": HEADERS["Permissions-Policy"].replace("geolocation=()", "geolocation=(self)")}
# The one page that may ask `onsale seats`.
CHOOSE_PATH = re.compile(r"/events/[0-9]+/choose")
# What says nothing of itself is made for who asks: a page looks who is signed in, a document of the API takes a JWT. A
# browser may show a page again on the way back, once it has asked; nobody in between keeps either.
PRIVATE_PAGE = {"Cache-Control": "private, no-cache", "Vary": "Cookie"}
PRIVATE_DATA = {"Cache-Control": "no-store"}
HSTS = "max-age=63072000; includeSubDomains"
# Asked for every second by machines.
QUIET = ("/healthz", "/readyz", "/metrics", "/static/")
# A proxy's own request id, if it is one.
GIVEN_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")

log = structlog.get_logger("onsale.access")


def safe_headers(config: Config, path: str) -> dict[str, str]:
    """The headers of every answer on this path."""
    data = path.startswith(API_PREFIX) and not path.startswith(API_DOCS)
    https = config.public_url.startswith("https://")
    page = HEADERS | MAY_ASK_WHERE if path == SEARCH_PATH else HEADERS
    if elements.PATH.fullmatch(path) and elements.used(config):
        page = elements.headers(page)
    if CHOOSE_PATH.fullmatch(path):
        page = page | {"Content-Security-Policy": choosing_policy(config)}
    return (API_HEADERS if data else page) | ({"Strict-Transport-Security": HSTS} if https else {})


def choosing_policy(config: Config) -> str:
    """What the page of the seats may do: where they are told live at another address, its script may ask there too."""
    there = urlsplit(config.seats_url)
    elsewhere = f"{there.scheme}://{there.netloc}" if config.seats_url else ""
    if not elsewhere or config.public_url.startswith(elsewhere + "/") or config.public_url == elsewhere:
        return POLICY
    return POLICY.replace("connect-src 'self'", f"connect-src 'self' {elsewhere}")


def new_request_id(config: Config, given: str | None) -> str:
    """The id that finds this request in the logs: the proxy's, where one is believed, else our own."""
    if given and config.trusted_proxies and GIVEN_ID.fullmatch(given):
        return given
    return secrets.token_hex(8)


def stay_here(app: Flask, config: Config) -> None:
    """An address with a slash too many leads to the right one here: of its own Werkzeug takes the host that was asked
    for, which anybody can write into a request."""
    here = urlsplit(config.public_url)
    adapter = app.url_map.bind(here.netloc, script_name=here.path or "/", url_scheme=here.scheme)

    @app.before_request
    def lead() -> None:
        if isinstance(request.routing_exception, RequestRedirect):
            adapter.match(request.path, method=request.method, query_args=request.query_string.decode("latin-1"))


def register(app: Flask, config: Config) -> None:
    """Put it around every request of the app."""

    @app.before_request
    def begin() -> None:
        g.began = time.perf_counter()
        g.request_id = new_request_id(config, request.headers.get(REQUEST_ID))
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def end(response: Response) -> Response:
        for name, value in safe_headers(config, request.path).items():
            response.headers.setdefault(name, value)
        if "Cache-Control" not in response.headers:
            response.headers.update(PRIVATE_DATA if request.path.startswith(API_PREFIX) else PRIVATE_PAGE)
        response.headers[REQUEST_ID] = g.get("request_id", "")
        if not request.path.startswith(QUIET):
            log.info(
                "request",
                method=request.method,
                path=request.path,
                status=response.status_code,
                ms=round((time.perf_counter() - g.get("began", time.perf_counter())) * 1000, 1),
            )
        return response

    # In front of the CSRF check, so that its refusals have a request id too.
    before = app.before_request_funcs[None]
    before.insert(0, before.pop(before.index(begin)))
