"""Notices that the server was told to end, without taking the signal away from it: /readyz then says so."""

from __future__ import annotations

import signal
import socket
import threading

ENDING = (signal.SIGTERM, signal.SIGINT)


def set_at_the_end(draining: threading.Event) -> None:
    """Set the event at SIGTERM or SIGINT, whoever handles them. Call it in the main thread, before the server begins.

    Python writes every signal it handles to this descriptor, also when the handler is put in place later.
    """
    heard, told = socket.socketpair()
    told.setblocking(False)
    signal.set_wakeup_fd(told.fileno(), warn_on_full_buffer=False)

    def listen() -> None:
        # Kept alive here: a descriptor that is closed and used again would get the signals of somebody else.
        with told, heard:
            while number := heard.recv(1):
                if number[0] in ENDING:
                    draining.set()

    threading.Thread(target=listen, name="draining", daemon=True).start()
