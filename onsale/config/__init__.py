"""Every setting of Onsale, read once per process from `ONSALE_*` variables and checked before anything starts.

A wrong or missing value stops the start with one sentence that names the variable and what it wants. `onsale run` sets
all of them for a laptop; outside the sandbox no secret has a default.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from onsale.config.paying import SECRET_CHARACTERS_MIN as SECRET_CHARACTERS_MIN
from onsale.config.paying import of_payments
from onsale.config.reading import PREFIX as PREFIX
from onsale.config.reading import T, Wanted, whole
from onsale.config.reading import read as read_one
from onsale.config.reading import variable as variable

GUARDS = frozenset({"last_look", "resend", "twin_commit"})
SHOWN_INSTEAD = "********"

Environment = Literal["sandbox", "production"]
LogFormat = Literal["console", "json"]


@dataclass(frozen=True)
class Config:
    """What one process needs to know. Secrets stay out of its `repr`."""

    # The record; always `postgresql+psycopg2://`, whatever form was given.
    database_url: str = field(repr=False)
    # A standby that the web may read the catalogue from; empty: all is read from the record.
    read_url: str = field(repr=False)
    # Three, because a production queue must never be evicted while a cache must be; by default the same server.
    queue_url: str = field(repr=False)
    cache_url: str = field(repr=False)
    broker_url: str = field(repr=False)
    # Elasticsearch; empty: searches run on the record.
    search_url: str = field(repr=False)
    # Where buyers find the web; links, cookies and the issuer of a JWT come from it. Without a trailing slash.
    public_url: str
    web_host: str
    web_port: int
    web_workers: int
    web_threads: int
    # Where browsers find `onsale seats`, which lets them wait for the next change of a seat map; empty: they ask the
    # web again and again.
    seats_url: str
    seats_host: str
    seats_port: int
    # So many may wait in one process of it.
    seats_viewers: int
    # (key id, secret): the first signs, all verify.
    secret_keys: tuple[tuple[str, str], ...] = field(repr=False)
    stripe_api_base: str
    stripe_secret_key: str = field(repr=False)
    stripe_publishable_key: str
    stripe_webhook_secret: str = field(repr=False)
    environment: Environment
    log_format: LogFormat
    # How many reverse proxies may be believed when they say who the client is.
    trusted_proxies: int
    payment_concurrency: int
    # One bucket for all workers together, so that the provider does not answer 429.
    payment_rate_per_second: int
    # How buyers may pay, in the provider's words; all but `card` are for those who read what waiting for money means.
    payment_methods: tuple[str, ...]
    # How long tickets wait, out of sale, for a payment of which the provider says that its outcome comes later.
    payment_processing_hours: int
    # Whether the provider sends buyers a receipt of its own, beside our letter with the tickets.
    payment_receipts: bool
    # The server that takes our letters; empty: they are written to `outbox_dir`.
    smtp_url: str = field(repr=False)
    # Who writes; with a server it must be set, for a letter from nobody's domain ends as spam.
    mail_from: str
    outbox_dir: Path
    # What sale reports are signed with, 32 bytes in hexadecimal; empty: none can be made.
    report_key: str = field(repr=False)
    # Guards a negative control switches off; refused outside the sandbox.
    guards_off: frozenset[str]

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Config:
        """The settings in `env`; ConfigError for the first one that is missing or wrong."""

        def read(name: str, reader: Callable[[str], T], *, default: str | None = None) -> T:
            return read_one(env, name, reader, default=default)

        environment = read("environment", _environment, default="production")
        sandbox = environment == "sandbox"
        port = read("web_port", whole(1, 65_535), default="8000")
        return cls(
            database_url=read("database_url", _database_url),
            read_url=read("read_url", lambda text: text and _database_url(text), default=""),
            queue_url=(queue_url := read("queue_url", _url("a Redis URL such as redis://host:6379/0", *_REDIS))),
            cache_url=read("cache_url", _url("a Redis URL such as redis://host:6379/1", *_REDIS), default=queue_url),
            broker_url=read("broker_url", _url(_BROKER_WANTED, *_REDIS, *_BROKERS), default=queue_url),
            search_url=read("search_url", _search_url, default=""),
            public_url=read("public_url", _web_url(sandbox), default=f"http://127.0.0.1:{port}" if sandbox else None),
            web_host=read("web_host", _word("a host name or address such as 127.0.0.1"), default="127.0.0.1"),
            web_port=port,
            web_workers=read("web_workers", whole(1, 64), default="1"),
            web_threads=read("web_threads", whole(1, 64), default="8"),
            seats_url=read("seats_url", _seats_url(sandbox), default=""),
            seats_host=read("seats_host", _word("a host name or address such as 127.0.0.1"), default="127.0.0.1"),
            seats_port=read("seats_port", whole(1, 65_535), default="8002"),
            seats_viewers=read("seats_viewers", whole(1, 50_000), default="5000"),
            secret_keys=read("secret_keys", _secret_keys),
            stripe_api_base=read("stripe_api_base", _web_url(sandbox), default="https://api.stripe.com"),
            environment=environment,
            log_format=read("log_format", _log_format, default="console" if sandbox else "json"),
            trusted_proxies=read("trusted_proxies", whole(0, 10), default="0"),
            payment_concurrency=read("payment_concurrency", whole(1, 256), default="16"),
            payment_rate_per_second=read("payment_rate_per_second", whole(1, 10_000), default="25"),
            **of_payments(env, sandbox=sandbox),
            smtp_url=(smtp_url := read("smtp_url", _smtp_url, default="")),
            mail_from=read("mail_from", _sender, default=None if smtp_url else "Onsale <tickets@onsale.example>"),
            outbox_dir=read("outbox_dir", _folder, default=".onsale/outbox"),
            report_key=read("report_key", _report_key, default=""),
            guards_off=read("guards_off", _guards(sandbox), default=""),
        )

    def shown(self) -> dict[str, str]:
        """Every setting by its variable, with secrets and the passwords in URLs hidden."""
        return {PREFIX + one.name.upper(): _shown(one.name, getattr(self, one.name)) for one in fields(self)}


# Reading one value: each reader returns it or raises ValueError with what it wants, in words.

_REDIS = ("redis", "rediss", "unix")
_BROKERS = ("amqp", "amqps", "sentinel")
_BROKER_WANTED = "a broker URL such as redis://host:6379/2 or amqp://user:password@host//"
_DATABASE_WANTED = "a PostgreSQL URL such as postgresql+psycopg2://user:password@host/onsale"
_SECRETS_WANTED = f"key ids and secrets of at least {SECRET_CHARACTERS_MIN} characters, newest first: k2:...,k1:..."
_SMTP_WANTED = "a mail server such as smtp://user:password@host:587 or smtps://user:password@host"
# Our own, so the plain form will do.
_ADDRESS = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
_NOT_IN_A_NAME = frozenset('",;:()[]<>@\\')
_SECRET_FIELDS = {"secret_keys", "stripe_secret_key", "stripe_webhook_secret", "report_key"}


def _environment(text: str) -> Environment:
    if text == "sandbox":
        return "sandbox"
    if text == "production":
        return "production"
    raise Wanted("sandbox or production")


def _log_format(text: str) -> LogFormat:
    if text == "console":
        return "console"
    if text == "json":
        return "json"
    raise Wanted("console or json")


def _word(wanted: str) -> Callable[[str], str]:
    def reader(text: str) -> str:
        if text and text.isprintable() and " " not in text:
            return text
        raise Wanted(wanted)

    return reader


def _folder(text: str) -> Path:
    if text and text.isprintable():
        return Path(text)
    raise Wanted("a folder to write mail to")


def _url(wanted: str, *schemes: str) -> Callable[[str], str]:
    def reader(text: str) -> str:
        parts = _split(text)
        # A URL may carry a password, so it is never repeated in the sentence.
        if parts is None or parts.scheme not in schemes or not (parts.hostname or parts.scheme == "unix"):
            raise Wanted(wanted, secret=True)
        return text

    return reader


def _search_url(text: str) -> str:
    return text and _url("an Elasticsearch URL such as http://host:9200", "http", "https")(text).rstrip("/")


def _smtp_url(text: str) -> str:
    parts = _split(text)
    if not text:
        return text
    if parts is None or parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.path.strip("/"):
        raise Wanted(_SMTP_WANTED, secret=True)
    if parts.query not in ("", "starttls=off") or bool(parts.username) != bool(parts.password):
        raise Wanted(_SMTP_WANTED, secret=True)
    if not unquote(text).isascii():
        raise Wanted("a user and a password in ASCII", secret=True)
    if parts.username and parts.scheme == "smtp" and parts.query:
        raise Wanted("no password with starttls=off, which shows it to everybody on the way", secret=True)
    return text


def _sender(text: str) -> str:
    name, bracket, rest = text.rpartition("<")
    address = rest.removesuffix(">") if bracket and rest.endswith(">") else text
    # Quotes and commas belong to the grammar of mail headers; a name can do without.
    if text.isprintable() and not set(name) & _NOT_IN_A_NAME and _ADDRESS.fullmatch(address):
        return text
    raise Wanted("an address such as Onsale <tickets@example.org>")


def _seats_url(sandbox: bool) -> Callable[[str], str]:
    reader = _web_url(sandbox)
    return lambda text: text and reader(text)


def _database_url(text: str) -> str:
    parts = _split(text)
    if parts is None or parts.scheme not in {"postgresql+psycopg2", "postgresql", "postgres"} or not parts.path[1:]:
        raise Wanted(_DATABASE_WANTED, secret=True)
    # In SQLAlchemy 2.1 plain `postgresql://` means psycopg 3.
    return "postgresql+psycopg2" + text[len(parts.scheme) :]


def _report_key(text: str) -> str:
    if not text or re.fullmatch("[0-9a-fA-F]{64}", text):
        return text.lower()
    raise Wanted("64 hexadecimal digits, as `onsale report-key --new` makes them", secret=True)


def _web_url(sandbox: bool) -> Callable[[str], str]:
    wanted = "an address such as http://127.0.0.1:8000" if sandbox else "an address with https://"

    def reader(text: str) -> str:
        parts = _split(text)
        if parts is None or parts.scheme not in ({"http", "https"} if sandbox else {"https"}) or not parts.hostname:
            raise Wanted(wanted)
        if parts.query or parts.fragment or parts.username:
            raise Wanted(f"{wanted}, without a query or a user")
        return text.rstrip("/")

    return reader


def _secret_keys(text: str) -> tuple[tuple[str, str], ...]:
    keys = []
    for pair in text.split(","):
        kid, colon, secret = pair.strip().partition(":")
        if not (colon and kid.isascii() and kid.isalnum() and len(secret) >= SECRET_CHARACTERS_MIN):
            raise Wanted(_SECRETS_WANTED, secret=True)
        keys.append((kid, secret))
    if len({kid for kid, _ in keys}) < len(keys):
        raise Wanted("a different id for every key", secret=True)
    return tuple(keys)


def _guards(sandbox: bool) -> Callable[[str], frozenset[str]]:
    def reader(text: str) -> frozenset[str]:
        names = frozenset(name.strip() for name in text.split(",") if name.strip())
        if names and not sandbox:
            raise Wanted("to stay empty outside the sandbox")
        if names - GUARDS:
            raise Wanted(f"names out of {', '.join(sorted(GUARDS))}")
        return names

    return reader


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
        # Reading the port is what checks it. A list of hosts (failover) has its ports in the query.
        if "," not in parts.netloc:
            _ = parts.port
    except ValueError:
        return None
    return parts


def _shown(name: str, value: object) -> str:
    if name == "secret_keys" and isinstance(value, tuple):
        return ",".join(f"{kid}:{SHOWN_INSTEAD}" for kid, _ in value)
    if isinstance(value, bool):
        return "on" if value else "off"
    if name in _SECRET_FIELDS:
        return SHOWN_INSTEAD
    if name.endswith("_url"):
        return _shown_url(str(value))
    if isinstance(value, frozenset | tuple):
        return ",".join(sorted(value))
    return str(value)


def _shown_url(url: str) -> str:
    """The URL without its passwords: the user's, and those that libpq takes in the query."""
    parts = urlsplit(url)
    user, colon, rest = parts.netloc.partition(":")
    if "@" in rest and colon:
        parts = parts._replace(netloc=f"{user}:{SHOWN_INSTEAD}@{rest.rpartition('@')[2]}")
    pairs = (pair.partition("=") for pair in parts.query.split("&"))
    query = "&".join(f"{key}={SHOWN_INSTEAD}" if "password" in key else f"{key}{is_}{word}" for key, is_, word in pairs)
    return urlunsplit(parts._replace(query=query))
