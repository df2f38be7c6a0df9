"""The key a shop signs its reports with: Ed25519, from the environment."""

from __future__ import annotations

import secrets

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from onsale.config import Config
from onsale.errors import ReportKeyMissing

SEED_BYTES = 32


class ReportKey:
    """Signs, and says which key is to be published. Its secret is 32 random bytes."""

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)

    @property
    def public(self) -> str:
        """The public key, in hexadecimal: 64 characters."""
        return self._key.public_key().public_bytes_raw().hex()

    def sign(self, message: bytes) -> str:
        """The signature of these bytes, in hexadecimal: 128 characters."""
        return self._key.sign(message).hex()


def report_key(config: Config) -> ReportKey:
    """The key that is set. Raises ReportKeyMissing."""
    if not config.report_key:
        raise ReportKeyMissing
    return ReportKey(bytes.fromhex(config.report_key))


def new_seed() -> str:
    """A secret for ONSALE_REPORT_KEY."""
    return secrets.token_hex(SEED_BYTES)
