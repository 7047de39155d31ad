"""Idempotency: a request that is repeated with the same `Idempotency-Key` runs once and gets the same answer.

The answer may contain a token, which a thief of the store must not learn. So it is sealed (AES-256-GCM) with
a key that scrypt derives from the Idempotency-Key; the document's key in the store is derived, too. Only the
Idempotency-Key finds and opens the answer, for an hour. Therefore it must be long: a random UUID cannot be
guessed.

An operation that makes a token (creation, rotation) is claimed before it runs, and a repetition completes
what the first request may have left undone. Any other operation may run again after a request that died: a
repetition is refused (409) while the first one runs, and runs after `RUNNING_SECONDS`.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from chat2response.errors import BridgeError, Conflict, InvalidRequest
from chat2response.keys.actor import Actor
from chat2response.keys.record import ApiKey, IssuedKey
from chat2response.stores import ABSENT, Store, StoreDown
from chat2response.wire.json import decode, encode

KIND = "repeats"
SECONDS = 3600  # how long a repetition is recognised
RUNNING_SECONDS = 60  # after this time a request without an answer is taken for dead
_KEY = re.compile(r"[\x21-\x7e]{16,255}")
_NONCE = 12  # bytes

Document = dict[str, Any]


class IdempotentRequest:
    """The stored result for one Idempotency-Key. Methods raise StoreDown."""

    def __init__(self, store: Store, material: bytes, params: Mapping[str, Any]) -> None:
        self._store = store
        self._key, self._seal_key = material[:32].hex(), material[32:]
        self._params_hash = hashlib.sha256(encode(dict(sorted(params.items())))).hexdigest()
        self._done = False
        self._document: Document = {}

    @classmethod
    async def of(cls, store: Store, key: str, by: Actor, params: Mapping[str, Any]) -> "IdempotentRequest":
        """`params`: a repetition with the same key must have the same ones. Raises InvalidRequest."""
        if not _KEY.fullmatch(key):
            raise InvalidRequest(
                "Idempotency-Key must be 16 to 255 printable ASCII characters without spaces. "
                "Use a random UUID.",
                code="invalid_idempotency_key",
            )
        # 40 ms on purpose: it is the cost of each guess at a weak key.
        material = await asyncio.to_thread(
            hashlib.scrypt,
            key.encode(),
            salt=f"chat2response:{by.name}".encode(),
            n=2**14,
            r=8,
            p=1,
            dklen=64,
        )
        return cls(store, material, params)

    @property
    def done(self) -> bool:
        """Whether the claimed operation is known to be complete."""
        return self._done

    async def earlier(self) -> IssuedKey | None:
        """The key that this Idempotency-Key has created. Raises InvalidRequest if the parameters differ."""
        document = await self._load()
        if document is None:
            return None
        answer = self._open(document)
        return IssuedKey(ApiKey.read(answer["record"]), answer["token"])

    async def claim(self, issued: IssuedKey) -> bool:
        """Record the key that is about to be stored; False if another request has claimed first."""
        self._document = self._sealed({"record": issued.key.document(), "token": issued.token})
        return await self._store.put(KIND, self._key, self._document, ttl=SECONDS, expect=ABSENT)

    async def complete(self) -> None:
        """Mark the claimed operation as done."""
        await self._store.put(KIND, self._key, {**self._document, "done": True}, ttl=SECONDS)

    async def run_once(self, operation: Callable[[], Awaitable[Document]]) -> Document:
        """The result of `operation`, which runs once. An error is not stored.

        Raises Conflict while another request with this key is running.
        """
        if (document := await self._load()) is not None:
            return self._open(document)
        started = {"asked": self._params_hash}
        if not await self._store.put(KIND, self._key, started, ttl=RUNNING_SECONDS, expect=ABSENT):
            raise _still_running()
        try:
            result = await operation()
        except BridgeError:
            with suppress(StoreDown):
                await self._store.delete(KIND, self._key)
            raise
        await self._store.put(KIND, self._key, self._sealed(result), ttl=SECONDS)
        return result

    async def _load(self) -> Document | None:
        """The stored document. Raises InvalidRequest if the parameters differ."""
        entry = await self._store.get(KIND, self._key)
        if entry is None:
            return None
        if not isinstance(entry.doc, dict):
            raise StoreDown("the record of a repeated request cannot be read")
        self._document = dict(entry.doc)
        self._done = self._document.get("done") is True
        if self._document["asked"] != self._params_hash:
            raise InvalidRequest(
                "This Idempotency-Key was used for a different request. Use a new one.",
                status=422,
                code="idempotency_key_reused",
            )
        return self._document

    def _sealed(self, answer: Document) -> Document:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE)
        sealed = nonce + AESGCM(self._seal_key).encrypt(nonce, encode(answer), self._key.encode())
        return {"asked": self._params_hash, "sealed": sealed.hex()}

    def _open(self, document: Document) -> Document:
        """Raises Conflict if there is no answer yet."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if "sealed" not in document:
            raise _still_running()
        sealed = bytes.fromhex(document["sealed"])
        answer: Document = decode(
            AESGCM(self._seal_key).decrypt(sealed[:_NONCE], sealed[_NONCE:], self._key.encode())
        )
        return answer


def _still_running() -> Conflict:
    return Conflict(
        "A request with this Idempotency-Key is still running. Send it again in a moment.",
        code="idempotency_key_in_use",
        headers={"retry-after": "1"},
    )
