"""Asks the web what a buyer, a load balancer or the provider would ask: at its public address, within a few seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import urllib3

SECONDS_MAX = 5.0
# A status document has a few hundred bytes; of an error page the beginning is enough.
ANSWER_BYTES_MAX = 64 * 1024


@dataclass(frozen=True, slots=True)
class Said:
    """An answer; status 0 and a word for why when there was none. Headers are in lower case."""

    status: int
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def ask(
    address: str, *, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Said:
    """One request, without following where it leads."""
    with urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(total=SECONDS_MAX)) as pool:
        try:
            answer = pool.request(method, address, body=body, headers=headers, redirect=False, preload_content=False)
            try:
                said = answer.read(ANSWER_BYTES_MAX, decode_content=True).decode(errors="replace")
            finally:
                answer.close()
        except urllib3.exceptions.SSLError as error:
            return Said(0, f"its certificate is not believed: {type(error).__name__}")
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Said(0, f"no answer: {type(error).__name__}")
    return Said(answer.status, said.strip(), {name.lower(): value for name, value in answer.headers.items()})
