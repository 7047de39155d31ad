"""Idempotency on each store: a repeated creation makes one key, and the store never contains the token."""

import asyncio
from typing import Any

import pytest

from chat2response.errors import Conflict, Forbidden, InvalidRequest, Unauthorized
from chat2response.keys import Actor, KeyService, KeyVerifier
from chat2response.keys.idempotency import KIND, SECONDS
from chat2response.stores import Store, StoreDown
from chat2response.wire.json import encode
from tests.support.clock_and_ids import Clock

KEY = "7d8f2c1e-3b5a-4c6d-8e9f-0a1b2c3d4e5f"
ADMIN = Actor("token")


async def test_the_same_request_gets_the_same_answer(
    service: KeyService, shell: KeyService, clock: Clock
) -> None:
    params: dict[str, Any] = {"label": "l", "ttl_seconds": 5, "by": ADMIN}
    first = await service.generate(**params, idempotency_key=KEY)
    clock.advance(10)
    await service.revoke(first.key.id)  # whatever has become of it
    assert await shell.generate(**params, idempotency_key=KEY) == first
    assert len(await service.repository.list()) == 1
    assert [line["action"] for line in (await service.repository.audit.read()).lines] == [
        "key.generated",
        "key.revoked",
    ]


async def test_at_the_same_time_too(service: KeyService, verifier: KeyVerifier, shell: KeyService) -> None:
    results = await asyncio.gather(
        *(each.generate(label="l", idempotency_key=KEY) for each in (service, shell) * 4)
    )
    assert len({issued.token for issued in results}) == 1
    assert len(await service.repository.list()) == 1
    await verifier.verify(results[0].token)


async def test_a_repetition_that_is_faster_than_the_first(
    service: KeyService, shell: KeyService, plain_store: Store, monkeypatch: Any
) -> None:
    put, faster = plain_store.put, []

    async def put_late(kind: str, *args: Any, **more: Any) -> bool:
        if kind == "keys":
            monkeypatch.undo()
            faster.append(await shell.generate(idempotency_key=KEY))
        return await put(kind, *args, **more)

    monkeypatch.setattr(plain_store, "put", put_late)
    assert [await service.generate(idempotency_key=KEY)] == faster
    assert len(await service.repository.list()) == 1


async def test_another_request_with_its_key_is_refused(service: KeyService) -> None:
    await service.generate(label="l", idempotency_key=KEY)
    for other in ({"label": "m"}, {}, {"label": "l", "ttl_seconds": 5}, {"label": "l", "expires_at": None}):
        with pytest.raises(InvalidRequest) as caught:
            await service.generate(**other, idempotency_key=KEY)
        assert (caught.value.status, caught.value.code) == (422, "idempotency_key_reused")


async def test_it_is_forgotten_after_an_hour(service: KeyService, plain_store: Store, clock: Clock) -> None:
    first = await service.generate(idempotency_key=KEY)
    ((row, _),) = (await plain_store.scan(KIND)).entries
    await plain_store.delete(KIND, row)  # Redis has a clock of its own
    clock.advance(SECONDS)
    assert (await service.generate(idempotency_key=KEY)).token != first.token


async def test_it_is_kept_for_an_hour(plain_store: Store, service: KeyService, monkeypatch: Any) -> None:
    ttls = []
    put = plain_store.put

    async def recording_put(kind: str, *args: Any, **more: Any) -> bool:
        ttls.append((kind, more.get("ttl")))
        return await put(kind, *args, **more)

    monkeypatch.setattr(plain_store, "put", recording_put)
    await service.generate(idempotency_key=KEY)
    assert ttls == [(KIND, SECONDS), ("keys", None)]  # first the claim, then the key


async def test_a_request_that_died_half_way_is_finished(
    service: KeyService, verifier: KeyVerifier, plain_store: Store, monkeypatch: Any
) -> None:
    put = plain_store.put

    async def failing_put(kind: str, *args: Any, **more: Any) -> bool:
        if kind == "keys":
            raise StoreDown("gone")
        return await put(kind, *args, **more)

    monkeypatch.setattr(plain_store, "put", failing_put)
    with pytest.raises(StoreDown):
        await service.generate(idempotency_key=KEY)
    monkeypatch.undo()
    issued = await service.generate(idempotency_key=KEY)
    assert (await verifier.verify(issued.token)).id == issued.key.id
    assert len(await service.repository.list()) == 1


async def test_each_admin_has_repetitions_of_its_own(service: KeyService) -> None:
    keys = [(await service.generate(scopes=["admin:keys"])).key for _ in range(2)]
    results = {(await service.generate(idempotency_key=KEY, by=Actor("key", key))).token for key in keys}
    assert len(results) == 2


async def test_a_refused_creation_is_not_remembered(service: KeyService) -> None:
    narrow = (await service.generate(scopes=["admin:keys", "model:a"])).key
    for _ in range(2):
        with pytest.raises(Forbidden):
            await service.generate(idempotency_key=KEY, by=Actor("key", narrow))


async def test_the_store_alone_tells_nothing(service: KeyService, plain_store: Store) -> None:
    issued = await service.generate(label="the-label", idempotency_key=KEY)
    ((row, entry),) = (await plain_store.scan(KIND)).entries
    stored = row + encode(entry.doc).decode()
    hex_token = issued.token.encode().hex()
    for hidden in (issued.token[36:], hex_token, KEY, KEY.encode().hex(), issued.key.id, "the-label"):
        assert hidden not in stored


@pytest.mark.parametrize(
    "key", ["", "short", "x" * 256, "has a space in its middle", "ü" * 20, "x" * 19 + "\n"]
)
async def test_a_key_that_could_be_guessed_is_refused(service: KeyService, key: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await service.generate(idempotency_key=key)
    assert caught.value.code == "invalid_idempotency_key"


# -- rotations -----------------------------------------------------------------------------------------


async def test_a_repeated_rotation_makes_one_secret(
    service: KeyService, verifier: KeyVerifier, shell: KeyService, clock: Clock
) -> None:
    id = (first := await service.generate()).key.id
    params: dict[str, Any] = {"grace_seconds": 600, "by": ADMIN, "idempotency_key": KEY}
    renewed = await service.rotate(id, **params)
    assert renewed is not None
    clock.advance(10)
    assert await shell.rotate(id, **params) == renewed
    assert (await verifier.verify(first.token)).id == (await verifier.verify(renewed.token)).id == id
    actions = [line["action"] for line in (await service.repository.audit.read()).lines]
    assert actions == ["key.generated", "key.rotated"]
    for other in ({"grace_seconds": 5}, {"force": True}):
        with pytest.raises(InvalidRequest) as caught:
            await service.rotate(id, **{**params, **other})
        assert (caught.value.status, caught.value.code) == (422, "idempotency_key_reused")


async def test_rotations_at_the_same_time_with_one_key_are_one(
    service: KeyService, verifier: KeyVerifier, shell: KeyService
) -> None:
    first = await service.generate()
    each = [each.rotate(first.key.id, grace_seconds=60, idempotency_key=KEY) for each in (service, shell) * 4]
    results = await asyncio.gather(*each)
    assert len({issued.token for issued in results if issued is not None}) == 1
    assert results[0] is not None
    await verifier.verify(results[0].token)
    await verifier.verify(first.token)  # a second rotation would have ended it


async def test_a_repetition_that_looks_up_the_key_after_the_first_is_done_is_the_first(
    service: KeyService, monkeypatch: Any
) -> None:
    """The repetition found no result yet, and then a key that had just been rotated."""
    key = await service.generate()
    first: list[Any] = []
    get = service.repository.get

    async def get_late(id: str) -> Any:
        monkeypatch.setattr(service.repository, "get", get)
        first.append(await service.rotate(id, grace_seconds=60, idempotency_key=KEY))
        return await get(id)

    monkeypatch.setattr(service.repository, "get", get_late)
    second = await service.rotate(key.key.id, grace_seconds=60, idempotency_key=KEY)
    assert second is not None
    assert second.token == first[0].token


async def test_a_rotation_that_died_half_way_is_finished(
    service: KeyService, verifier: KeyVerifier, plain_store: Store, monkeypatch: Any
) -> None:
    first = await service.generate()
    put = plain_store.put

    async def failing_put(kind: str, *args: Any, **more: Any) -> bool:
        if kind == "keys":
            raise StoreDown("gone")
        return await put(kind, *args, **more)

    monkeypatch.setattr(plain_store, "put", failing_put)
    with pytest.raises(StoreDown):
        await service.rotate(first.key.id, idempotency_key=KEY)
    monkeypatch.undo()
    renewed = await service.rotate(first.key.id, idempotency_key=KEY)
    assert renewed is not None
    assert (await verifier.verify(renewed.token)).id == first.key.id
    with pytest.raises(Unauthorized):
        await verifier.verify(first.token)


async def test_one_that_died_before_another_came_is_not_made_up_for(
    service: KeyService, verifier: KeyVerifier, plain_store: Store, monkeypatch: Any
) -> None:
    first = await service.generate()
    put = plain_store.put

    async def failing_put(kind: str, *args: Any, **more: Any) -> bool:
        if kind == "keys":
            raise StoreDown("gone")
        return await put(kind, *args, **more)

    monkeypatch.setattr(plain_store, "put", failing_put)
    with pytest.raises(StoreDown):
        await service.rotate(first.key.id, idempotency_key=KEY)
    monkeypatch.undo()
    second = await service.rotate(first.key.id)
    assert second is not None
    with pytest.raises(Conflict) as caught:
        await service.rotate(first.key.id, idempotency_key=KEY)
    assert caught.value.code == "key_changed"
    await verifier.verify(second.token)


async def test_what_was_answered_is_answered_again_whatever_came_after(service: KeyService) -> None:
    first = await service.generate()
    renewed = await service.rotate(first.key.id, idempotency_key=KEY)
    await service.rotate(first.key.id)
    await service.revoke(first.key.id)
    assert await service.rotate(first.key.id, idempotency_key=KEY) == renewed


async def test_a_rotation_of_a_key_that_is_not_there_is_not_remembered(
    service: KeyService, verifier: KeyVerifier
) -> None:
    assert await service.rotate("0" * 32, idempotency_key=KEY) is None
    await verifier.verify((await service.generate(idempotency_key=KEY)).token)


# -- other operations ----------------------------------------------------------------------------------


async def test_other_work_is_done_once_and_answered_alike(service: KeyService, plain_store: Store) -> None:
    done = []

    async def work() -> dict[str, Any]:
        done.append(1)
        return {"secretly": len(done)}

    for _ in range(3):
        assert await service.run_once("revoke", {"id": "x"}, work, idempotency_key=KEY, by=ADMIN) == {
            "secretly": 1
        }
    assert await service.run_once("revoke", {"id": "x"}, work, idempotency_key=None, by=ADMIN) == {
        "secretly": 2
    }
    for operation, params in (("revoke", {"id": "y"}), ("update", {"id": "x"})):
        with pytest.raises(InvalidRequest) as caught:
            await service.run_once(operation, params, work, idempotency_key=KEY, by=ADMIN)
        assert (caught.value.status, caught.value.code) == (422, "idempotency_key_reused")
    ((_, entry),) = (await plain_store.scan(KIND)).entries
    assert b"secretly" not in encode(entry.doc)


async def test_a_repetition_while_the_first_is_at_work_is_refused(service: KeyService) -> None:
    started, proceed = asyncio.Event(), asyncio.Event()

    async def work() -> dict[str, Any]:
        started.set()
        await proceed.wait()
        return {"done": True}

    async def request() -> dict[str, Any]:
        return await service.run_once("purge", {}, work, idempotency_key=KEY, by=ADMIN)

    first = asyncio.create_task(request())
    await started.wait()
    with pytest.raises(Conflict) as caught:
        await request()
    assert (caught.value.code, caught.value.headers["retry-after"]) == ("idempotency_key_in_use", "1")
    proceed.set()
    assert await first == await request() == {"done": True}


async def test_an_error_is_not_remembered(service: KeyService) -> None:
    errors: list[Exception] = [InvalidRequest("no"), StoreDown("gone")]

    async def work() -> dict[str, Any]:
        if errors:
            raise errors.pop()
        return {"done": True}

    for kind in (StoreDown, InvalidRequest):
        with pytest.raises(kind):
            await service.run_once("purge", {}, work, idempotency_key=KEY, by=ADMIN)
    assert await service.run_once("purge", {}, work, idempotency_key=KEY, by=ADMIN) == {"done": True}
