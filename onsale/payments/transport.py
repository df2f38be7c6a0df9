"""How the Stripe SDK reaches the network: pooled connections for all threads, and an end to every wait.

The SDK's own client opens a `requests` session per thread and waits up to 80 s for each read; a call through it costs
0.8 ms of CPU, through this one 0.5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from time import monotonic
from typing import Any

import stripe
import urllib3

from onsale.payments.circuit import Breaker

CONNECT_SECONDS_MAX = 5
CONNECTIONS_MAX = 64
# Stripe's answers are a few kilobytes; a list of a hundred payments stays below this.
ANSWER_BYTES_MAX = 8 * 1024 * 1024
CHUNK_BYTES = 64 * 1024

# The SDK left this one constructor without types.
no_answer: Callable[[str], stripe.APIConnectionError] = stripe.APIConnectionError


class PooledTransport(stripe.HTTPClient):
    """One pool of connections, shared by every thread; each request ends within `seconds_max`."""

    name = "urllib3"

    def __init__(
        self, *, seconds_max: float, connections_max: int = CONNECTIONS_MAX, breaker: Breaker | None = None
    ) -> None:
        super().__init__()
        # Without one (audits, `onsale doctor`): who asks once wants to know, and spares nobody.
        self._breaker = breaker
        self._seconds_max = seconds_max
        self._pool = urllib3.PoolManager(
            maxsize=connections_max, cert_reqs="CERT_REQUIRED", ca_certs=stripe.ca_bundle_path, retries=False
        )

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
        *,
        _usage: list[str] | None = None,
    ) -> tuple[str, int, Mapping[str, str]]:
        """Send one request; raises APIConnectionError when no whole answer came in time.

        With a breaker also ProviderUnavailable, at once, while the provider is known to be away.
        """
        if self._breaker is None:
            return self._send(method, url, headers, post_data)
        with self._breaker.call() as call:
            body, status, answered = self._send(method, url, headers, post_data)
            # A stored failure that is told again says how it went then, not how the provider is now.
            call.answered = status < 500 or answered.get("idempotent-replayed") == "true"
        return body, status, answered

    def _send(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any
    ) -> tuple[str, int, Mapping[str, str]]:
        deadline = monotonic() + self._seconds_max
        try:
            answer = self._pool.request(
                method.upper(),
                url,
                body=post_data,
                headers=headers,
                # `total` is what is left for reading once connected, so a slow connection does not lengthen the wait.
                timeout=urllib3.Timeout(connect=CONNECT_SECONDS_MAX, total=self._seconds_max),
                redirect=False,
                preload_content=False,
            )
            try:
                return _text(answer, deadline), answer.status, answer.headers
            except BaseException:
                # Half an answer is left on this connection; the next request must not read it.
                answer.close()
                raise
            finally:
                answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            # The class only: the text may quote headers, and with them the key.
            raise no_answer(f"No answer from Stripe ({type(error).__name__}).") from None

    def close(self) -> None:
        """Close the idle connections."""
        self._pool.clear()


def _text(answer: urllib3.BaseHTTPResponse, deadline: float) -> str:
    chunks, size = [], 0
    for chunk in answer.stream(CHUNK_BYTES, decode_content=True):
        size += len(chunk)
        if size > ANSWER_BYTES_MAX or monotonic() > deadline:
            raise urllib3.exceptions.HTTPError("The answer is too long or too late.")
        chunks.append(chunk)
    return b"".join(chunks).decode()
