"""A creation that is repeated with the same `Idempotency-Key` makes one key, and is told its token again.

The token is needed for the second answer, and must not lie in the store where its thief could read it. So it
is sealed (AES-256-GCM) with a key that is made of the Idempotency-Key itself, by scrypt, and so is the name
under which it is kept. Only who has the Idempotency-Key can find and open it, for an hour; the store alone
tells nothing. That is why an Idempotency-Key must be long: a random one, as a UUID, cannot be guessed.
"""

import asyncio
import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any

from chat2response.errors import InvalidRequest
from chat2response.keys.actor import Actor
from chat2response.keys.record import ApiKey, Issued
from chat2response.stores import ABSENT, Store
from chat2response.wire.json import decode, encode

KIND = "repeats"
SECONDS = 3600  # how long a repetition is recognised
_KEY = re.compile(r"[\x21-\x7e]{16,255}")
_NONCE = 12  # bytes


class Repeats:
    """The place of one Idempotency-Key. Methods raise StoreDown."""

    def __init__(self, store: Store, material: bytes, asked: Mapping[str, Any]) -> None:
        self._store = store
        self._place, self._seal = material[:32].hex(), material[32:]
        self._asked = hashlib.sha256(encode(dict(sorted(asked.items())))).hexdigest()

    @classmethod
    async def of(cls, store: Store, key: str, by: Actor, asked: Mapping[str, Any]) -> "Repeats":
        """`asked`: what is asked for; the same key must ask for the same. Raises InvalidRequest."""
        if not _KEY.fullmatch(key):
            raise InvalidRequest(
                "Idempotency-Key must be 16 to 255 printable characters without spaces; take a random UUID.",
                code="invalid_idempotency_key",
            )
        # 40 ms on purpose: it is what guessing a poor key would cost for each guess.
        material = await asyncio.to_thread(
            hashlib.scrypt,
            key.encode(),
            salt=f"chat2response:{by.name}".encode(),
            n=2**14,
            r=8,
            p=1,
            dklen=64,
        )
        return cls(store, material, asked)

    async def earlier(self) -> Issued | None:
        """What was made with this key before. Raises InvalidRequest where that was asked differently."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        entry = await self._store.get(KIND, self._place)
        if entry is None:
            return None
        if entry.doc["asked"] != self._asked:
            raise InvalidRequest(
                "This Idempotency-Key was used for another request; take a new one.",
                status=422,
                code="idempotency_key_reused",
            )
        sealed = bytes.fromhex(entry.doc["sealed"])
        opened = decode(AESGCM(self._seal).decrypt(sealed[:_NONCE], sealed[_NONCE:], self._place.encode()))
        return Issued(ApiKey.read(opened["record"]), opened["token"])

    async def claim(self, made: Issued) -> bool:
        """Remember what is about to be made; False where another was faster."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE)
        told = encode({"record": made.key.document(), "token": made.token})
        sealed = nonce + AESGCM(self._seal).encrypt(nonce, told, self._place.encode())
        document = {"asked": self._asked, "sealed": sealed.hex()}
        return await self._store.put(KIND, self._place, document, ttl=SECONDS, expect=ABSENT)
