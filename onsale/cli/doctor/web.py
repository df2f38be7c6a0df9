"""The web as its public sees it, at the public address: alive, ready, and cheap to poll."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from uuid import uuid4

from onsale.cli.doctor.asking import Said, ask
from onsale.cli.doctor.examining import Part
from onsale.cli.doctor.finding import Seen, broken, not_checked, ok, warning, worst_for
from onsale.cli.doctor.sales import open_events
from onsale.config import Config
from onsale.db.engine import make_engine, reading
from onsale.db.ids import EventId
from onsale.errors import RecordUnavailable
from onsale.web import tokens

# One of these is in an answer that came out of a shared cache.
CACHED = ("age", "x-cache", "x-cache-status", "cf-cache-status")


def examine(config: Config) -> Iterator[tuple[str, Seen]]:
    """As a load balancer asks, then as a buyer's page does."""
    at_the_front = ask(f"{config.public_url}/healthz")
    here = None if at_the_front.status == 200 else ask(f"{own_address(config)}/healthz")
    yield "alive", alive(at_the_front, address=config.public_url, here=here)
    readiness = ask(f"{config.public_url}/readyz")
    yield "ready", ready(readiness)
    # A web that did not answer is not waited for once more: the whole examination has its time.
    yield "same keys", same_keys(_signed_by_us(config) if readiness.status else readiness)
    yield "live seats", live_seats(config.seats_url, ask)
    try:
        event_id = _open_event(config)
    except RecordUnavailable:
        yield "queue status", not_checked("The record does not answer, which says what is open.")
        return
    if event_id is None:
        yield "queue status", not_checked("No event is open, so there is none to ask for.", "Look again when one is.")
        return
    address = f"{config.public_url}/v1/events/{event_id}/queue"
    ask(address)
    # The second one could come from a cache in front.
    yield "queue status", queue_status(ask(address), sandbox=config.environment == "sandbox")


def alive(said: Said, *, address: str, here: Said | None = None) -> Seen:
    """Whether a web process answers there; if not, whether the one on this machine does."""
    if said.status == 200 and said.text == "ok":
        return ok(f"{address} answers.")
    if here is not None and here.status == 200:
        return broken(
            f"{address}/healthz: {_what(said)}. The web process on this machine answers.",
            "Look at what stands in front of it: DNS, certificate, proxy, ONSALE_PUBLIC_URL.",
        )
    return broken(
        f"{address}/healthz: {_what(said)}.",
        "Start `onsale web`; if it runs, look at what stands in front: DNS, certificate, proxy, ONSALE_PUBLIC_URL.",
    )


def ready(said: Said) -> Seen:
    """Whether it can serve."""
    if said.status == 200:
        return ok("It is ready.")
    if not said.status:
        return not_checked(f"The web: {_what(said)}.")
    return broken(f"It says: {_what(said)}.", "Mend the part it names; it is asked again at every probe.")


def same_keys(said: Said) -> Seen:
    """Whether the web believes what is signed with the keys that are set here."""
    if said.status == 401:
        return broken(
            "The web does not believe what is signed with ONSALE_SECRET_KEYS, for ONSALE_PUBLIC_URL, as set here.",
            "Set them the same everywhere and restart: else whoever goes from one process to another is a stranger.",
        )
    if said.status != 200:
        return not_checked(f"Asked for the bookings of somebody who has none, the web says: {_what(said)}.")
    return ok("It believes what is signed with the keys that are set here.")


def live_seats(address: str, asking: Callable[[str], Said]) -> Seen:
    """Whether browsers may wait for the next change of a seat map where the web sends them."""
    if not address:
        return ok("Nowhere to wait for changes of a seat map: browsers ask the web every two seconds.")
    # Any event: who lets viewers wait says so of one that nobody looks at as well.
    said = asking(f"{address}/v1/events/1/seats/availability?since=0.0&wait=1")
    if said.status not in (200, 503) or said.headers.get("access-control-allow-origin") != "*":
        return broken(
            f"{address}, where browsers are sent to wait for changes of a seat map: {_what(said)}.",
            "Start `onsale seats`, or mend ONSALE_SEATS_URL or the way there. Until then browsers ask the web.",
        )
    return ok(f"{address} lets browsers wait for changes of a seat map.")


def queue_status(said: Said, *, sandbox: bool) -> Seen:
    """Whether a million who poll are kept away from the origin."""
    if not said.status:
        return not_checked(f"The web: {_what(said)}.")
    if said.status != 200:
        return broken(f"An open event's queue status: {_what(said)}.", "See `admission` and the queue's Redis above.")
    told = said.headers.get("cache-control", "")
    if "public" not in told or "max-age" not in told or "etag" not in said.headers:
        return warning(
            "It arrives without its Cache-Control or ETag: no cache keeps it, and every poll is a whole answer.",
            "Let the proxy in front pass these headers on as they are.",
            lacks="the headers that caches go by",
        )
    if not any(name in said.headers for name in CACHED):
        return worst_for(
            sandbox,
            "It may be cached, and no cache in front says that it does.",
            "Put a cache of one second in front (nginx, a CDN), or count on every poll reaching the web.",
            lacks="a cache in front: every poll reaches the web",
        )
    return ok("It comes out of a cache in front.")


def _signed_by_us(config: Config) -> Said:
    """What the web says to a guest whom only our key vouches for, who has booked nothing."""
    token = tokens.sign(config, uuid4(), audience=tokens.BUYERS, guest=True)
    return ask(f"{config.public_url}/v1/bookings", headers={"Authorization": f"Bearer {token}"})


def own_address(config: Config) -> str:
    """Where a web process on this machine listens."""
    # Who listens on every address is asked at the nearest.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.web_host, config.web_host)  # noqa: S104 - nothing listens
    return f"http://[{host}]:{config.web_port}" if ":" in host else f"http://{host}:{config.web_port}"


def _open_event(config: Config) -> EventId | None:
    engine = make_engine(config.database_url, application_name="onsale doctor", pool_size=1, max_overflow=0)
    try:
        with reading(engine) as connection:
            return next(iter(open_events(connection)), None)
    finally:
        engine.dispose()


def _what(said: Said) -> str:
    return f"{said.status} {said.text[:80]}".strip() if said.status else said.text


PART = Part("web", "The web", ("alive", "ready", "same keys", "live seats", "queue status"), examine)
