"""One API call on its way through the simulator: its parameters, its transaction, and what it tells by webhook."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from onsale.sandbox.stripe_simulator.errors import Thing, invalid, no_such
from onsale.sandbox.stripe_simulator.forms import Params
from onsale.sandbox.stripe_simulator.ids import kind_of, lowest_at
from onsale.sandbox.stripe_simulator.store import Tx, bounds

# The version that the official SDK 16 sends; a request may name another.
API_VERSION = "2026-10-28.endive"
# From this one on `payment_method_types` may no longer be sent.
DYNAMIC_METHODS_VERSION = "2026-09-30"

LIST_DEFAULT = 10
LIST_MAX = 100
EXPAND_DEPTH_MAX = 4
EXPAND_MAX = 20

# What each prefix is called in an error.
KINDS = {
    "pi": "payment_intent",
    "seti": "setup_intent",
    "ch": "charge",
    "re": "refund",
    "du": "dispute",
    "pm": "PaymentMethod",
    "cus": "customer",
    "evt": "event",
}


@dataclass
class Call:
    """What an operation gets to work with."""

    tx: Tx
    params: Params
    # The simulator's own address as the caller sees it, for the 3-D Secure page.
    base_url: str = ""
    version: str = API_VERSION
    request_id: str | None = None
    key: str | None = None
    # How long "some time later" is.
    aftermath_ms: int = 0
    events: list[Thing] = field(default_factory=list)

    def find(self, prefix: str, identifier: str, *, param: str | None = None) -> Thing:
        """The object with this id; 404 as Stripe words it."""
        found = self.tx.get(identifier) if kind_of(identifier) == prefix else None
        if found is None:
            raise no_such(KINDS[prefix], identifier[:100], param=param or "id")
        return found

    def later(self, deed: str, identifier: str) -> None:
        """What the bank will do with this object some time after the call was answered."""
        self.tx.do_later(deed, identifier, due_ms=time.time_ns() // 1_000_000 + self.aftermath_ms)

    def tell(self, kind: str, thing: Thing, *, about: str, before: Thing | None = None) -> None:
        """Record an event, listed under the payment it is about, with the object as it is now, and what changed."""
        event: Thing = {
            "id": self.tx.new_id("evt"),
            "object": "event",
            "api_version": self.version,
            "created": self.tx.now,
            "data": {"object": thing} if before is None else {"object": thing, "previous_attributes": before},
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": self.request_id, "idempotency_key": self.key},
            "type": kind,
        }
        self.tx.add(event, parents=(about, f"type {kind}"))
        self.events.append(event)


def page(call: Call, prefix: str, url: str, *, parent: str | None = None) -> Thing:
    """A list as Stripe pages it, newest first: `limit`, `starting_after`, `ending_before`, `created[gte]` and kin."""
    limit = call.params.integer("limit", lowest=1) or LIST_DEFAULT
    if limit > LIST_MAX:
        raise invalid(f"This value must be less than or equal to {LIST_MAX}.", param="limit")
    after, before = call.params.text("starting_after"), call.params.text("ending_before")
    for name, cursor in (("starting_after", after), ("ending_before", before)):
        if cursor is not None:
            call.find(prefix, cursor, param=name)
    low, high = _within(call.params, prefix, *bounds(prefix, after, before))
    # One more than asked tells whether there is more.
    wanted = limit + 1
    things = call.tx.newest(low, high, wanted) if parent is None else call.tx.newest_of(parent, low, high, wanted)
    return {"object": "list", "data": things[:limit], "has_more": len(things) > limit, "url": url}


def _within(params: Params, prefix: str, low: str, high: str) -> tuple[str, str]:
    created = params.under("created")
    created.only("gt", "gte", "lt", "lte")
    # An id tells its time, so the bounds need no index of their own.
    for name, shift in (("gte", 0), ("gt", 1)):
        if (seconds := created.integer(name)) is not None:
            low = max(low, lowest_at(prefix, seconds + shift))
    for name, shift in (("lt", 0), ("lte", 1)):
        if (seconds := created.integer(name)) is not None:
            high = min(high, lowest_at(prefix, seconds + shift))
    return low, high


def expand(call: Call, thing: Thing) -> Thing:
    """Put whole objects where `expand[]` asks for them; the stored object stays as it is."""
    paths = call.params.texts("expand")
    if len(paths) > EXPAND_MAX:
        raise invalid(f"You can expand at most {EXPAND_MAX} properties.", param="expand")
    for path in paths:
        steps = path.split(".")
        if len(steps) > EXPAND_DEPTH_MAX:
            raise invalid(f"You cannot expand more than {EXPAND_DEPTH_MAX} levels of a property.", param="expand")
        _expand(call, thing, steps, path)
    return thing


def _expand(call: Call, holder: Any, steps: list[str], path: str) -> None:
    if isinstance(holder, list):
        for one in holder:
            _expand(call, one, steps, path)
        return
    name, *rest = steps
    if not isinstance(holder, dict) or name not in holder:
        raise invalid(f"This property cannot be expanded ({path}).", param="expand")
    value = holder[name]
    if isinstance(value, str):
        value = holder[name] = call.tx.get(value) or value
        if isinstance(value, str):
            raise invalid(f"This property cannot be expanded ({path}).", param="expand")
    if rest and value is not None:
        _expand(call, value, rest, path)
