"""What happened, as the API lists it; the same objects go out as webhooks."""

from __future__ import annotations

from onsale.sandbox.stripe_simulator.call import Call, page
from onsale.sandbox.stripe_simulator.errors import Thing


def retrieve(call: Call, event_id: str) -> Thing:
    """GET /v1/events/{id}"""
    return call.find("evt", event_id)


def list_all(call: Call) -> Thing:
    """GET /v1/events, all or of one type"""
    call.params.only("limit", "starting_after", "ending_before", "created", "type", "expand")
    kind = call.params.text("type")
    return page(call, "evt", "/v1/events", parent=f"type {kind}" if kind else None)
