"""Who may ask: forged, foreign, expired and confused tokens are refused, and passwords give nothing away."""

from __future__ import annotations

import base64
import json
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest

from onsale.config import Config
from onsale.db import staff
from onsale.db.catalogue import add_organiser
from onsale.db.engine import transaction
from onsale.db.staff import Role, Staff
from onsale.errors import NotSignedIn
from onsale.web import auth, create_app, passwords, tokens
from onsale.web.limits import SIGN_INS_OF_ACCOUNT

EMAIL, PASSWORD = "ada@example.org", "correct horse battery"


def key_of(config: Config) -> bytes:
    return tokens.derived(config.secret_keys[0][1], "jwt")


def claims(config: Config, **changed: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    usual = {
        "iss": config.public_url,
        "aud": tokens.BUYERS,
        "sub": str(uuid4()),
        "iat": now,
        "exp": now + timedelta(hours=1),
    }
    return {name: value for name, value in {**usual, **changed}.items() if value is not None}


def signed(
    config: Config, *, key: bytes | None = None, algorithm: str = "HS256", kid: Any = "k1", **changed: Any
) -> str:
    headers = {} if kid is None else {"kid": kid}
    return jwt.encode(claims(config, **changed), key or key_of(config), algorithm=algorithm, headers=headers)


def pieces(*parts: Any) -> str:
    def piece(part: Any) -> str:
        raw = part if isinstance(part, bytes) else json.dumps(part).encode()
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    return ".".join(piece(part) for part in parts)


def unsigned(config: Config, algorithm: str) -> str:
    body = claims(config, iat=1_700_000_000, exp=4_000_000_000)
    return pieces({"alg": algorithm, "typ": "JWT", "kid": "k1"}, body, b"")


def edited(config: Config) -> str:
    header, body, signature = signed(config).split(".")
    content = json.loads(base64.urlsafe_b64decode(body + "=="))
    return ".".join([header, pieces({**content, "sub": str(uuid4())}), signature])


FORGED = {
    "unsigned": lambda config: unsigned(config, "none"),
    "unsigned, in capitals": lambda config: unsigned(config, "NONE"),
    "edited": edited,
    "another key": lambda config: signed(config, key=secrets.token_bytes(32)),
    "the secret itself": lambda config: signed(config, key=config.secret_keys[0][1].encode()),
    "another algorithm": lambda config: signed(config, algorithm="HS512", key=key_of(config) * 2),
    "a public key's algorithm": lambda config: pieces({"alg": "RS256", "kid": "k1"}, {"sub": str(uuid4())}, b"x" * 32),
    "an unknown key id": lambda config: signed(config, kid="k9"),
    "a key id that is a path": lambda config: signed(config, kid="../../dev/null"),
    "no key id": lambda config: signed(config, kid=None),
    "another audience": lambda config: signed(config, aud=tokens.STAFF),
    "two audiences": lambda config: signed(config, aud=[tokens.BUYERS, tokens.STAFF]),
    "no audience": lambda config: signed(config, aud=None),
    "another issuer": lambda config: signed(config, iss="https://elsewhere.example"),
    "no issuer": lambda config: signed(config, iss=None),
    "expired": lambda config: signed(config, exp=datetime.now(UTC) - timedelta(seconds=30)),
    "never expiring": lambda config: signed(config, exp=None),
    "not yet": lambda config: signed(config, nbf=datetime.now(UTC) + timedelta(hours=1)),
    "from the future": lambda config: signed(config, iat=datetime.now(UTC) + timedelta(minutes=5)),
    "no subject": lambda config: signed(config, sub=None),
    "a subject that is no id": lambda config: signed(config, sub="admin"),
    "too long": lambda config: signed(config, more="x" * 2_000),
    "not a token": lambda config: "not-a-token",
    "three dots": lambda config: "...",
}


@pytest.mark.parametrize("kind", FORGED)
def test_a_token_we_did_not_give_is_refused(standing_web, kind):
    token = FORGED[kind](standing_web.office.config)

    answer = standing_web.http.get("/v1/bookings", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 401, kind
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert token[:40] not in answer.text


def test_a_token_like_ours_is_taken(web):
    token = signed(web.office.config)

    assert web.http.get("/v1/bookings", headers={"Authorization": f"Bearer {token}"}).status_code == 200


def test_a_token_outlives_its_time_by_the_clocks_difference_and_no_more(config):
    just_now = signed(config, exp=datetime.now(UTC) - timedelta(seconds=tokens.LEEWAY_SECONDS - 3))
    too_late = signed(config, exp=datetime.now(UTC) - timedelta(seconds=tokens.LEEWAY_SECONDS + 1))

    tokens.check(config, just_now, audience=tokens.BUYERS)
    with pytest.raises(NotSignedIn):
        tokens.check(config, too_late, audience=tokens.BUYERS)


def test_a_key_is_changed_without_signing_anybody_out(settings, redis_client):
    old = Config.from_env({**settings, "ONSALE_SECRET_KEYS": "k1:" + "o" * 32})
    new = Config.from_env({**settings, "ONSALE_SECRET_KEYS": "k2:" + "n" * 32 + ",k1:" + "o" * 32})
    later = Config.from_env({**settings, "ONSALE_SECRET_KEYS": "k2:" + "n" * 32})
    token = tokens.sign(old, uuid4(), audience=tokens.BUYERS)

    tokens.check(new, token, audience=tokens.BUYERS)
    with pytest.raises(NotSignedIn):
        tokens.check(later, token, audience=tokens.BUYERS)
    assert jwt.get_unverified_header(tokens.sign(new, uuid4(), audience=tokens.BUYERS))["kid"] == "k2"


@pytest.mark.parametrize("scheme", ["", "Basic", "Token", "bearer", "BEARER"])
def test_only_the_bearer_scheme_counts_in_any_case(web, scheme):
    token = web.guest().token

    answer = web.http.get("/v1/bookings", headers={"Authorization": f"{scheme} {token}".strip()})

    assert (answer.status_code == 200) is (scheme.lower() == "bearer")


def test_the_api_takes_no_cookie(web):
    token = web.guest().token

    answer = web.http.get("/v1/bookings", headers={"Cookie": f"onsale_buyer={token}; onsale_staff={token}"})

    assert answer.status_code == 401


def test_a_buyers_token_opens_nothing_of_the_staff(web, engine):
    answer = web.guest().get("/v1/admin/events/1/queue")

    assert answer.status_code == 401


def test_an_account_signs_in_and_is_the_same_buyer(web):
    made = web.http.post("/v1/accounts", json={"email": EMAIL, "password": PASSWORD, "name": "Ada"})

    session = web.http.post("/v1/sessions", json={"email": "ADA@Example.org", "password": PASSWORD})

    assert (made.status_code, session.status_code) == (201, 201)
    assert session.json()["buyer_id"] == made.json()["buyer_id"]
    assert session.headers["Cache-Control"] == "no-store"


def test_a_guest_becomes_an_account_and_stays_the_same_buyer(web):
    guest = web.guest()

    made = guest.post("/v1/accounts", {"email": EMAIL, "password": PASSWORD})

    assert made.json()["buyer_id"] == guest.id


def test_an_account_does_not_become_another(web):
    first = web.http.post("/v1/accounts", json={"email": EMAIL, "password": PASSWORD}).json()

    headers = {"Authorization": f"Bearer {first['token']}"}
    second = web.http.post("/v1/accounts", json={"email": "eve@example.org", "password": PASSWORD}, headers=headers)

    assert second.json()["buyer_id"] != first["buyer_id"]


def test_an_email_is_taken_once_in_any_case(web):
    web.http.post("/v1/accounts", json={"email": EMAIL, "password": PASSWORD})

    answer = web.http.post("/v1/accounts", json={"email": EMAIL.upper(), "password": PASSWORD})

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/email-taken")


@pytest.mark.parametrize("email", [EMAIL, "nobody@example.org"])
def test_a_wrong_password_and_an_unknown_email_are_told_alike(web, email):
    web.http.post("/v1/accounts", json={"email": EMAIL, "password": PASSWORD})

    answer = web.http.post("/v1/sessions", json={"email": email, "password": "something else"})

    problem = answer.json()
    assert (answer.status_code, problem["type"], problem["detail"]) == (
        401,
        "/problems/wrong-credentials",
        "The e-mail or the password is wrong.",
    )


def test_an_unknown_email_takes_as_long_as_a_wrong_password(monkeypatch):
    checked = []
    known = passwords.hashed(PASSWORD)
    monkeypatch.setattr(passwords, "_hasher", Counting(passwords._hasher, checked))

    answers = [passwords.matches(known, "wrong"), passwords.matches(None, "wrong")]

    assert answers == [False, False]
    assert len(checked) == 2


class Counting:
    """A hasher that counts what it checks."""

    def __init__(self, hasher, checked):
        self._hasher, self._checked = hasher, checked

    def verify(self, known, password):
        self._checked.append(known)
        return self._hasher.verify(known, password)

    def hash(self, password):
        return self._hasher.hash(password)


def test_the_password_of_nobody_opens_nothing():
    assert passwords.matches(None, "the password of nobody") is False


def test_guessing_an_accounts_password_is_slowed_down(web):
    answers = [
        web.http.post("/v1/sessions", json={"email": EMAIL, "password": f"guess {n}"})
        for n in range(SIGN_INS_OF_ACCOUNT.per_minute + 1)
    ]

    assert [answer.status_code for answer in answers[:-1]] == [401] * SIGN_INS_OF_ACCOUNT.per_minute
    assert (answers[-1].status_code, answers[-1].json()["type"]) == (429, "/problems/too-many-requests")
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60


def test_without_the_cache_nobody_is_refused(web):
    pool = web.office.cache_client.connection_pool
    pool.connection_kwargs["port"] = 9
    pool.disconnect()

    answer = web.http.post("/v1/sessions", json={"email": EMAIL, "password": PASSWORD})

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"email": EMAIL},
        {"email": EMAIL, "password": "short"},
        {"email": EMAIL, "password": "x" * 201},
        {"email": EMAIL, "password": 1234567890},
        {"email": "no-at-sign", "password": PASSWORD},
        {"email": "a@b", "password": PASSWORD},
        {"email": "a b@example.org", "password": PASSWORD},
        {"email": "a@example.org\u0000", "password": PASSWORD},
        {"email": "a" * 250 + "@example.org", "password": PASSWORD},
        {"email": EMAIL, "password": PASSWORD, "name": "a\u0000b"},
        {"email": EMAIL, "password": PASSWORD, "role": "owner"},
    ],
)
def test_an_account_that_makes_no_sense_is_refused_and_the_password_not_repeated(standing_web, body):
    answer = standing_web.http.post("/v1/accounts", json=body)

    assert answer.status_code == 422
    assert PASSWORD not in answer.text
    assert answer.json()["errors"][0]["field"] in ("email", "password", "name", "role")


@pytest.fixture
def member(engine) -> Staff:
    with transaction(engine) as connection:
        organiser = add_organiser(connection, "Test organiser")
        return staff.put(
            connection, Staff(uuid4(), organiser, "boss@example.org", Role.OWNER, passwords.hashed(PASSWORD))
        )


def test_staff_sign_in_at_their_own_door_and_nowhere_else(web, member):
    body = {"email": member.email, "password": PASSWORD}

    assert web.http.post("/v1/admin/sessions", json=body).status_code == 201
    assert web.http.post("/v1/sessions", json=body).status_code == 401


def test_a_member_of_staff_who_left_is_nobody(web, member, engine):
    token = web.http.post("/v1/admin/sessions", json={"email": member.email, "password": PASSWORD}).json()["token"]
    with transaction(engine) as connection:
        connection.exec_driver_sql("DELETE FROM staff")

    answer = web.http.get("/v1/admin/events/1/queue", headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 401


def test_a_pages_session_is_a_cookie_no_script_can_read(web):
    with web.app.test_request_context("/"):
        response = web.app.make_response("")
        auth.start_page_session(response, auth.SignedIn("token", uuid4(), 60))

    said = response.headers["Set-Cookie"].split("; ")
    assert said[0] == "onsale_buyer=token"
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=60"} <= set(said)


def test_over_https_the_cookie_goes_nowhere_else(settings, redis_client):
    app = create_app(Config.from_env({**settings, "ONSALE_PUBLIC_URL": "https://tickets.example"}))
    with app.test_request_context("/"):
        response = app.make_response("")
        auth.start_page_session(response, auth.SignedIn("token", uuid4(), 60), staff=True)
    app.extensions["onsale"].close()

    assert response.headers["Set-Cookie"].startswith("__Host-onsale_staff=token; ")
    assert "Secure" in response.headers["Set-Cookie"]
