"""The audit log on each store: a line before each change, with its actor and without secrets."""

from datetime import UTC, datetime
from typing import Any

import pytest

from chat2response.errors import Conflict, InvalidRequest
from chat2response.keys import Actor, Audit, KeyRepository, KeyService
from chat2response.keys.repository import MIN_PURGE_AGE
from chat2response.stores import MemoryStore, Store, StoreDown
from chat2response.wire.json import encode
from tests.support.clock_and_ids import Clock

UNKNOWN = "0123456789abcdef" * 2
ADMIN = Actor("token", origin="192.0.2.7")
DAY = 86_400


async def test_every_change_has_its_line(service: KeyService, clock: Clock) -> None:
    now = int(clock())
    issued = await service.generate(label="l", metadata={"secret-note": "xyzzy"}, ttl_seconds=5, by=ADMIN)
    id = issued.key.id
    shell = Actor("shell", origin="root")
    await service.update(id, label="new", scopes=["model:a"], by=shell)
    await service.rotate(id, grace_seconds=2, by=Actor("key", issued.key, "::1"))
    await service.set_expiration(id, ttl_seconds=9, by=ADMIN)
    await service.revoke(id, by=ADMIN)
    token, digest = service.new_digest()
    await service.import_digest(token.id, digest, ttl_seconds=5)
    clock.advance(MIN_PURGE_AGE + 10)
    await service.repository.purge(MIN_PURGE_AGE, by=ADMIN)
    page = await service.repository.audit.read()
    assert [(line["action"], line["key"], line["by"], line["from"]) for line in page.lines[:6]] == [
        ("key.generated", id, "token", "192.0.2.7"),
        ("key.updated", id, "shell", "root"),
        ("key.rotated", id, f"key:{id}", "::1"),
        ("key.expiration_set", id, "token", "192.0.2.7"),
        ("key.revoked", id, "token", "192.0.2.7"),
        ("key.imported", token.id, "gateway", None),
    ]
    assert {(line["action"], line["key"]) for line in page.lines[6:]} == {
        ("key.purged", id),
        ("key.purged", token.id),
    }
    assert page.lines[0]["at"] == now
    assert page.lines[0]["changes"] == {"label": "l", "expires_at": now + 5, "metadata": ["secret-note"]}
    assert page.lines[1]["changes"] == {"label": "new", "scopes": ["model:a"]}
    assert page.lines[2]["changes"] == {"rotated_at": now}
    assert page.lines[3]["changes"] == {"expires_at": now + 9}


async def test_no_line_holds_a_secret(service: KeyService, plain_store: Store) -> None:
    issued = await service.generate(metadata={"a": "xyzzy"})
    renewed = await service.rotate(issued.key.id, grace_seconds=5)
    assert renewed is not None
    await service.update(issued.key.id, label=renewed.token, metadata={"b": "xyzzy"}, scopes=[renewed.token])
    text = encode((await service.repository.audit.read()).lines).decode()
    for hidden in (
        "xyzzy",
        issued.token[36:],
        renewed.token[36:],
        issued.key.digest.hash_hex,
        "salt",
        "hash",
    ):
        assert hidden not in text


async def test_what_changes_nothing_has_no_line(service: KeyService) -> None:
    issued = await service.generate()
    await service.revoke(issued.key.id)
    before = (await service.repository.audit.read()).lines
    await service.revoke(issued.key.id)
    await service.revoke(UNKNOWN)
    await service.update(UNKNOWN, label="x")
    await service.repository.purge(MIN_PURGE_AGE)
    with pytest.raises(Conflict):
        await service.rotate(issued.key.id)
    with pytest.raises(InvalidRequest):
        await service.generate(ttl_seconds=0)
    assert (await service.repository.audit.read()).lines == before


async def test_no_change_goes_without_a_line(clock: Clock, monkeypatch: Any) -> None:
    store = MemoryStore(clock=clock)
    service = KeyService(KeyRepository(store, clock=clock))
    issued = await service.generate()

    async def down(*_: Any, **__: Any) -> Any:
        raise StoreDown("the log is full")

    monkeypatch.setattr(store, "append", down)
    for change in (
        service.generate(),
        service.revoke(issued.key.id),
        service.update(issued.key.id, label="x"),
    ):
        with pytest.raises(StoreDown):
            await change
    assert await service.repository.list() == [issued.key]


async def test_a_change_that_is_tried_again_has_one_line(
    service: KeyService, shell: KeyService, plain_store: Store, monkeypatch: Any
) -> None:
    id = (await service.generate()).key.id
    put = plain_store.put

    async def put_after_a_change(*args: Any, **more: Any) -> bool:
        monkeypatch.undo()
        await shell.update(id, owner="o")
        return await put(*args, **more)

    monkeypatch.setattr(plain_store, "put", put_after_a_change)
    await service.update(id, label="l")
    actions = [line["action"] for line in (await service.repository.audit.read()).lines]
    assert actions == ["key.generated", "key.updated", "key.updated"]


class TestPages:
    async def test_lines_go_on_over_months_and_for_ever(self, plain_store: Store, clock: Clock) -> None:
        audit = Audit(plain_store, clock=clock)
        for n in range(5):
            for m in range(3):
                await audit.record("x", ADMIN, f"{n}{m}")
            clock.advance(20 * DAY)
        expected = [f"{n}{m}" for n in range(5) for m in range(3)]
        for limit in (1, 2, 3, 4, 15, 1000):
            seen: list[str] = []
            cursor = None
            while True:
                page = await audit.read(cursor=cursor, limit=limit)
                assert len(page.lines) <= limit
                seen += [line["key"] for line in page.lines]
                cursor = page.cursor
                if not page.has_more:
                    break
            assert seen == expected
        assert (await audit.read(cursor=cursor)).lines == []
        await audit.record("x", ADMIN, "new")
        later = await audit.read(cursor=cursor)
        assert [line["key"] for line in later.lines] == ["new"]

    async def test_old_months_go_as_a_whole(self, clock: Clock) -> None:
        store = MemoryStore(clock=clock)
        audit = Audit(store, keep_days=30, clock=clock)
        await audit.record("x", ADMIN, "old")
        old = datetime.fromtimestamp(clock(), UTC).strftime("%Y-%m")
        clock.advance(29 * DAY)
        assert len((await audit.read()).lines) == 1
        clock.advance(2 * DAY)
        await audit.record("x", ADMIN, "new")
        assert [line["key"] for line in (await audit.read()).lines] == ["new"]
        assert [line["key"] for line in (await audit.read(cursor=f"{old}:0")).lines] == ["new"]

    async def test_an_empty_audit(self, plain_store: Store, clock: Clock) -> None:
        page = await Audit(plain_store, clock=clock).read()
        assert (page.lines, page.cursor, page.has_more) == ([], None, False)

    @pytest.mark.parametrize("params", [{"cursor": "x"}, {"cursor": ""}, {"limit": 0}, {"limit": 1001}])
    async def test_what_cannot_be_asked(self, clock: Clock, params: Any) -> None:
        with pytest.raises(InvalidRequest) as caught:
            await Audit(MemoryStore(clock=clock), clock=clock).read(**params)
        assert caught.value.param == next(iter(params))
