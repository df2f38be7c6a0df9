"""Signs and checks the JWTs of buyers and staff (HS256, RFC 8725): one algorithm and issuer, an audience each.

The first of the configured keys signs and all verify, so a key is changed by putting a new one in front and taking the
old one away when its tokens have run out.
"""

from __future__ import annotations

import hashlib
import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

import jwt
import orjson

from onsale.config import Config
from onsale.errors import NotSignedIn

ALGORITHM = "HS256"
BUYERS = "onsale-buyers"
STAFF = "onsale-staff"
# A guest has nothing to sign in with again, so their session lasts until the show is bought and paid.
LIFETIME = {BUYERS: timedelta(days=30), STAFF: timedelta(hours=8)}
LEEWAY_SECONDS = 10
# Ours have about 350 characters; whoever sends more is not sending one of ours.
TOKEN_CHARACTERS_MAX = 1_024
REQUIRED = ["iss", "aud", "sub", "iat", "exp"]
_CLAIMS = frozenset(REQUIRED)


@dataclass(frozen=True)
class Claims:
    """What a valid token says: whose it is, and whether that is a guest."""

    subject: UUID
    guest: bool


def now_ms() -> int:
    """This host's clock, good enough for a token's expiry with its leeway and for nothing else."""
    return time.time_ns() // 1_000_000


def derived(secret: str, purpose: str) -> bytes:
    """A key for one purpose, so that what is signed for one is worth nothing for another."""
    return hmac.digest(secret.encode(), f"onsale {purpose}".encode(), hashlib.sha256)


@lru_cache(maxsize=16)
def _jwt_key(secret: str) -> bytes:
    return derived(secret, "jwt")


def sign(config: Config, subject: UUID, *, audience: str, guest: bool = False, now: datetime | None = None) -> str:
    """A token for this subject; `now` is when it begins, the present unless a test says otherwise."""
    kid, secret = config.secret_keys[0]
    issued = now or datetime.now(UTC)
    claims: dict[str, object] = {
        "iss": config.public_url,
        "aud": audience,
        "sub": str(subject),
        "iat": issued,
        "exp": issued + LIFETIME[audience],
    }
    if guest:
        claims["guest"] = True
    return _encoded(claims, kid, secret)


def is_of_older_key(config: Config, token: str) -> bool:
    """Whether another key than the newest signed this token, which was checked before."""
    return token.partition(".")[0] != next(iter(_keys_by_header(config.secret_keys)))


def check(config: Config, token: str, *, audience: str) -> Claims:
    """What a token says, if we signed it for this audience and it has not run out. Raises NotSignedIn, without why."""
    if len(token) > TOKEN_CHARACTERS_MAX:
        raise NotSignedIn
    claims = _checked_by_form(config, token, audience)
    if claims is not None:
        return claims
    try:
        found = jwt.decode(
            token,
            _key_for(config, token),
            algorithms=[ALGORITHM],
            audience=audience,
            issuer=config.public_url,
            leeway=LEEWAY_SECONDS,
            options={"require": REQUIRED, "strict_aud": True},
        )
        return Claims(UUID(found["sub"]), guest=found.get("guest") is True)
    except (jwt.InvalidTokenError, KeyError, ValueError, TypeError):
        raise NotSignedIn from None


def _checked_by_form(config: Config, token: str, audience: str) -> Claims | None:
    """What a token says that has exactly the form ours have, and holds; None for any other, which the library judges.

    It saves 55 microseconds on every request. It can only accept: header and signature are compared as text,
    so neither algorithm nor key is the token's to choose, and every claim the library would check is checked here.
    """
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    key = _keys_by_header(config.secret_keys).get(header)
    if key is None or not token.isascii():
        return None
    expected = urlsafe_b64encode(hmac.digest(key, signed.encode(), "sha256")).rstrip(b"=")
    if not hmac.compare_digest(expected, signature.encode()):
        return None
    try:
        claims = orjson.loads(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        now = time.time()
        if (
            claims.keys() - {"guest"} == _CLAIMS
            and claims["iss"] == config.public_url
            and claims["aud"] == audience
            and type(claims["iat"]) is int
            and type(claims["exp"]) is int
            and claims["iat"] <= now + LEEWAY_SECONDS
            and claims["exp"] > now - LEEWAY_SECONDS
        ):
            return Claims(UUID(claims["sub"]), guest=claims.get("guest") is True)
    except (ValueError, TypeError, AttributeError):
        return None
    return None


def _key_for(config: Config, token: str) -> bytes:
    """The key a token names. Nobody has verified the name yet; it can only choose among our own."""
    key = _keys_by_header(config.secret_keys).get(token.partition(".")[0])
    # Another way to write the header, perhaps of an older release: ask the library.
    return key or _jwt_key(dict(config.secret_keys)[jwt.get_unverified_header(token)["kid"]])


@lru_cache(maxsize=4)
def _keys_by_header(secret_keys: tuple[tuple[str, str], ...]) -> dict[str, bytes]:
    """Our headers as they are written: reading one costs as much as all else of a token."""
    return {_encoded({}, kid, secret).partition(".")[0]: _jwt_key(secret) for kid, secret in secret_keys}


def _encoded(claims: dict[str, object], kid: str, secret: str) -> str:
    return jwt.encode(claims, _jwt_key(secret), algorithm=ALGORITHM, headers={"kid": kid})
