"""Prices that change by themselves: from a moment on, by PostgreSQL's clock, a section or a tier of it costs another.

What is due is applied by the lane before it decides, and by a sweep where nobody books. Both may come at once: the
second one finds nothing due.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, text

from onsale.db import pricing, sale_log
from onsale.db.ids import EventId
from onsale.errors import IllegalMove, NoSuchTier, NotFound

# Of one event, waiting at once; and applied in one transaction, what is beyond it in the next.
WAITING_MAX = 200
APPLIED_MAX = 100
EVENTS_MAX = 50
LISTED_MAX = 500


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A price from `due_at` on; `tier` None: the section's. `outcome` None: it waits; else what became of it, and when.

    `not_sold`: the tier was not on sale any more.
    """

    id: int
    event_id: EventId
    section_id: int
    tier: str | None
    price_minor: int
    due_at: datetime
    asked_by: str
    asked_at: datetime
    ended_at: datetime | None
    outcome: str | None


@dataclass(frozen=True, slots=True)
class NewScheduled:
    """A price that is wanted from a moment on."""

    section_id: int
    tier: str | None
    price_minor: int
    due_at: datetime


def add(connection: Connection, event_id: EventId, new: NewScheduled, *, actor: str) -> Scheduled:
    """Have the price change at a moment to come, with a line in the sale log; asked twice it is one.

    Raises NotFound, NoSuchTier, BadRequest for no price of this currency, and IllegalMove: the moment has passed,
    something else is to change at it, or too much waits.
    """
    # In turn, as everything that changes prices.
    if connection.execute(_LOCK_EVENT, {"event_id": event_id}).one_or_none() is None:
        raise NotFound
    pricing.check_prices(connection, event_id, [new.price_minor])
    section = {"event_id": event_id, "section_id": new.section_id}
    found = connection.execute(_SECTION, section).one_or_none()
    if found is None:
        raise NotFound("There is no such section.", field="section_id")
    if new.tier is not None and pricing.change_tier(found.tiers, new.tier, new.price_minor) is None:
        raise NoSuchTier(f"There are no {new.tier!r} tickets there.", field="tier")
    arguments = {**section, "tier": new.tier, "price_minor": new.price_minor, "due_at": new.due_at, "actor": actor}
    row = connection.execute(_ADD, {**arguments, "waiting_max": WAITING_MAX}).one_or_none()
    if row is None:
        return _there_already(connection, arguments, new)
    made = Scheduled(*row)
    sale_log.append(connection, event_id, actor=actor, kind="price_scheduled", body=_body(made))
    _tell(connection, section)
    return made


def cancel(connection: Connection, event_id: EventId, scheduled_id: int, *, actor: str) -> Scheduled:
    """Leave the price as it is, with a line in the sale log. NotFound; IllegalMove: it has been applied.

    Cancelled twice it is cancelled once.
    """
    connection.execute(_LOCK_EVENT, {"event_id": event_id})
    row = connection.execute(_CANCEL, {"event_id": event_id, "id": scheduled_id}).one_or_none()
    if row is None:
        there = connection.execute(_GET, {"event_id": event_id, "id": scheduled_id}).one_or_none()
        if there is None:
            raise NotFound
        if there.outcome != "cancelled":
            raise IllegalMove("This price is in force already. Set another one instead.")
        return Scheduled(*there)
    ended = Scheduled(*row)
    sale_log.append(connection, event_id, actor=actor, kind="scheduled_price_cancelled", body=_body(ended))
    _tell(connection, {"event_id": event_id, "section_id": ended.section_id})
    return ended


def listed(connection: Connection, event_id: EventId) -> tuple[Scheduled, ...]:
    """What waits, soonest first, then what has ended, newest first; at most LISTED_MAX."""
    rows = connection.execute(_LISTED, {"event_id": event_id, "limit": LISTED_MAX})
    return tuple(Scheduled(*row) for row in rows)


def events_due(connection: Connection, *, limit: int = EVENTS_MAX) -> tuple[EventId, ...]:
    """Events of which a price should have changed by now, the oldest first."""
    return tuple(EventId(found) for found in connection.execute(_EVENTS_DUE, {"limit": limit}).scalars())


def apply_due(connection: Connection, event_id: EventId, *, limit: int = APPLIED_MAX) -> tuple[Scheduled, ...]:
    """Put in force what is due, in the order of its moments, with a line in the sale log; () when nothing is.

    A trigger writes down each price, tells the lanes, and the change stream tells caches and index.
    """
    connection.execute(_LOCK_EVENT, {"event_id": event_id})
    due = [Scheduled(*row) for row in connection.execute(_DUE, {"event_id": event_id, "limit": limit})]
    if not due:
        return ()
    ids = sorted({one.section_id for one in due})
    sections = {row.id: row for row in connection.execute(_SECTIONS, {"event_id": event_id, "ids": ids})}
    tiers = {id_: row.tiers for id_, row in sections.items()}
    prices = {id_: row.price_minor for id_, row in sections.items()}
    not_sold = [one.id for one in due if not _change(one, prices, tiers)]
    wanted = [{"id": id_, "price_minor": prices[id_], "tiers": tiers[id_]} for id_ in ids]
    connection.execute(_SET, {"event_id": event_id, "wanted": orjson.dumps(wanted).decode()})
    arguments = {"event_id": event_id, "ids": [one.id for one in due], "not_sold": not_sold}
    applied = tuple(Scheduled(*row) for row in connection.execute(_END, arguments))
    body = {"prices": [_body(one) for one in applied]}
    sale_log.append(connection, event_id, actor="schedule", kind="scheduled_prices_applied", body=body)
    return applied


def _change(one: Scheduled, prices: dict[int, int], tiers: dict[int, Any]) -> bool:
    """Note the new price in these; False: there is no such tier any more."""
    there = tiers[one.section_id]
    name = one.tier if one.tier is not None or not there else there[0]["name"]
    if name is None:
        prices[one.section_id] = one.price_minor
        return True
    changed = pricing.change_tier(there, name, one.price_minor)
    if changed is None:
        return False
    tiers[one.section_id], prices[one.section_id] = changed, changed[0]["price_minor"]
    return True


def _there_already(connection: Connection, arguments: Mapping[str, object], new: NewScheduled) -> Scheduled:
    same = connection.execute(_AT_THIS_MOMENT, arguments).one_or_none()
    if same is not None and same.price_minor == new.price_minor:
        return Scheduled(*same)
    if same is not None:
        raise IllegalMove("Another price is to begin at this moment. Cancel that one first.", field="due_at")
    if not connection.execute(_IS_TO_COME, {"due_at": new.due_at}).scalar_one():
        raise IllegalMove("This moment has passed. Set the price itself, or give a moment to come.", field="due_at")
    raise IllegalMove(f"At most {WAITING_MAX} prices of an event wait at once. Cancel some first.")


def _tell(connection: Connection, section: Mapping[str, object]) -> None:
    """Written as it was: so that the change stream tells of it, and pages say what the price will be."""
    connection.execute(_TOUCH, section)


def _body(one: Scheduled) -> dict[str, object]:
    return {
        "id": one.id,
        "section": one.section_id,
        "tier": one.tier,
        "price_minor": one.price_minor,
        "due_at": one.due_at.isoformat(),
        "outcome": one.outcome,
    }


_LOCK_EVENT = text("SELECT id FROM events WHERE id = :event_id FOR NO KEY UPDATE")
_SECTION = text("SELECT tiers FROM sections WHERE event_id = :event_id AND id = :section_id")
_ADD = text("""
    INSERT INTO scheduled_prices (event_id, section_id, tier, price_minor, due_at, asked_by)
    SELECT :event_id, :section_id, :tier, :price_minor, :due_at, :actor
     WHERE CAST(:due_at AS timestamptz) > clock_timestamp()
       AND (SELECT count(*) FROM scheduled_prices WHERE event_id = :event_id AND ended_at IS NULL) < :waiting_max
    ON CONFLICT DO NOTHING
    RETURNING *
""")
_AT_THIS_MOMENT = text("""
    SELECT * FROM scheduled_prices
     WHERE event_id = :event_id AND section_id = :section_id AND due_at = :due_at AND ended_at IS NULL
       AND coalesce(tier, '') = coalesce(CAST(:tier AS text), '')
""")
_IS_TO_COME = text("SELECT CAST(:due_at AS timestamptz) > clock_timestamp()")
_CANCEL = text("""
    UPDATE scheduled_prices SET ended_at = clock_timestamp(), outcome = 'cancelled'
     WHERE event_id = :event_id AND id = :id AND ended_at IS NULL
    RETURNING *
""")
_GET = text("SELECT * FROM scheduled_prices WHERE event_id = :event_id AND id = :id")
_LISTED = text("""
    SELECT * FROM scheduled_prices WHERE event_id = :event_id
     ORDER BY ended_at IS NOT NULL, CASE WHEN ended_at IS NULL THEN due_at END, ended_at DESC, id LIMIT :limit
""")
_EVENTS_DUE = text("""
    SELECT event_id FROM scheduled_prices WHERE ended_at IS NULL AND due_at <= clock_timestamp()
     GROUP BY event_id ORDER BY min(due_at) LIMIT :limit
""")
_DUE = text("""
    SELECT * FROM scheduled_prices
     WHERE event_id = :event_id AND ended_at IS NULL AND due_at <= clock_timestamp()
     ORDER BY due_at, id LIMIT :limit FOR UPDATE
""")
_SECTIONS = text("""
    SELECT id, price_minor, tiers FROM sections WHERE event_id = :event_id AND id = ANY (CAST(:ids AS integer[]))
     ORDER BY id FOR NO KEY UPDATE
""")
_SET = text("""
    UPDATE sections s SET price_minor = wanted.price_minor, tiers = wanted.tiers
      FROM jsonb_to_recordset(CAST(:wanted AS jsonb)) AS wanted (id integer, price_minor bigint, tiers jsonb)
     WHERE s.event_id = :event_id AND s.id = wanted.id
""")
_END = text("""
    UPDATE scheduled_prices
       SET ended_at = clock_timestamp(),
           outcome = CASE WHEN id = ANY (CAST(:not_sold AS bigint[])) THEN 'not_sold' ELSE 'applied' END
     WHERE event_id = :event_id AND id = ANY (CAST(:ids AS bigint[]))
    RETURNING *
""")
_TOUCH = text("UPDATE sections SET price_minor = price_minor WHERE event_id = :event_id AND id = :section_id")
