"""A request that is repeated with the same `Idempotency-Key` is done once, and gets the same answer.

The answer may hold a token, which must not lie in the store where its thief could read it. So it is sealed
(AES-256-GCM) with a key that is made of the Idempotency-Key itself, by scrypt, and so is the name under which
it is kept. Only who has the Idempotency-Key can find and open it, for an hour; the store alone tells nothing.
That is why an Idempotency-Key must be long: a random one, as a UUID, cannot be guessed.

What makes a token (creation, rotation) is claimed before it is done: a repetition finishes what the first
request may have died before doing. All else may be done again after a request that died: a repetition while
the first is at work is refused (409), and after `AT_WORK` it starts anew.
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
from chat2response.keys.record import ApiKey, Issued
from chat2response.stores import ABSENT, Store, StoreDown
from chat2response.wire.json import decode, encode

KIND = "repeats"
SECONDS = 3600  # how long a repetition is recognised
AT_WORK = 60  # seconds; the longest that a request is taken to be at work
_KEY = re.compile(r"[\x21-\x7e]{16,255}")
_NONCE = 12  # bytes

Document = dict[str, Any]


class IdempotentRequest:
    """The place of one Idempotency-Key. Methods raise StoreDown."""

    def __init__(self, store: Store, material: bytes, asked: Mapping[str, Any]) -> None:
        self._store = store
        self._place, self._seal = material[:32].hex(), material[32:]
        self._asked = hashlib.sha256(encode(dict(sorted(asked.items())))).hexdigest()
        self._done = False
        self._document: Document = {}

    @classmethod
    async def of(cls, store: Store, key: str, by: Actor, asked: Mapping[str, Any]) -> "IdempotentRequest":
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

    @property
    def done(self) -> bool:
        """Whether what was claimed is known to be done."""
        return self._done

    async def earlier(self) -> Issued | None:
        """What was made with this key before. Raises InvalidRequest where that was asked differently."""
        document = await self._find()
        if document is None:
            return None
        opened = self._open(document)
        return Issued(ApiKey.read(opened["record"]), opened["token"])

    async def claim(self, made: Issued) -> bool:
        """Remember what is about to be made; False where another was faster."""
        self._document = self._sealed({"record": made.key.document(), "token": made.token})
        return await self._store.put(KIND, self._place, self._document, ttl=SECONDS, expect=ABSENT)

    async def settle(self) -> None:
        """What was claimed is done."""
        await self._store.put(KIND, self._place, {**self._document, "done": True}, ttl=SECONDS)

    async def answer(self, work: Callable[[], Awaitable[Document]]) -> Document:
        """What `work` answers, done once. An error of it is not remembered.

        Raises Conflict while another request with this key is at work.
        """
        if (document := await self._find()) is not None:
            return self._open(document)
        begun = {"asked": self._asked}
        if not await self._store.put(KIND, self._place, begun, ttl=AT_WORK, expect=ABSENT):
            raise _at_work()
        try:
            done = await work()
        except BridgeError:
            with suppress(StoreDown):
                await self._store.delete(KIND, self._place)
            raise
        await self._store.put(KIND, self._place, self._sealed(done), ttl=SECONDS)
        return done

    async def _find(self) -> Document | None:
        """What is kept. Raises InvalidRequest where it was asked differently."""
        entry = await self._store.get(KIND, self._place)
        if entry is None:
            return None
        if not isinstance(entry.doc, dict):
            raise StoreDown("the record of a repeated request cannot be read")
        self._document = dict(entry.doc)
        self._done = self._document.get("done") is True
        if self._document["asked"] != self._asked:
            raise InvalidRequest(
                "This Idempotency-Key was used for another request; take a new one.",
                status=422,
                code="idempotency_key_reused",
            )
        return self._document

    def _sealed(self, answer: Document) -> Document:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE)
        sealed = nonce + AESGCM(self._seal).encrypt(nonce, encode(answer), self._place.encode())
        return {"asked": self._asked, "sealed": sealed.hex()}

    def _open(self, document: Document) -> Document:
        """Raises Conflict where there is no answer yet."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        if "sealed" not in document:
            raise _at_work()
        sealed = bytes.fromhex(document["sealed"])
        opened: Document = decode(
            AESGCM(self._seal).decrypt(sealed[:_NONCE], sealed[_NONCE:], self._place.encode())
        )
        return opened


def _at_work() -> Conflict:
    return Conflict(
        "A request with this Idempotency-Key is still at work; send it again in a moment.",
        code="idempotency_key_in_use",
        headers={"retry-after": "1"},
    )
