"""What a stranger needs to check a sale report: the public key it is signed with, and the program that checks it."""

from __future__ import annotations

from flask import Blueprint, Flask, Response

from onsale.report import files
from onsale.report.signing import report_key
from onsale.web.box_office import box_office
from onsale.web.kept import CATALOGUE, Kept

trust = Blueprint("trust", __name__)


def register(app: Flask) -> None:
    """Mount it."""
    app.register_blueprint(trust)


@trust.get("/.well-known/onsale-report-key")
def key() -> Response:
    """The public key, as text; 409 where none is set."""
    return Kept(f"{report_key(box_office().config).public}\n".encode(), CATALOGUE, "text/plain").response()


@trust.get("/.well-known/onsale-verify-report.py")
def program() -> Response:
    """The program, one file."""
    return Kept(files.verifier(), CATALOGUE, "text/x-python").response()
