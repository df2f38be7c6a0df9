"""A buyer's booking as its page and the API show it, asked over HTTP; and the bank's own page."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import unescape
from typing import Any
from uuid import uuid4

import httpx

from onsale.db.ids import BookingId
from tests.services.serving import Person, Web

COOKIE = "onsale_buyer"


@dataclass(frozen=True)
class Shown:
    """What the page says."""

    html: str

    @property
    def title(self) -> str:
        return self._one(r"<h1>(.*?)</h1>")

    @property
    def lead(self) -> str:
        return self._one(r'<p class="lead">(.*?)</p>')

    @property
    def alert(self) -> str:
        """What is said aloud: a declined card, a form that was refused."""
        return " ".join(words_of(each) for each in re.findall(r'role="alert"[^>]*>(.*?)</(?:p|div)>', self.html, re.S))

    @property
    def timeline(self) -> list[tuple[str, str]]:
        """Each step: done, now or ahead, and its words."""
        steps = re.findall(r'<li class="(\w+)"[^>]*data-step.*?class="what">(.*?)</span>', self.html, re.S)
        return [(standing, words_of(words)) for standing, words in steps]

    @property
    def cards_offered(self) -> bool:
        return 'name="payment_method"' in self.html

    @property
    def bank_link(self) -> str:
        """Where the buyer confirms with their bank; empty when nothing is asked."""
        found = re.search(r'href="([^"]+)"[^>]*>Confirm with your bank', self.html)
        return unescape(found[1]) if found else ""

    def _one(self, pattern: str) -> str:
        found = re.search(pattern, self.html, re.S)
        return words_of(found[1]) if found else ""


def words_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split())


@dataclass(frozen=True)
class Buyer:
    """Somebody at the page of their booking."""

    web: Web
    person: Person
    booking_id: BookingId

    def api(self) -> dict[str, Any]:
        document: dict[str, Any] = self.person.get(f"/v1/bookings/{self.booking_id}").raise_for_status().json()
        return document

    def page(self) -> Shown:
        return Shown(self._ask("GET").raise_for_status().text)

    def pays(self, card: str) -> Shown:
        """Choose a card on the page and press the button."""
        return self._press("payment", payment_method=card, idempotency_key=str(uuid4()))

    def comes_back(self, way_back: str) -> Shown:
        """Follow the bank's link home."""
        query = httpx.URL(way_back).query.decode()
        assert self._ask("GET", f"?{query}").status_code == 303
        return self.page()

    def _press(self, what: str, **form: str) -> Shown:
        """Send a form, as a tab does that may have been open for long; the answer is the page it leads to."""
        with self._browser() as http:
            html = http.get(self._path()).raise_for_status().text
            token = re.search(r'name="csrf-token" content="([^"]+)"', html)
            assert token, "the page has no token for its forms"
            sent = http.post(f"{self._path()}/{what}", data={"csrf_token": token[1], **form})
            assert sent.status_code == 303, sent.text
            return Shown(http.get(sent.headers["Location"]).raise_for_status().text)

    def _ask(self, method: str, more: str = "") -> httpx.Response:
        with self._browser() as http:
            return http.request(method, self._path() + more)

    def _browser(self) -> httpx.Client:
        return httpx.Client(base_url=self.web.address, cookies={COOKIE: self.person.token}, timeout=20)

    def _path(self) -> str:
        return f"/bookings/{self.booking_id}"


def answers_the_bank(link: str, *, yes: bool) -> httpx.Response:
    """One of the two buttons on the bank's page."""
    return httpx.post(link, data={"outcome": "complete" if yes else "fail"}, timeout=20)
