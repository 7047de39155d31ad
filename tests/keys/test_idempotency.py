"""A repeated creation makes one key, on each store, and leaves no token for a thief of the store."""

import asyncio
from typing import Any

import pytest

from chat2response.errors import Forbidden, InvalidRequest
from chat2response.keys import Actor, KeyBook, KeyRing
from chat2response.keys.idempotency import KIND, SECONDS
from chat2response.stores import Store, StoreDown
from chat2response.wire.json import encode
from tests.doubles import Clock

REPEAT = "7d8f2c1e-3b5a-4c6d-8e9f-0a1b2c3d4e5f"
ADMIN = Actor("token")


async def test_the_same_request_gets_the_same_answer(service: KeyRing, shell: KeyBook, clock: Clock) -> None:
    asked: dict[str, Any] = {"label": "l", "ttl_seconds": 5, "by": ADMIN}
    first = await service.generate(**asked, repeat=REPEAT)
    clock.advance(10)
    await service.revoke(first.key.id)  # whatever has become of it
    assert await shell.generate(**asked, repeat=REPEAT) == first
    assert len(await service.list()) == 1
    assert [line["action"] for line in (await service.audit.read()).lines] == ["key.generated", "key.revoked"]


async def test_at_the_same_time_too(service: KeyRing, shell: KeyBook) -> None:
    made = await asyncio.gather(*(book.generate(label="l", repeat=REPEAT) for book in (service, shell) * 4))
    assert len({issued.token for issued in made}) == 1
    assert len(await service.list()) == 1
    await service.verify(made[0].token)


async def test_a_repetition_that_is_faster_than_the_first(
    service: KeyRing, shell: KeyBook, plain_store: Store, monkeypatch: Any
) -> None:
    put, faster = plain_store.put, []

    async def late(kind: str, *args: Any, **more: Any) -> bool:
        if kind == "keys":
            monkeypatch.undo()
            faster.append(await shell.generate(repeat=REPEAT))
        return await put(kind, *args, **more)

    monkeypatch.setattr(plain_store, "put", late)
    assert [await service.generate(repeat=REPEAT)] == faster
    assert len(await service.list()) == 1


async def test_another_request_with_its_key_is_refused(service: KeyRing) -> None:
    await service.generate(label="l", repeat=REPEAT)
    for other in ({"label": "m"}, {}, {"label": "l", "ttl_seconds": 5}, {"label": "l", "expires_at": None}):
        with pytest.raises(InvalidRequest) as caught:
            await service.generate(**other, repeat=REPEAT)
        assert (caught.value.status, caught.value.code) == (422, "idempotency_key_reused")


async def test_it_is_forgotten_after_an_hour(service: KeyRing, plain_store: Store, clock: Clock) -> None:
    first = await service.generate(repeat=REPEAT)
    ((place, _),) = (await plain_store.scan(KIND)).entries
    await plain_store.delete(KIND, place)  # Redis has a clock of its own
    clock.advance(SECONDS)
    assert (await service.generate(repeat=REPEAT)).token != first.token


async def test_it_is_kept_for_an_hour(plain_store: Store, service: KeyRing, monkeypatch: Any) -> None:
    lives = []
    put = plain_store.put

    async def watched(kind: str, *args: Any, **more: Any) -> bool:
        lives.append((kind, more.get("ttl")))
        return await put(kind, *args, **more)

    monkeypatch.setattr(plain_store, "put", watched)
    await service.generate(repeat=REPEAT)
    assert lives == [(KIND, SECONDS), ("keys", None)]  # first what a repetition finds, then the key


async def test_a_request_that_died_half_way_is_finished(
    service: KeyRing, plain_store: Store, monkeypatch: Any
) -> None:
    put = plain_store.put

    async def dies(kind: str, *args: Any, **more: Any) -> bool:
        if kind == "keys":
            raise StoreDown("gone")
        return await put(kind, *args, **more)

    monkeypatch.setattr(plain_store, "put", dies)
    with pytest.raises(StoreDown):
        await service.generate(repeat=REPEAT)
    monkeypatch.undo()
    issued = await service.generate(repeat=REPEAT)
    assert (await service.verify(issued.token)).id == issued.key.id
    assert len(await service.list()) == 1


async def test_each_admin_has_repetitions_of_its_own(service: KeyRing) -> None:
    keys = [(await service.generate(scopes=["admin:keys"])).key for _ in range(2)]
    made = {(await service.generate(repeat=REPEAT, by=Actor("key", key))).token for key in keys}
    assert len(made) == 2


async def test_a_refused_creation_is_not_remembered(service: KeyRing) -> None:
    narrow = (await service.generate(scopes=["admin:keys", "model:a"])).key
    for _ in range(2):
        with pytest.raises(Forbidden):
            await service.generate(repeat=REPEAT, by=Actor("key", narrow))


async def test_the_store_alone_tells_nothing(service: KeyRing, plain_store: Store) -> None:
    issued = await service.generate(label="the-label", repeat=REPEAT)
    ((place, entry),) = (await plain_store.scan(KIND)).entries
    said = place + encode(entry.doc).decode()
    hex_token = issued.token.encode().hex()
    for hidden in (issued.token[36:], hex_token, REPEAT, REPEAT.encode().hex(), issued.key.id, "the-label"):
        assert hidden not in said


@pytest.mark.parametrize(
    "key", ["", "short", "x" * 256, "has a space in its middle", "ü" * 20, "x" * 19 + "\n"]
)
async def test_a_key_that_could_be_guessed_is_refused(service: KeyRing, key: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await service.generate(repeat=key)
    assert caught.value.code == "invalid_idempotency_key"
