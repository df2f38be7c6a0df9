"""An address with a slash too many leads to the right one at the shop's own address, whatever host was asked for."""

from __future__ import annotations

import re
import socket
from urllib.parse import urlsplit

import pytest

EVIL = "evil.example"


def answered(web, line: str, host: str) -> tuple[int, dict[str, str]]:
    """The status and the headers that a request gets which no client would send."""
    asked = urlsplit(web.address)
    with socket.create_connection((asked.hostname, asked.port), timeout=20) as connection:
        connection.sendall(f"{line} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode("latin-1"))
        with connection.makefile("rb") as answer:
            head = answer.read().split(b"\r\n\r\n", 1)[0].decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, value in (each.split(": ", 1) for each in head[1:])}
    return int(head[0].split()[1]), headers


@pytest.mark.parametrize("host", [EVIL, f"{EVIL}:1", "[::1", "a?b", "", "127.0.0.1"])
@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("GET /events//1", "/events/1"),
        ("GET //v1//search?q=a%26b&q=c", "/v1/search?q=a%26b&q=c"),
        ("POST /v1//guests", "/v1/guests"),
        ("GET /static//css/pages.css", "/static/css/pages.css"),
    ],
)
def test_a_slash_too_many_leads_to_the_shops_own_address(standing_web, line, path, host):
    status, headers = answered(standing_web, line, host)

    assert (status, headers["location"]) == (308, standing_web.office.config.public_url + path)


@pytest.mark.parametrize("path", [f"//{EVIL}/..", f"//{EVIL}/%2e%2e", f"///{EVIL}", f"/\\{EVIL}", f"//{EVIL}//search"])
def test_what_leads_nowhere_here_leads_nowhere(standing_web, path):
    status, headers = answered(standing_web, f"GET {path}", EVIL)

    assert (status, "location" in headers) == (404, False)


def test_no_answer_names_the_host_that_was_asked_for(standing_web):
    rules = [rule for rule in standing_web.app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    paths = {re.sub("<[^>]*>", "1", rule.rule) for rule in rules}
    paths |= {path.replace("/", "//") for path in paths} | {f"{path}/" for path in paths}

    named = [path for path in sorted(paths) if EVIL in str(answered(standing_web, f"GET {path}", EVIL)[1])]

    assert named == []
