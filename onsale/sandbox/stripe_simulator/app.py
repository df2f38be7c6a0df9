"""Puts the simulator together: one store, its threads, the API, and the pages in a Flask application beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask, Response, make_response
from werkzeug.exceptions import HTTPException

from onsale.sandbox.stripe_simulator import intents, transfers
from onsale.sandbox.stripe_simulator.aftermath import Aftermath
from onsale.sandbox.stripe_simulator.api import Api, error_body
from onsale.sandbox.stripe_simulator.delivery import Delivery
from onsale.sandbox.stripe_simulator.errors import ApiError
from onsale.sandbox.stripe_simulator.ids import request_id
from onsale.sandbox.stripe_simulator.pages import TEMPLATES, Pages
from onsale.sandbox.stripe_simulator.settings import Control, Settings
from onsale.sandbox.stripe_simulator.store import Store
from onsale.sandbox.stripe_simulator.wire import BODY_BYTES_MAX, beside

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@dataclass(frozen=True)
class Options:
    """What the simulator is started with."""

    data: Path
    host: str
    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    webhook_url: str = ""


def create_app(options: Options) -> WSGIApplication:
    """The simulator on its file; its threads run from here on."""
    store = Store(options.data)
    control = Control(Settings(webhook_url=options.webhook_url))
    delivery = Delivery(store, control, secret=options.webhook_secret)
    app = Flask(__name__, template_folder=str(TEMPLATES), static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES_MAX
    app.register_blueprint(
        Pages(store, control, delivery, secret_key=options.secret_key, host=options.host).blueprint()
    )
    outcomes = transfers.Outcomes(
        store, delivery, secret_key=options.secret_key, settled=intents.settle, failed=intents.fail_transfer
    )
    app.register_blueprint(outcomes.blueprint())
    app.add_url_rule("/healthz", view_func=health)
    app.register_error_handler(ApiError, refused)
    app.register_error_handler(HTTPException, refused_by_http)
    delivery.start()
    Aftermath(store, control, delivery).start()
    return beside(Api(store, control, delivery, secret_key=options.secret_key).answer, app.wsgi_app)


def health() -> Response:
    return make_response({"status": "ok"})


def refused(error: ApiError) -> Response:
    return Response(error_body(error, request_id()), error.status, content_type="application/json")


def refused_by_http(error: HTTPException) -> Response:
    """413, 405 and the like, in the API's shape."""
    said = ApiError(error.code or 500, error.description or error.name)
    return refused(said)
