"""How an error becomes an answer: one table from the error's class to an HTTP status, and problem+json (RFC 9457).

    {"type": "/problems/ticket-taken", "title": "Someone else holds this ticket. Choose another.", "status": 409, ...}

Nothing of an unexpected error reaches the client but its request id.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus

import orjson
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from onsale import errors as e

CONTENT_TYPE = "application/problem+json"
ERRORS_SHOWN_MAX = 20
# Where a client is told to come back without a better idea of when.
RETRY_SECONDS = {503: 1, 429: 5, 425: 5}

STATUS: dict[type[e.OnsaleError], int] = {
    e.NotSignedIn: 401,
    e.WrongCredentials: 401,
    e.EmailTaken: 409,
    e.NotAllowed: 403,
    e.NotFound: 404,
    e.TooManyRequests: 429,
    e.BadRequest: 422,
    # Too Early: the same request is right at the time given.
    e.NotOpenYet: 425,
    e.QueueClosed: 410,
    e.QueueRecovering: 503,
    e.NumbersExhausted: 503,
    e.AddressLimitReached: 429,
    e.NotInQueue: 404,
    e.NotYourTurn: 409,
    e.NotDrawnYet: 409,
    e.TurnLapsed: 409,
    e.OtherDevice: 409,
    e.MoveCodeGone: 410,
    e.WorkNeeded: 409,
    e.BlockTooWide: 409,
    e.DeviceNeeded: 409,
    e.PlaceRevoked: 403,
    e.PlaceHandedOver: 409,
    e.PlaceGivenUp: 409,
    e.BadQueueToken: 403,
    e.BadAdmissionToken: 403,
    e.TicketTaken: 409,
    e.SellingStopped: 409,
    e.AdmissionSpent: 409,
    e.BuyerLimitReached: 409,
    e.NoSuchTier: 404,
    e.TierLimitReached: 409,
    e.IdempotencyKeyReused: 422,
    e.IllegalMove: 409,
    e.HoldExpired: 410,
    e.WaitingListClosed: 409,
    e.HasTicketsAlready: 409,
    e.AccountNeeded: 409,
    e.TooManyReminders: 409,
    e.ReminderTooLate: 409,
    e.CodeUnknown: 404,
    e.CodeNotYet: 409,
    e.CodeOver: 409,
    e.CodeUsed: 409,
    e.CodesDoNotStack: 409,
    e.WeightNotCounted: 409,
    e.CodeUnfit: 409,
    e.TiersUnfit: 409,
    e.PriceUnpayable: 409,
    e.CodeExists: 409,
    e.CancellationClosed: 409,
    e.TicketCheckedIn: 409,
    e.PaymentDisputed: 409,
    e.RefundChanged: 409,
    e.NothingToReport: 409,
    e.ReportKeyMissing: 409,
    e.ProviderUnavailable: 503,
    e.PaymentRefused: 422,
    e.BadWebhook: 400,
    e.RecordUnavailable: 503,
    e.SearchUnavailable: 503,
    # Only commands read the change stream.
    e.ChangesNotSetUp: 503,
    e.ChangesLost: 503,
    e.SomebodyElseReads: 503,
    e.QueueUnavailable: 503,
}


@dataclass(frozen=True)
class Problem:
    """One answer to a request that went wrong; `errors` are (field, what it wants)."""

    slug: str
    title: str
    status: int
    detail: str
    field: str | None = None
    errors: tuple[tuple[str, str], ...] = ()
    retry_after_seconds: int | None = None
    # What HTTP itself wants beside the document: Allow, WWW-Authenticate.
    headers: tuple[tuple[str, str], ...] = ()

    def document(self, request_id: str | None = None) -> dict[str, object]:
        """The problem+json document."""
        document: dict[str, object] = {
            "type": f"/problems/{self.slug}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
        }
        if self.field is not None:
            document["field"] = self.field
        if self.errors:
            document["errors"] = [{"field": field, "detail": detail} for field, detail in self.errors]
        if request_id:
            document["request_id"] = request_id
        return document

    def body(self, request_id: str | None = None) -> bytes:
        return orjson.dumps(self.document(request_id))

    def all_headers(self) -> list[tuple[str, str]]:
        """The headers of the answer; nobody may keep a problem for longer than the moment."""
        headers = [("Content-Type", CONTENT_TYPE), ("Cache-Control", "no-store"), *self.headers]
        if self.retry_after_seconds is not None:
            headers.append(("Retry-After", str(self.retry_after_seconds)))
        return headers


def problem_of(error: e.OnsaleError) -> Problem:
    """The answer to an error of ours; pages draw it, the API writes it as problem+json."""
    status = status_of(type(error))
    retry = error.retry_after_seconds
    return Problem(
        slug=e.slug_of(type(error)),
        title=title_of(type(error)),
        status=status,
        detail=str(error),
        field=error.field,
        errors=((error.field, str(error)),) if error.field else (),
        retry_after_seconds=RETRY_SECONDS.get(status) if retry is None else max(retry, 1),
        headers=(("WWW-Authenticate", 'Bearer realm="onsale"'),) if status == 401 else (),
    )


def status_of(kind: type[e.OnsaleError]) -> int:
    """The status of an error, or of its nearest ancestor in the table; 500 for one that no buyer should ever meet."""
    return next((STATUS[each] for each in kind.__mro__ if each in STATUS), 500)


def title_of(kind: type[e.OnsaleError]) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def of_fields(errors: Sequence[tuple[str, str]]) -> Problem:
    """A request that does not fit its model: every field with what it wants."""
    shown = tuple(errors[:ERRORS_SHOWN_MAX])
    return replace(
        problem_of(e.BadRequest("; ".join(f"{field}: {detail}" for field, detail in shown[:3]))),
        field=shown[0][0] if shown else None,
        errors=shown,
    )


def of_validation(error: ValidationError, *, depth: int | None = None) -> Problem:
    """The same, from pydantic. What was sent is not repeated: it may be a password.

    A field is named as whoever asks writes it: `q`, `Idempotency-Key`, `wishes.0.quantity`; `depth` 1 where fields have
    no parts.
    """
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return of_fields([(_field(each["loc"][:depth]), each["msg"]) for each in found])


def of_http(error: HTTPException) -> Problem:
    """What Flask itself refuses: no such route, a method it has not, a body too large or of another type."""
    if error.code == 404:
        return problem_of(e.NotFound())
    status = error.code or 500
    phrase = HTTPStatus(status).phrase
    kept = {"Allow", "Retry-After", "WWW-Authenticate"}
    return Problem(
        slug=phrase.lower().replace(" ", "-"),
        title=phrase,
        status=status,
        detail=_HTTP_DETAILS.get(status, phrase),
        headers=tuple((name, value) for name, value in error.get_headers() if name in kept),
    )


def of_status(status: int, detail: str = "", *, headers: Mapping[str, str] | None = None) -> Problem:
    """A plain HTTP problem."""
    phrase = HTTPStatus(status).phrase
    return Problem(
        slug=phrase.lower().replace(" ", "-"),
        title=phrase,
        status=status,
        detail=detail or _HTTP_DETAILS.get(status, phrase),
        headers=tuple((headers or {}).items()),
    )


_HTTP_DETAILS = {
    400: "The request is not well-formed.",
    405: "This method is not allowed here; Allow lists those that are.",
    413: "The request is larger than anything this API takes.",
    415: "Send the body as application/json.",
    500: "Something broke on our side. Try again; the request id helps us to find it.",
}


_WISHES = ("named", "best")


def _field(location: tuple[int | str, ...]) -> str:
    # `named` and `best`, after the number of a wish, are its kinds and not fields of it.
    kinds = {at for at in range(1, len(location)) if isinstance(location[at - 1], int) and location[at] in _WISHES}
    return ".".join(str(each) for at, each in enumerate(location) if at not in kinds) or "body"
