"""The checking of a signature that a report's program brings along is Ed25519 of RFC 8032, and the library's."""

from __future__ import annotations

import random

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from onsale.report.signing import ReportKey
from onsale.report.verify_report import L, ed25519

# RFC 8032, 7.1: key, message, signature of TEST 1, 2 and 3.
VECTORS = [
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("key", "message", "signature"), VECTORS)
def test_the_vectors_of_the_rfc_are_accepted_and_nothing_near_them(key, message, signature):
    given = bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signature)

    assert ed25519(*given)
    assert not ed25519(given[0], given[1] + b"\0", given[2])
    for place in (0, 31, 32, 63):
        other = bytearray(given[2])
        other[place] ^= 1
        assert not ed25519(given[0], given[1], bytes(other))


def test_it_says_what_the_library_says():
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(40):
        key, message = ReportKey(chance.randbytes(32)), chance.randbytes(chance.randrange(200))
        signature = bytearray(bytes.fromhex(key.sign(message)))
        if chance.random() < 0.6:
            signature[chance.randrange(64)] ^= 1 << chance.randrange(8)
        public = bytes.fromhex(key.public)

        assert ed25519(public, message, bytes(signature)) is by_library(public, message, bytes(signature))


def by_library(public, message, signature):
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def test_a_signature_has_one_form():
    key = ReportKey(bytes(32))
    signature = bytes.fromhex(key.sign(b"report"))
    scalar = int.from_bytes(signature[32:], "little") + L
    again = signature[:32] + scalar.to_bytes(32, "little")

    assert ed25519(bytes.fromhex(key.public), b"report", signature)
    assert not ed25519(bytes.fromhex(key.public), b"report", again)


@pytest.mark.parametrize(("key", "signature"), [(b"", bytes(64)), (bytes(32), bytes(63)), (b"\xff" * 32, bytes(64))])
def test_what_is_no_key_or_no_signature_is_refused(key, signature):
    assert not ed25519(key, b"", signature)
