"""Rehashing on each store: an outdated hash is replaced when its key is used."""

import logging
from typing import Any

import pytest

from chat2response.errors import Unauthorized
from chat2response.keys import Audit, KeyRepository, KeyService
from chat2response.keys.record import KIND
from chat2response.keys.tokens.pepper import Peppers
from chat2response.stores import Store, StoreDown
from tests.keys.tokens.test_hashing import VECTORS
from tests.support.clock_and_ids import Clock
from tests.support.key_parts import key_parts

V1 = Peppers("v1", {"v1": b"1" * 32})
V2 = Peppers("v2", {"v2": b"2" * 32, "v1": b"1" * 32})
ID = "0123456789abcdef" * 2


@pytest.fixture
def create_parts(plain_store: Store, clock: Clock) -> Any:
    """Creates the service and the verifier of a gateway with these peppers."""
    return lambda peppers=None: key_parts(plain_store, clock=clock, peppers=peppers)


@pytest.fixture
def create_service(create_parts: Any) -> Any:
    return lambda peppers=None: create_parts(peppers)[0]


@pytest.fixture
def create_verifier(create_parts: Any) -> Any:
    return lambda peppers=None: create_parts(peppers)[1]


async def stored(store: Store, id: str) -> dict[str, Any]:
    entry = await store.get(KIND, id)
    assert entry is not None
    document: dict[str, Any] = entry.doc
    return document


async def test_a_record_of_the_rust_edition_gets_the_pepper_when_it_is_used(
    plain_store: Store, create_verifier: Any, clock: Clock
) -> None:
    salt, secret, digest = VECTORS[0]
    record = {
        "id": ID,
        "label": None,
        "created_at": 1,
        "expires_at": None,
        "revoked_at": None,
        "salt_hex": salt,
        "hash_hex": digest,
        "scopes": None,
        "plan": "gold",
    }
    await plain_store.put(KIND, ID, record)
    token = f"sk_{ID}.{secret}"
    for peppers in (V1, V2):
        gateway = create_verifier(peppers)
        await gateway.verify(token)
        await gateway.close()
        document = await stored(plain_store, ID)
        assert document["pepper"] == peppers.current
        assert document["plan"] == "gold"
        assert document["hash_hex"] != digest
        await create_verifier(peppers).verify(token)
    assert (await Audit(plain_store, clock=clock).read()).lines == []
    with pytest.raises(Unauthorized):
        await create_verifier(V1).verify(token)  # who has not got the new pepper yet


async def test_a_current_hash_is_left_alone(plain_store: Store, create_parts: Any) -> None:
    for peppers in (None, V1):
        service, gateway = create_parts(peppers)
        issued = await service.generate()
        before = await stored(plain_store, issued.key.id)
        await gateway.verify(issued.token)
        await gateway.close()
        assert await stored(plain_store, issued.key.id) == before
        assert before.get("pepper") == (peppers and peppers.current)


async def test_only_the_right_secret_of_a_living_key_does_it(
    plain_store: Store, create_service: Any, create_parts: Any
) -> None:
    issued = await create_service().generate()
    service, gateway = create_parts(V1)
    wrong = issued.token[:-1] + ("0" if issued.token[-1] != "0" else "1")
    with pytest.raises(Unauthorized):
        await gateway.verify(wrong)
    await service.revoke(issued.key.id)
    with pytest.raises(Unauthorized):
        await gateway.verify(issued.token)
    await gateway.close()
    assert "pepper" not in await stored(plain_store, issued.key.id)


async def test_the_secret_before_the_last_is_not_made_the_current_one(
    plain_store: Store, create_service: Any, create_verifier: Any
) -> None:
    first = await create_service().generate()
    second = await create_service().rotate(first.key.id, grace_seconds=60)
    gateway = create_verifier(V1)
    await gateway.verify(first.token)
    await gateway.close()
    assert "pepper" not in await stored(plain_store, first.key.id)
    await gateway.verify(second.token)
    await gateway.close()
    for token in (first.token, second.token):
        await create_verifier(V1).verify(token)


async def test_a_key_that_changed_meanwhile_stays_as_it_is(
    plain_store: Store, create_service: Any, create_verifier: Any, monkeypatch: Any
) -> None:
    issued = await create_service().generate()
    gateway, other = create_verifier(V1), KeyService(KeyRepository(plain_store))
    put = plain_store.put
    renewed: list[Any] = []

    async def put_after_a_rotation(*args: Any, **more: Any) -> bool:
        monkeypatch.undo()
        renewed.append(await other.rotate(issued.key.id))
        return await put(*args, **more)

    monkeypatch.setattr(plain_store, "put", put_after_a_rotation)
    await gateway.verify(issued.token)
    await gateway.close()
    await create_verifier(V1).verify(renewed[0].token)
    assert "pepper" not in await stored(plain_store, issued.key.id)


async def test_a_store_that_is_down_then_costs_nobody_an_answer(
    plain_store: Store, create_service: Any, create_verifier: Any, monkeypatch: Any, caplog: Any
) -> None:
    issued = await create_service().generate()

    async def down(*_: Any, **__: Any) -> Any:
        raise StoreDown("away")

    monkeypatch.setattr(plain_store, "put", down)
    gateway = create_verifier(V1)
    with caplog.at_level(logging.INFO):
        assert (await gateway.verify(issued.token)).id == issued.key.id
        await gateway.close()
    assert "cannot be replaced now: away" in caplog.text
    assert issued.token[36:] not in caplog.text


async def test_many_at_once_are_bounded(
    plain_store: Store, create_service: Any, create_verifier: Any
) -> None:
    plain = create_service()
    tokens = [(await plain.generate()).token for _ in range(60)]
    gateway = create_verifier(V1)
    for _ in range(2):
        for token in tokens:
            await gateway.verify(token)
            assert len(gateway._rehasher._running) <= 50
        await gateway.close()
        gateway = create_verifier(V1)
    peppered = [(await stored(plain_store, token[3:35])).get("pepper") for token in tokens]
    assert peppered == ["v1"] * 60
