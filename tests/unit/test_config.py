"""Every setting is checked before anything starts, and what is wrong is said in one sentence."""

from __future__ import annotations

import pytest

from onsale.config import GUARDS, SECRET_CHARACTERS_MIN, Config
from onsale.errors import ConfigError
from onsale.mail.message import sender_of
from onsale.mail.smtp import server_of

LONG = "s" * SECRET_CHARACTERS_MIN
SANDBOX = {
    "ONSALE_ENVIRONMENT": "sandbox",
    "ONSALE_DATABASE_URL": "postgresql+psycopg2://onsale:pass-of-db@127.0.0.1:5432/onsale",
    "ONSALE_QUEUE_URL": "redis://:pass-of-queue@127.0.0.1:6379/0",
    "ONSALE_SECRET_KEYS": f"k2:{LONG},k1:{LONG}x",
    "ONSALE_STRIPE_SECRET_KEY": "sk_test_secret",
    "ONSALE_STRIPE_PUBLISHABLE_KEY": "pk_test_public",
    "ONSALE_STRIPE_WEBHOOK_SECRET": f"whsec_{LONG}",
}
PRODUCTION = SANDBOX | {
    "ONSALE_ENVIRONMENT": "production",
    "ONSALE_PUBLIC_URL": "https://tickets.example",
    "ONSALE_STRIPE_SECRET_KEY": "rk_live_secret",
    "ONSALE_STRIPE_PUBLISHABLE_KEY": "pk_live_public",
}
MAIL = {
    "ONSALE_SMTP_URL": "smtp://shop:pass-of-mail@mail.example.org:587",
    "ONSALE_MAIL_FROM": "Example Tickets <tickets@example.org>",
}


def test_the_sandbox_needs_only_its_parts_and_secrets():
    config = Config.from_env(SANDBOX)

    assert config.public_url == "http://127.0.0.1:8000"
    assert config.broker_url == config.cache_url == config.queue_url == SANDBOX["ONSALE_QUEUE_URL"]
    assert config.secret_keys == (("k2", LONG), ("k1", LONG + "x"))
    assert config.log_format == "console"
    assert config.guards_off == frozenset()


def test_production_is_what_one_gets_without_asking():
    config = Config.from_env({name: value for name, value in PRODUCTION.items() if name != "ONSALE_ENVIRONMENT"})

    assert config.environment == "production"
    assert config.log_format == "json"


@pytest.mark.parametrize("form", ["postgres", "postgresql", "postgresql+psycopg2"])
def test_each_usual_form_of_a_database_url_means_psycopg2(form):
    config = Config.from_env(SANDBOX | {"ONSALE_DATABASE_URL": f"{form}://u:p@a.example:5432/onsale"})

    assert config.database_url == "postgresql+psycopg2://u:p@a.example:5432/onsale"


def test_a_database_url_may_name_several_hosts_for_a_failover():
    url = "postgresql+psycopg2://u:p@/onsale?host=a:5432&host=b:5432&target_session_attrs=read-write"

    assert Config.from_env(SANDBOX | {"ONSALE_DATABASE_URL": url}).database_url == url


@pytest.mark.parametrize("url", ["amqp://u:p@host//", "rediss://host:6380/2", "redis://host/2"])
def test_the_broker_may_be_another_server(url):
    assert Config.from_env(SANDBOX | {"ONSALE_BROKER_URL": url}).broker_url == url


@pytest.mark.parametrize(
    "name",
    [
        "ONSALE_DATABASE_URL",
        "ONSALE_QUEUE_URL",
        "ONSALE_SECRET_KEYS",
        "ONSALE_STRIPE_SECRET_KEY",
        "ONSALE_STRIPE_PUBLISHABLE_KEY",
        "ONSALE_STRIPE_WEBHOOK_SECRET",
        "ONSALE_PUBLIC_URL",
    ],
)
@pytest.mark.parametrize("empty", [None, "", "  "])
def test_production_has_no_default_for_a_part_or_a_secret(name, empty):
    env = {key: value for key, value in PRODUCTION.items() if key != name} | ({name: empty} if empty else {})

    with pytest.raises(ConfigError, match=f"^{name} is not set; it wants .+") as refused:
        Config.from_env(env)

    assert_one_sentence(str(refused.value))


BAD = [
    ("ONSALE_ENVIRONMENT", "staging"),
    ("ONSALE_DATABASE_URL", "mysql://u:pass-of-db@h/onsale"),
    ("ONSALE_DATABASE_URL", "postgresql://u:pass-of-db@h:port/onsale"),
    ("ONSALE_DATABASE_URL", "postgresql://u:pass-of-db@h/"),
    ("ONSALE_QUEUE_URL", "http://h:6379"),
    ("ONSALE_QUEUE_URL", "redis://"),
    ("ONSALE_QUEUE_URL", "amqp://h//"),
    ("ONSALE_CACHE_URL", "127.0.0.1:6379"),
    ("ONSALE_BROKER_URL", "kafka://h"),
    ("ONSALE_PUBLIC_URL", "tickets.example"),
    ("ONSALE_PUBLIC_URL", "http://h/?a=1"),
    ("ONSALE_WEB_HOST", "my host"),
    ("ONSALE_WEB_PORT", "0"),
    ("ONSALE_WEB_PORT", "65536"),
    ("ONSALE_WEB_PORT", "http"),
    ("ONSALE_WEB_PORT", "٨٠"),
    ("ONSALE_WEB_WORKERS", "0"),
    ("ONSALE_WEB_WORKERS", "65"),
    ("ONSALE_WEB_THREADS", "-1"),
    ("ONSALE_SECRET_KEYS", "k1:short"),
    ("ONSALE_SECRET_KEYS", LONG),
    ("ONSALE_SECRET_KEYS", f"k1:{LONG},"),
    ("ONSALE_SECRET_KEYS", f"k1:{LONG},k1:{LONG}x"),
    ("ONSALE_STRIPE_API_BASE", "api.stripe.com"),
    ("ONSALE_STRIPE_SECRET_KEY", "pk_test_x"),
    ("ONSALE_STRIPE_SECRET_KEY", "sk_live_a_real_card_is_never_charged_by_a_sandbox"),
    ("ONSALE_STRIPE_PUBLISHABLE_KEY", "sk_test_x"),
    ("ONSALE_STRIPE_PUBLISHABLE_KEY", "pk_live_beside_a_secret_key_of_the_test_mode"),
    ("ONSALE_STRIPE_PUBLISHABLE_KEY", "pk_test_x y"),
    ("ONSALE_PAYMENT_RECEIPTS", "yes"),
    ("ONSALE_PAYMENT_METHODS", "card,sepa_debit"),
    ("ONSALE_PAYMENT_METHODS", ","),
    ("ONSALE_PAYMENT_PROCESSING_HOURS", "0"),
    ("ONSALE_PAYMENT_PROCESSING_HOURS", "337"),
    ("ONSALE_STRIPE_WEBHOOK_SECRET", "whsec_short"),
    ("ONSALE_LOG_FORMAT", "xml"),
    ("ONSALE_TRUSTED_PROXIES", "11"),
    ("ONSALE_PAYMENT_CONCURRENCY", "257"),
    ("ONSALE_PAYMENT_RATE_PER_SECOND", "1.5"),
    ("ONSALE_OUTBOX_DIR", "mail\x00"),
    ("ONSALE_GUARDS_OFF", "everything"),
    ("ONSALE_SMTP_URL", "mail.example.org:587"),
    ("ONSALE_SMTP_URL", "http://mail.example.org"),
    ("ONSALE_SMTP_URL", "smtp://"),
    ("ONSALE_SMTP_URL", "smtp://mail.example.org:99999"),
    ("ONSALE_SMTP_URL", "smtp://mail.example.org/box"),
    ("ONSALE_SMTP_URL", "smtp://mail.example.org?tls=off"),
    ("ONSALE_SMTP_URL", "smtp://user@mail.example.org"),
    ("ONSALE_SMTP_URL", "smtp://user:pass-of-mail@mail.example.org?starttls=off"),
    ("ONSALE_SMTP_URL", "smtps://user:pass-of-mail%C3%A9@mail.example.org"),
    ("ONSALE_MAIL_FROM", "tickets"),
    ("ONSALE_MAIL_FROM", "a@example.org, b@example.org"),
    ("ONSALE_MAIL_FROM", "Shop, Inc. <a@example.org>"),
    ("ONSALE_MAIL_FROM", "Shop <a@example.org"),
    ("ONSALE_MAIL_FROM", "Shop\r\nBcc: x <a@example.org>"),
]


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_wrong_value_is_refused_in_one_sentence_that_names_it(name, value):
    with pytest.raises(ConfigError, match=f"^{name} wants .+") as refused:
        Config.from_env(SANDBOX | {name: value})

    assert refused.value.field == name
    assert_one_sentence(str(refused.value))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ONSALE_PUBLIC_URL", "http://tickets.example"),
        ("ONSALE_STRIPE_API_BASE", "http://127.0.0.1:8001"),
        ("ONSALE_GUARDS_OFF", "last_look"),
    ],
)
def test_what_a_sandbox_may_production_may_not(name, value):
    Config.from_env(SANDBOX | {name: value})

    with pytest.raises(ConfigError, match=f"^{name} wants "):
        Config.from_env(PRODUCTION | {name: value})


def test_every_whole_number_is_accepted_at_its_limits():
    for name, lowest, highest in [
        ("WEB_PORT", 1, 65_535),
        ("WEB_WORKERS", 1, 64),
        ("WEB_THREADS", 1, 64),
        ("TRUSTED_PROXIES", 0, 10),
        ("PAYMENT_CONCURRENCY", 1, 256),
        ("PAYMENT_RATE_PER_SECOND", 1, 10_000),
    ]:
        for value in (lowest, highest):
            assert getattr(Config.from_env(SANDBOX | {f"ONSALE_{name}": str(value)}), name.lower()) == value


def test_a_mail_server_needs_to_be_told_who_writes():
    with pytest.raises(ConfigError, match=r"^ONSALE_MAIL_FROM is not set; it wants an address such as Onsale <"):
        Config.from_env(SANDBOX | {"ONSALE_SMTP_URL": MAIL["ONSALE_SMTP_URL"]})

    assert Config.from_env(SANDBOX | MAIL).mail_from == "Example Tickets <tickets@example.org>"
    assert Config.from_env(SANDBOX).smtp_url == ""


@pytest.mark.parametrize(
    ("url", "port", "user", "at_once", "starttls"),
    [
        ("smtp://u:p%40ss@h", 587, "u", False, True),
        ("smtp://h:2525", 2525, "", False, True),
        ("smtp://127.0.0.1?starttls=off", 25, "", False, False),
        ("smtps://u:p%40ss@h", 465, "u", True, False),
    ],
)
def test_a_mail_server_is_spoken_to_as_its_address_says(url, port, user, at_once, starttls):
    at = server_of(Config.from_env(SANDBOX | MAIL | {"ONSALE_SMTP_URL": url}).smtp_url)

    assert (at.port, at.user, at.tls_at_once, at.starttls) == (port, user, at_once, starttls)
    assert at.password == ("p@ss" if user else "")


@pytest.mark.parametrize("text", ["t@example.org", "Onsale <t@example.org>", "Kasse Süd <t+x@sub.example.org>"])
def test_who_may_write_can_be_written_into_a_letter(text):
    assert sender_of(Config.from_env(SANDBOX | {"ONSALE_MAIL_FROM": text}).mail_from).addr_spec in text


def test_all_guards_may_be_switched_off_in_the_sandbox():
    assert Config.from_env(SANDBOX | {"ONSALE_GUARDS_OFF": ", ".join(GUARDS)}).guards_off == GUARDS


def test_no_secret_is_shown_or_in_the_repr_or_in_a_refusal():
    hidden = [LONG, "pass-of-db", "pass-of-queue", "pass-of-mail", "sk_test_secret"]
    config = Config.from_env(SANDBOX | MAIL)

    said = [repr(config), *config.shown().values()]
    for name, value in BAD:
        with pytest.raises(ConfigError) as refused:
            Config.from_env(SANDBOX | {name: value})
        said.append(str(refused.value))

    assert [secret for secret in hidden if any(secret in text for text in said)] == []


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("://u:secret@/onsale?host=a:1&host=b:2&x=y", "://u:********@/onsale?host=a:1&host=b:2&x=y"),
        ("://u@a/onsale?password=secret&sslpassword=secret", "://u@a/onsale?password=********&sslpassword=********"),
    ],
)
def test_a_database_url_of_any_form_is_shown_without_its_passwords(url, shown):
    config = Config.from_env(SANDBOX | {"ONSALE_DATABASE_URL": "postgresql" + url})

    assert config.shown()["ONSALE_DATABASE_URL"] == "postgresql+psycopg2" + shown


def test_what_is_shown_names_every_setting():
    shown = Config.from_env(SANDBOX).shown()

    assert shown["ONSALE_DATABASE_URL"] == "postgresql+psycopg2://onsale:********@127.0.0.1:5432/onsale"
    assert shown["ONSALE_SECRET_KEYS"] == "k2:********,k1:********"
    assert shown["ONSALE_STRIPE_PUBLISHABLE_KEY"] == "pk_test_public"
    assert set(SANDBOX) <= set(shown)


def assert_one_sentence(text: str) -> None:
    assert "\n" not in text
    assert text.endswith(".")
    assert len(text) < 200
