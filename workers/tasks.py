"""The names a wake-up can have, and the one function each of them calls."""

from __future__ import annotations

import os
from uuid import UUID

from celery import Task

from onsale.config import Config
from onsale.db.ids import BookingId, EventId
from onsale.workers import (
    cancellations,
    chaining,
    expiry,
    lanes,
    mail,
    payments,
    reconcile,
    refunds,
    reminders,
    reporting,
    resend,
    revoking,
    scheduled_prices,
    stuck,
    waiting_lists,
)
from onsale.workers.app import app
from onsale.workers.shop import ShopOfThisProcess, open_shop

shop = ShopOfThisProcess(lambda: open_shop(Config.from_env(os.environ)))


@app.task(name="onsale.work_lane", bind=True)
def work_lane(task: Task, event_id: int) -> None:
    """Decide what the event's lane holds, in the order of the numbers."""
    shop().wakes.lane_started(EventId(event_id))
    run = lanes.work_lane(shop(), EventId(event_id), last_look="last_look" not in shop().config.guards_off)
    if run.end is lanes.End.INTERRUPTED:
        # Not at once: a record that is away would be asked thousands of times a second.
        task.apply_async((event_id,), countdown=lanes.INTERRUPTED_SECONDS)


@app.task(name="onsale.authorise", bind=True)
def authorise(task: Task, booking_id: str) -> None:
    """Charge the card of a held booking, as far as it goes without waiting for the buyer."""
    _again(task, booking_id, payments.resume(shop(), BookingId(UUID(booking_id))).again_seconds)


@app.task(name="onsale.resume", bind=True)
def resume(task: Task, booking_id: str) -> None:
    """Something happened to a booking's payment (a webhook, the buyer's return): bring the record up to it."""
    _again(task, booking_id, payments.resume(shop(), BookingId(UUID(booking_id))).again_seconds)


@app.task(name="onsale.refund", bind=True)
def refund(task: Task, booking_id: str) -> None:
    """Give back what the record says is refunded."""
    _again(task, booking_id, refunds.settle(shop(), BookingId(UUID(booking_id))))


def _again(task: Task, booking_id: str, again_seconds: float | None) -> None:
    """Come back later instead of holding a thread. Should the message be lost, the reconciler comes by."""
    if again_seconds is not None:
        task.apply_async((booking_id,), countdown=again_seconds)


@app.task(name="onsale.send_mail")
def send_mail() -> None:
    """Send the letters that are due."""
    shop().wakes.mail_started()
    mail.deliver(shop())


@app.task(name="onsale.watch_mail")
def watch_mail() -> None:
    """Say so when letters do not get away, also where nobody sends them."""
    mail.watch(shop())


@app.task(name="onsale.watch_stuck")
def watch_stuck() -> None:
    """Raise the alarm about bookings past the time that their state may take."""
    stuck.watch(shop())


@app.task(name="onsale.forget_addresses")
def forget_addresses() -> None:
    """Forget where places of past shows were taken from."""
    revoking.forget_addresses(shop())


@app.task(name="onsale.sweep", bind=True)
def sweep(task: Task) -> None:
    """Put tickets whose deadline has passed on sale again."""
    shop().probes.sweep_came(worker=_name(task))
    expiry.sweep(shop())


@app.task(name="onsale.waiting_lists")
def look_after_waiting_lists() -> None:
    """Offer what came back after sold out to who is next."""
    waiting_lists.sweep(shop())


@app.task(name="onsale.reminders")
def write_reminders() -> None:
    """Write to whoever asked to be told that a sale opens, or that their turn is near."""
    reminders.sweep(shop())


@app.task(name="onsale.reconcile")
def reconcile_payments() -> None:
    """Finish what a crash left between Onsale and the payment provider."""
    reconcile.reconcile(shop())


@app.task(name="onsale.cancel_events")
def cancel_events() -> None:
    """End the bookings of cancelled events, and refund who paid."""
    cancellations.sweep_cancelled(shop())


@app.task(name="onsale.change_prices")
def change_prices() -> None:
    """Put in force the prices whose time has come."""
    scheduled_prices.sweep_prices(shop())


@app.task(name="onsale.chain")
def chain_sale_logs() -> None:
    """Close what happened in every sale into hashed batches, and see that reports asked for are made."""
    chaining.chain(shop().engine)
    reporting.wake(shop())


@app.task(name="onsale.make_reports")
def make_reports() -> None:
    """Make the sale reports that were asked for."""
    shop().wakes.reports_started()
    reporting.make(shop())


@app.task(name="onsale.resend")
def resend_wakes() -> None:
    """Send the wake-ups that got lost, read from the record."""
    if "resend" not in shop().config.guards_off:
        resend.resend(shop())


@app.task(name="onsale.probe", bind=True)
def answer_probe(task: Task, probe: str) -> None:
    """Show that this queue has a worker that works, for `onsale doctor`."""
    shop().probes.answer(probe, worker=_name(task))


def _name(task: Task) -> str:
    """The worker that runs this task."""
    return task.request.hostname or "a worker"
