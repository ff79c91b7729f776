"""Secrets of webhooks and what is signed with them: Standard Webhooks 1.0.0, and the system that this replaces.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets

from lastseen.words import say

PREFIX = "whsec_"
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")


def new_secret() -> str:
    """A fresh signing secret."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def decode_secret(secret: str) -> bytes:
    """The 24 to 64 bytes behind `whsec_`; ValueError says what is wrong and never what was given."""
    if not secret.startswith(PREFIX):
        raise ValueError(say("must begin with whsec_"))
    try:
        key = base64.b64decode(secret[len(PREFIX) :], validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(say("must be whsec_ and base64 after it")) from None
    if not 24 <= len(key) <= 64:
        raise ValueError(say("must be base64 of 24 to 64 bytes, not of {key}", key=len(key)))
    return key


def sign(key: bytes, id_: str, timestamp: str, body: bytes) -> str:
    """One `v1,…` signature; `key` are the bytes behind `whsec_`."""
    digest = hmac.digest(key, f"{id_}.{timestamp}.".encode() + body, "sha256")
    return "v1," + base64.b64encode(digest).decode()


def sign_lunasentri(secret: str, body: bytes) -> str:
    """That system keeps only SHA-256 of the secret's text, and signs with those 32 bytes. `sha256:` and 64 hexadecimal
    digits are they: of a webhook that came from there nobody knows the text."""
    known = _DIGEST.fullmatch(secret)
    key = bytes.fromhex(known[1]) if known else hashlib.sha256(secret.encode()).digest()
    return "sha256=" + hmac.new(key, body, hashlib.sha256).hexdigest()
