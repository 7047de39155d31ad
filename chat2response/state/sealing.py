"""Seals content that clients store for the gateway, such as reasoning: only this gateway can open it,
and only for the same tenant, upstream and model.

    c2r1.<base64url of: 4 bytes of key id, 12 bytes of nonce, the AES-256-GCM ciphertext>

With several keys the first one seals, and all of them open. To rotate, put the new key first and remove the
old one when no conversation needs it any more.
"""

import hashlib
import hmac
import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from chat2response.convert.reasoning.sealed_reasoning import SEAL_PREFIX, is_seal
from chat2response.state import secret_file
from chat2response.state.secret_file import SecretFile
from chat2response.wire.json import encode

FILE_NAME = "seal.keys"

_KEY_ID, _NONCE = 4, 12  # bytes
_MIN_KEY = 32  # characters
_CACHED_SEALS = 1024


class SealKeyError(Exception):
    """There is no usable key; the message tells the operator what to do."""


def parse_keys(text: str) -> tuple[str, ...]:
    """The keys of a setting or a file, separated by commas or lines. Raises ValueError for a short key."""
    keys = tuple(key for line in text.splitlines() for part in line.split(",") if (key := part.strip()))
    if not keys or any(len(key) < _MIN_KEY or not key.isascii() for key in keys):
        raise ValueError(
            f"a key must be {_MIN_KEY} or more characters of random ASCII text: openssl rand -hex 32"
        )
    return keys


def read_or_create(folder: Path) -> SecretFile:
    """The key file of `folder`, created if there is none. Raises SealKeyError."""
    path = (folder / FILE_NAME).absolute()
    instead = "or set CHAT2RESPONSE_SEAL_KEY, which replaces the file"
    try:
        file = secret_file.read_or_create(path, lambda: secrets.token_hex(32))
    except OSError as error:
        raise SealKeyError(
            f"The seal key file {path} cannot be used ({error.strerror or error}). "
            "Set CHAT2RESPONSE_STATE_DIR to a writable folder (the default is the folder of "
            f"CHAT2RESPONSE_SQLITE_PATH), {instead}."
        ) from None
    try:
        parse_keys(file.value)
    except ValueError as error:
        raise SealKeyError(
            f"The file {path} contains no seal key ({error}). "
            f"Delete it and restart to create a new one, {instead}."
        ) from None
    return file


class Sealing:
    """The seal keys of a process."""

    def __init__(self, keys: Sequence[str]) -> None:
        masters = [hashlib.sha256(b"chat2response seal\0" + key.encode()).digest() for key in keys]
        self._masters = {_derive(master, b"name")[:_KEY_ID]: master for master in reversed(masters)}
        self._first = _derive(masters[0], b"name")[:_KEY_ID]
        self._cached_seal = lru_cache(_CACHED_SEALS)(self._make)

    def seal_for(self, tenant: str | None, target: str, model: str) -> "BoundSeal":
        """The seal for what `tenant` (None: no tenant) gets from `model` at `target`."""
        return self._cached_seal(tenant, target, model)

    def _make(self, tenant: str | None, target: str, model: str) -> "BoundSeal":
        return BoundSeal(self._masters, self._first, encode([tenant, target, model]))


class BoundSeal:
    """A `Seal` of convert/writer: the key is derived from the binding, and the tag authenticates it."""

    def __init__(self, masters: dict[bytes, bytes], first: bytes, binding: bytes) -> None:
        self._masters = masters
        self._first = first
        self._binding = binding
        self._ciphers: dict[bytes, Any] = {}

    def seal(self, plain: bytes) -> str:
        """The text that opens to `plain`."""
        nonce = os.urandom(_NONCE)
        ciphertext: bytes = self._cipher(self._first).encrypt(nonce, plain, self._binding)
        return SEAL_PREFIX + _encode(self._first + nonce + ciphertext)

    def open(self, sealed: str) -> bytes | None:
        """The sealed content; None if another seal made the text, or it was altered."""
        if not is_seal(sealed) or not sealed.isascii():
            return None
        data = _decode(sealed[len(SEAL_PREFIX) :])
        key_id, nonce = data[:_KEY_ID], data[_KEY_ID : _KEY_ID + _NONCE]
        ciphertext = data[_KEY_ID + _NONCE :]
        if key_id not in self._masters:
            return None
        from cryptography.exceptions import InvalidTag

        try:
            plain: bytes = self._cipher(key_id).decrypt(nonce, ciphertext, self._binding)
        except (InvalidTag, ValueError):  # altered, truncated, or bound to something else
            return None
        return plain

    def _cipher(self, key_id: bytes) -> Any:
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # takes 30 ms

            cipher = self._ciphers[key_id] = AESGCM(_derive(self._masters[key_id], self._binding))
        return cipher


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    """The inverse of `_encode`; empty for any text that `_encode` would not write."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
    return data if _encode(data) == text else b""


def _derive(master: bytes, label: bytes) -> bytes:
    return hmac.digest(master, label, "sha256")
