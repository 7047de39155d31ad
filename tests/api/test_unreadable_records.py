"""A record that another program damaged: its key is rejected, all other keys work."""

import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis

from chat2response.api.management.health import StoreHealth
from chat2response.errors import Unauthorized
from chat2response.keys import INVALID
from chat2response.state.owners import Owners
from chat2response.stores import UNREADABLE, Store, open_store
from chat2response.stores.base import Tag
from tests.support.clock_and_ids import Clock
from tests.support.management_client import Parts, client

JUNK = [
    b"junk",
    b"",
    b"\0",
    b'{"id":"\xff"}',
    b"\xff\xfe",
    b'{"id":NaN}',
    b'{"id":"\\ud800"}',
    b"[" * 100_000,
    b'{"doc":',
]
ENVELOPES = [b"[]", b"{}", b"1", b'{"exp":"soon","doc":{}}', b'{"doc":NaN}']
NOT_UTF8 = b'{"doc":{"id":"\xff"}}'
"""What no store keeps out."""
Spoil = Callable[[str, str, bytes | None], bool]
"""Puts bytes in the place of a document. False: the store itself keeps them out."""


@pytest.fixture(params=["redis", "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def store(kind: str, store_address: Callable[[str], str], clock: Clock) -> AsyncIterator[Store]:
    opened = open_store(store_address(kind), clock=clock)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def spoil(kind: str, store_address: Callable[[str], str]) -> Spoil:
    """Damages a record; `None` writes a value of another type instead of bytes."""

    def in_redis(kind: str, key: str, value: bytes | None) -> bool:
        with redis.Redis.from_url(store_address("redis")) as server:
            name = f"chat2response:{kind}:{key}"
            server.delete(name)
            return bool(server.rpush(name, "x") if value is None else server.set(name, value))

    def in_sqlite(kind: str, key: str, value: bytes | None) -> bool:
        with sqlite3.connect(Path(store_address("sqlite").partition(":")[2])) as file:
            text = "?" if value is None else "CAST(? AS TEXT)"
            try:
                file.execute(f'INSERT OR REPLACE INTO "docs" VALUES (?, {text})', (f"{kind}:{key}", value))
            except sqlite3.OperationalError:  # the index over the ends lets in what SQLite takes for JSON
                return False
        file.close()
        return True

    return in_redis if kind == "redis" else in_sqlite


@pytest.mark.parametrize("value", [*JUNK, *ENVELOPES, NOT_UTF8, None], ids=lambda value: repr(value)[:30])
async def test_one_spoilt_record_opens_nothing_and_all_others_go_on(
    store: Store, clock: Clock, spoil: Spoil, value: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    parts = Parts.over(store, clock)
    spoilt, good = [await parts.keys.generate() for _ in range(2)]
    if not spoil("keys", spoilt.key.id, value):
        assert (await parts.verifier.verify(spoilt.token)).id == spoilt.key.id
        return
    clock.advance(2)
    async with client(parts) as http:
        with pytest.raises(Unauthorized, match=re.escape(INVALID)):
            await parts.verifier.verify(spoilt.token)
        assert (await parts.verifier.verify(good.token)).id == good.key.id
        for query in ("", "?limit=9"):
            answer = await http.get(f"/keys{query}")
            assert [key["id"] for key in _keys(answer)] == [good.key.id]
        revoke = await http.post("/keys/revoke", json={"id": spoilt.key.id})
        assert (revoke.status_code, revoke.json()["revoked"]) == (200, False)
        purge = await http.post("/keys/purge", json={"older_than_seconds": 9999})
        assert (purge.status_code, purge.json()["purged"]) == (200, 0)
        assert (await http.get(f"/keys/{spoilt.key.id}")).status_code == 404
    assert f"the record of key {spoilt.key.id} is invalid" in caplog.text


def _keys(answer: httpx.Response) -> list[Any]:
    assert answer.status_code == 200
    body = answer.json()
    matches: list[Any] = body if isinstance(body, list) else body["data"]
    return matches


@pytest.mark.parametrize("value", [*JUNK, NOT_UTF8], ids=lambda value: repr(value)[:30])
async def test_a_spoilt_document_can_be_written_over_in_the_state_it_was_read_in(
    store: Store, spoil: Spoil, value: bytes
) -> None:
    await store.put("things", "one", 1)
    if not spoil("things", "one", value):
        entry = await store.get("things", "one")
        assert entry is not None and entry.doc == 1
        return
    entry = await store.get("things", "one")
    assert entry is not None and entry.doc is UNREADABLE
    (again,) = await store.get_many("things", ["one"])
    assert again == entry
    assert (await store.scan("things")).entries == [("one", entry)]
    assert not await store.put("things", "one", 2, expect=Tag("else"))
    assert await store.put("things", "one", 2, expect=entry.tag)


async def test_an_id_with_a_spoilt_owner_is_nobodys(store: Store, spoil: Spoil) -> None:
    owners = Owners(store)
    await owners.record("a", ["resp_1"])
    spoil("owners", "resp_1", NOT_UTF8)
    assert await owners.of(["resp_1"]) == [None]
    await owners.record("b", ["resp_1"])
    assert await owners.of(["resp_1"]) == [None]


async def test_a_store_that_answers_nothing_but_junk_is_not_ready(
    store: Store, clock: Clock, spoil: Spoil
) -> None:
    health = StoreHealth(store, clock=clock)
    assert await health.is_ready()
    page = await store.scan("health")
    for key, _ in page.entries:
        spoil("health", key, NOT_UTF8)
    assert page.entries
    assert not await health.is_ready()


async def test_a_spoilt_line_of_the_audit_is_left_out(
    store: Store, clock: Clock, kind: str, store_address: Callable[[str], str]
) -> None:
    parts = Parts.over(store, clock)
    first, second, third = [(await parts.keys.generate()).key.id for _ in range(3)]
    if kind == "redis":
        with redis.Redis.from_url(store_address("redis")) as server:
            (log,) = server.keys("chat2response:audit:*")
            server.lset(log, 1, "junk")
    else:
        with sqlite3.connect(Path(store_address("sqlite").partition(":")[2])) as file:
            file.execute("UPDATE logs SET value = 'junk' WHERE at = 2")
        file.close()
    async with client(parts) as http:
        answer = await http.get("/audit")
        assert answer.status_code == 200
        assert [line["key"] for line in answer.json()["data"]] == [first, third]
    assert second not in answer.text
