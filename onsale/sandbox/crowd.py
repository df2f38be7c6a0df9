"""`onsale crowd`: a few hundred simulated buyers, so that a lone visitor of the demo sees a queue.

They are ordinary clients over HTTP: each asks for a guest token, joins, polls as the queue status tells it to, shows
its presence, enters, books the best available and pays with one of the test cards. Some are declined, some walk away.
"""

from __future__ import annotations
