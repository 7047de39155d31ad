"""Seals for what a client keeps for us: only this gateway reads it, and only for the same tenant, upstream
and model.

    c2r1.<base64url of: 4 bytes that name the key, 12 of nonce, the AES-256-GCM ciphertext>

Several keys make a ring: the first one seals, all of them open. So a new key goes first, the old one stays
behind it for as long as conversations last, and nothing is lost.
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

from chat2response.state import secret_file
from chat2response.state.secret_file import SecretFile
from chat2response.wire.json import encode

NAME = "seal.keys"

_MARK = "c2r1."
_NAME, _NONCE = 4, 12  # bytes
_LEAST = 32  # characters of a key
_SEALS = 1024  # kept ready; a process sees few models, and tenants come and go


class SealKeyError(Exception):
    """There is no usable key; the text tells the operator what to do."""


def split_keys(text: str) -> tuple[str, ...]:
    """The keys of a setting or a file: by commas, or one a line. Raises ValueError for a short one."""
    keys = tuple(key for line in text.splitlines() for word in line.split(",") if (key := word.strip()))
    if not keys or any(len(key) < _LEAST or not key.isascii() for key in keys):
        raise ValueError(f"a key is {_LEAST} characters or more of random text, as from openssl rand -hex 32")
    return keys


def read_or_make(folder: Path) -> SecretFile:
    """The key file of `folder`, made where there is none yet. Raises SealKeyError."""
    path = (folder / NAME).absolute()
    instead = "or set CHAT2RESPONSE_SEAL_KEY, and the file is not needed"
    try:
        held = secret_file.read_or_make(path, lambda: secrets.token_hex(32))
    except OSError as error:
        raise SealKeyError(
            f"The file of seal keys {path} cannot be used ({error.strerror or error}): "
            "name a folder where files can be made in CHAT2RESPONSE_STATE_DIR (where it is not set, it is "
            f"that of CHAT2RESPONSE_SQLITE_PATH), {instead}."
        ) from None
    try:
        split_keys(held.value)
    except ValueError as error:
        raise SealKeyError(
            f"The file {path} holds no seal key ({error}): "
            f"delete it and start again to have one made, {instead}."
        ) from None
    return held


def is_ours(sealed: str) -> bool:
    """Whether a gateway like this one sealed it; not whether it opens."""
    return sealed.startswith(_MARK)


class Sealing:
    """The ring of keys of a process."""

    def __init__(self, keys: Sequence[str]) -> None:
        masters = [hashlib.sha256(b"chat2response seal\0" + key.encode()).digest() for key in keys]
        self._masters = {_derived(master, b"name")[:_NAME]: master for master in reversed(masters)}
        self._first = _derived(masters[0], b"name")[:_NAME]
        self._seal_of = lru_cache(_SEALS)(self._make)

    def seal_of(self, tenant: str | None, target: str, model: str) -> "BoundSeal":
        """The seal for what `tenant` (None: nobody in particular) gets from `model` at `target`."""
        return self._seal_of(tenant, target, model)

    def _make(self, tenant: str | None, target: str, model: str) -> "BoundSeal":
        return BoundSeal(self._masters, self._first, encode([tenant, target, model]))


class BoundSeal:
    """A convert.thought.Seal: its binding is in the key and among what the tag authenticates."""

    def __init__(self, masters: dict[bytes, bytes], first: bytes, binding: bytes) -> None:
        self._masters = masters
        self._first = first
        self._binding = binding
        self._ciphers: dict[bytes, Any] = {}

    def seal(self, plain: bytes) -> str:
        """The text that opens to `plain`."""
        nonce = os.urandom(_NONCE)
        closed: bytes = self._cipher(self._first).encrypt(nonce, plain, self._binding)
        return _MARK + _text_of(self._first + nonce + closed)

    def open(self, sealed: str) -> bytes | None:
        """What was sealed; None for what this seal did not make."""
        if not is_ours(sealed) or not sealed.isascii():
            return None
        data = _bytes_of(sealed[len(_MARK) :])
        name, nonce, closed = data[:_NAME], data[_NAME : _NAME + _NONCE], data[_NAME + _NONCE :]
        if name not in self._masters:
            return None
        from cryptography.exceptions import InvalidTag

        try:
            plain: bytes = self._cipher(name).decrypt(nonce, closed, self._binding)
        except (InvalidTag, ValueError):  # altered, cut off, or another's
            return None
        return plain

    def _cipher(self, name: bytes) -> Any:
        cipher = self._ciphers.get(name)
        if cipher is None:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # 30 ms, for those who seal

            cipher = self._ciphers[name] = AESGCM(_derived(self._masters[name], self._binding))
        return cipher


def _text_of(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _bytes_of(text: str) -> bytes:
    """The bytes that `_text_of` wrote so, and no other spelling of them; else none."""
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return b""
    return data if _text_of(data) == text else b""


def _derived(master: bytes, label: bytes) -> bytes:
    return hmac.digest(master, label, "sha256")
