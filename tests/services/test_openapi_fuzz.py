"""The API against all that its description allows, and much that it forbids: no 5xx, no answer not promised."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from onsale.config import Config
from onsale.db import catalogue
from onsale.db.engine import transaction
from onsale.db.ids import EventId
from onsale.db.staff import Role, Staff, put
from onsale.web import tokens
from onsale.workers.lanes import work_lane
from tests.builders import an_event, open_queue, seat, until
from tests.services.serving import Person, Web, serving

SEED = 20_261_124
SECONDS = int(os.environ.get("FUZZ_SECONDS", "45"))
SOAK_SECONDS = 180
# What a run needs besides: reading the document, the first answers, the report.
SECONDS_MORE = 90

CONFIG = """
[auth.openapi]
buyer = {{ bearer = "{buyer}" }}
staff = {{ bearer = "{staff}" }}

# Now and then an id that is there: the rest of a route is behind it.
[dictionaries]
events = {{ values = [{event_id}] }}
tickets = {{ values = [{tickets}] }}
bookings = {{ values = ["{booking}"] }}

[parameters]
"path.event_id" = {{ dictionary = "events", probability = 0.7 }}
"path.ticket_id" = {{ dictionary = "tickets", probability = 0.7 }}
"path.booking_id" = {{ dictionary = "bookings", probability = 0.7 }}

[checks.positive_data_acceptance]
expected-statuses = ["2xx", "3xx", "401", "403", "404", "409", "410", "425", "429"]

# Some refusals no schema can tell: a made-up cursor, a card nobody saved, a signature.
[[operations]]
include-operation-id = [
    "search_events", "list_events", "book", "book_ticket", "pay_booking", "save_card", "receive_webhook"
]
checks.positive_data_acceptance.expected-statuses = ["2xx", "400", "401", "403", "404", "409", "410", "422", "429"]
"""


@pytest.fixture
def web(settings, redis_client, simulator) -> Iterator[Web]:
    """The web with a payment provider behind it."""
    with serving(Config.from_env({**settings, "ONSALE_STRIPE_API_BASE": simulator})) as running:
        yield running


@pytest.fixture
def event_id(engine, shop) -> EventId:
    event_id = an_event(engine)
    open_queue(shop, event_id)
    return event_id


@pytest.fixture
def somebody(web, shop, event_id) -> tuple[Person, str]:
    """A buyer who is in, with a booking that holds tickets."""
    person = web.guest()
    person.join(event_id)

    def admitted() -> bool:
        web.office.store.advance(event_id)
        return bool(person.get(f"/v1/events/{event_id}/queue/me").json()["standing"] == "admitted")

    until(admitted, "the buyer is admitted")
    url = person.book(event_id, {"quantity": 1}, admission_token=person.enter(event_id)).headers["Location"]
    work_lane(shop, event_id, last_look=True)
    return person, url.rpartition("/")[2]


@pytest.fixture
def settings_file(web, engine, event_id, somebody, tmp_path) -> Path:
    with transaction(engine) as connection:
        organiser = catalogue.add_organiser(connection, "Test organiser")
        member = put(connection, Staff(uuid4(), organiser, "boss@example.org", Role.OWNER, "no password"))
    person, booking = somebody
    file = tmp_path / "schemathesis.toml"
    file.write_text(
        CONFIG.format(
            buyer=person.token,
            staff=tokens.sign(web.office.config, member.id, audience=tokens.STAFF),
            event_id=event_id,
            tickets=", ".join(str(seat(event_id, ordinal)) for ordinal in range(1, 11)),
            booking=booking,
        )
    )
    return file


def fuzz(address: str, settings_file: Path, *, seconds: int) -> subprocess.CompletedProcess[str]:
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(settings_file)),
        *("run", f"{address}/v1/openapi.json", "--url", address),
        # Cancelling is a DELETE, and what became of a booking stays to be read.
        *("--checks", "all", "--exclude-checks", "use_after_free"),
        # Once the event is cancelled every booking is a 404, and nothing behind it is tried any more.
        *("--exclude-operation-id", "cancel_event"),
        *("--seed", str(SEED), "--max-time", str(seconds), "--workers", "1"),
        *("--request-timeout", "10", "--generation-database", "none", "--no-color"),
    ]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=seconds + SECONDS_MORE, cwd=settings_file.parent
    )


@pytest.mark.slow
def test_the_api_keeps_what_its_description_promises(web, settings_file):
    run = fuzz(web.address, settings_file, seconds=SECONDS)

    assert run.returncode == 0, f"seed {SEED}\n{run.stdout[-12_000:]}\n{run.stderr[-2_000:]}"


@pytest.mark.soak
def test_the_api_keeps_what_its_description_promises_for_three_minutes(web, settings_file):
    run = fuzz(web.address, settings_file, seconds=SOAK_SECONDS)

    assert run.returncode == 0, f"seed {SEED}\n{run.stdout[-12_000:]}\n{run.stderr[-2_000:]}"
