"""The Redis store: the contract on a real server, and tests of its own."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from chat2response.stores import ABSENT, MISSED, UNREADABLE, Store, StoreDown, Tag, open_store
from chat2response.stores.redis import feed
from chat2response.stores.redis.store import RedisStore
from tests.support.redis_server import PASSWORD, RedisServer
from tests.support.stores.contract import Later, StoreContract
from tests.support.stores.contract_changes import ChangesContract, next_change
from tests.support.stores.contract_counting import CountingContract
from tests.support.stores.contract_logs import LogContract
from tests.support.stores.processes import INCREMENTS, PROCESSES, count, count_together
from tests.support.stores.redis_tls import certificate, tls_in_front


@pytest.mark.parametrize("way", ["url", "unix"])
class TestRedis(StoreContract, CountingContract, LogContract, ChangesContract):
    @pytest.fixture
    async def store(self, redis_server: RedisServer, way: str) -> AsyncIterator[Store]:
        store = open_store(getattr(redis_server, way))
        await store.open()
        yield store
        await store.close()

    @pytest.fixture
    async def other(self, redis_server: RedisServer, way: str) -> AsyncIterator[Store]:
        store = open_store(getattr(redis_server, way))
        yield store
        await store.close()

    @pytest.fixture
    def later(self, redis_server: RedisServer) -> Later:
        async def later(seconds: float) -> None:
            redis_server.age(seconds)

        return later


@asynccontextmanager
async def opened(url: str, *, deadline: float = 0.3, pool_max: int = 16) -> AsyncIterator[RedisStore]:
    """A store with a deadline that a test can wait for."""
    store = RedisStore(url, deadline=deadline, pool_max=pool_max)
    try:
        yield store
    finally:
        await store.close()


async def down(work: Awaitable[Any]) -> StoreDown:
    """The StoreDown that the call must raise in time."""
    clock = asyncio.get_running_loop().time
    start = clock()
    with pytest.raises(StoreDown) as caught:
        await work
    assert clock() - start < 1.5
    return caught.value


def every_call(store: Store) -> list[Awaitable[Any]]:
    return [
        store.get("things", "k"),
        store.get_many("things", ["k", "l"]),
        store.put("things", "k", 1),
        store.put("things", "k", 1, expect=ABSENT),
        store.put("things", "k", 1, expect=Tag("1")),
        store.delete("things", "k"),
        store.scan("things"),
        store.add("counts", "k", 1),
        store.lease("books", "k", 1, ttl=1),
        store.renew("books", "k", "some-lease", 1, ttl=1),
        store.settle("books", "k", "some-lease", 1),
        store.append("logs", "k", [1]),
        store.read("logs", "k"),
    ]


class TestKeys:
    """The data format in Redis."""

    async def test_a_document_is_a_string_of_bare_json(self, redis_server: RedisServer) -> None:
        async with opened(redis_server.url) as store:
            await store.put("keys", "0123", {"id": "ï", "n": 1})
            await store.put("things", "a:b", [])
        with redis_server.client() as client:
            assert sorted(client.keys()) == [b"chat2response:keys:0123", b"chat2response:things:a:b"]
            assert client.get("chat2response:keys:0123") == '{"id":"ï","n":1}'.encode()
            assert client.ttl("chat2response:keys:0123") == -1

    async def test_an_end_is_the_keys_own_expiry(self, redis_server: RedisServer) -> None:
        async with opened(redis_server.url) as store:
            await store.put("things", "plain", 1, ttl=1.5)
            await store.put("things", "new", 1, ttl=1.5, expect=ABSENT)
            await store.put("things", "same", 0)
            await store.put("things", "same", 1, ttl=1.5, expect=Tag("0"))
            await store.put("things", "tiny", 1, ttl=0.0001)
        with redis_server.client() as client:
            for key in ("plain", "new", "same"):
                left: Any = client.pttl(f"chat2response:things:{key}")
                assert 1000 < left <= 1500

    async def test_others_keys_are_not_ours(self, redis_server: RedisServer) -> None:
        with redis_server.client() as client:
            client.mset({"other": "x", "chat2response:things:": "1", b"chat2response:things:\xff": "1"})
            client.hset("chat2response:things:hash", "a", "1")
        async with opened(redis_server.url) as store:
            await store.put("things", "k", 1)
            page = await store.scan("things", limit=1000)
            assert [key for key, _ in page.entries] == ["k"]
            assert await store.get_many("things", ["hash", "k"]) == [None, page.entries[0][1]]
            entry = await store.get("things", "hash")
            assert entry is not None and entry.doc is UNREADABLE
            assert not await store.put("things", "hash", 1, expect=ABSENT)
            await down(store.put("things", "hash", 1, expect=entry.tag))

    @pytest.mark.parametrize("value", [b"not json", b'"\xff"'])
    async def test_what_is_no_document_is_no_failure(self, redis_server: RedisServer, value: bytes) -> None:
        with redis_server.client() as client:
            client.set("chat2response:things:odd", value)
        async with opened(redis_server.url) as store:
            await store.put("things", "good", 2)
            entry = await store.get("things", "odd")
            assert entry is not None and entry.doc is UNREADABLE
            entries = dict((await store.scan("things")).entries)
            assert (entries["odd"], entries["good"].doc) == (entry, 2)
            assert await store.put("things", "odd", 1)

    async def test_a_scan_walks_past_a_crowd(self, redis_server: RedisServer) -> None:
        with redis_server.client() as client:
            client.mset({f"chat2response:others:{n}": "1" for n in range(3000)})
        async with opened(redis_server.url, deadline=2) as store:
            await store.put("things", "k", 1)
            pages, cursor, met = 0, None, set()
            while pages == 0 or cursor is not None:
                page = await store.scan("things", cursor=cursor)
                pages, cursor = pages + 1, page.cursor
                met |= {key for key, _ in page.entries}
        assert met == {"k"}
        assert pages < 5

    async def test_a_counter_is_a_number_a_ledger_a_hash_and_a_log_a_list(
        self, redis_server: RedisServer
    ) -> None:
        async with opened(redis_server.url) as store:
            await store.add("counts", "n", 5, ttl=60)
            lease = await store.lease("books", "k", 7, ttl=60)
            await store.lease("books", "k", 2, ttl=60)
            assert lease.id is not None
            await store.settle("books", "k", lease.id, 4)
            await store.append("logs", "k", [{"a": 1}])
        with redis_server.client() as client:
            assert client.get("chat2response:counts:n") == b"5"
            assert client.lrange("chat2response:logs:k", 0, -1) == [b'{"a":1}']
            fields: Any = client.hgetall("chat2response:books:k")
            assert (fields[b"settled"], fields[b"live"]) == (b"4", b"2")

    async def test_the_server_may_forget_its_scripts(self, redis_server: RedisServer) -> None:
        async with opened(redis_server.url) as store:
            await store.put("things", "k", 1)
            for n in (1, 2):
                with redis_server.client() as client:
                    client.script_flush()
                assert await store.put("things", "k", n + 1, expect=Tag(str(n)))

    async def test_processes_that_count_lose_nothing(self, redis_server: RedisServer) -> None:
        await count(redis_server.unix)
        async with opened(redis_server.unix) as store:
            entry = await store.get("counts", "n")
        assert entry is not None
        assert entry.doc == PROCESSES * INCREMENTS

    async def test_processes_get_together_exactly_what_there_is(self, redis_server: RedisServer) -> None:
        await count_together(redis_server.unix)


OwnRedis = Callable[..., RedisServer]


class TestDown:
    """A server that hangs, dies and restarts."""

    @pytest.mark.parametrize("way", ["url", "unix"])
    async def test_a_server_that_hangs_is_down_in_time_and_recovers(
        self, own_redis: OwnRedis, way: str
    ) -> None:
        server = own_redis()
        async with opened(getattr(server, way)) as store:
            await store.put("things", "k", "before")
            server.pause()
            for call in every_call(store):
                await down(call)
            await asyncio.gather(*(down(store.get("things", "k")) for _ in range(40)))
            server.resume()
            await store.put("things", "k", "after")
            answers = await asyncio.gather(*(store.get("things", "k") for _ in range(40)))
            assert [entry and entry.doc for entry in answers] == [
                "after"
            ] * 40  # no reply of an earlier command

    async def test_closing_does_not_wait_for_one_that_hangs(self, own_redis: OwnRedis) -> None:
        server = own_redis()
        clock = asyncio.get_running_loop().time
        async with opened(server.url) as store:
            await store.put("things", "k", 1)
            server.pause()
            start = clock()
            await store.close()
            assert clock() - start < 1.5

    async def test_a_server_that_was_killed_is_down_and_recovers(self, own_redis: OwnRedis) -> None:
        server = own_redis()
        async with opened(server.url) as store:
            await asyncio.gather(*(store.put("things", f"k{n}", 1) for n in range(8)))
            server.kill()
            for call in every_call(store):
                error = await down(call)
                assert "127.0.0.1" not in str(error)
                assert "127.0.0.1" in str(error.internal)
            await asyncio.to_thread(server.start)
            for call in every_call(store):
                await call
            entry = await store.get("things", "k7")
            assert entry is not None

    @pytest.mark.parametrize("number", range(13))
    async def test_a_restart_that_nobody_saw_costs_no_call(self, own_redis: OwnRedis, number: int) -> None:
        server = own_redis()
        async with opened(server.url, deadline=2) as store:
            await asyncio.gather(*(store.get("things", f"k{n}") for n in range(8)))
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            calls = every_call(store)
            chosen = calls.pop(number)
            for other in calls:
                other.close()  # type: ignore[attr-defined]
            await chosen

    async def test_a_follower_is_told_that_it_has_missed_something(self, own_redis: OwnRedis) -> None:
        server = own_redis()
        async with opened(server.url) as store, opened(server.unix) as other:
            changes = store.changes("things")
            assert await next_change(changes) is MISSED
            server.kill()
            waiting = asyncio.create_task(next_change(changes))
            await asyncio.to_thread(server.start)
            assert await waiting is MISSED
            await other.put("things", "k", 1)
            assert await next_change(changes) == "k"
            await changes.aclose()  # type: ignore[attr-defined]

    async def test_a_follower_leaves_a_server_that_hangs(
        self, own_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(feed, "PING_SECONDS", 0.2)
        server = own_redis()
        async with opened(server.url, deadline=1.0) as store, opened(server.unix, deadline=5) as other:
            changes = store.changes("things")
            assert await next_change(changes) is MISSED
            await other.put("things", "k", 1)
            assert await next_change(changes) == "k"
            server.pause()  # the connection stays open and silent
            waiting = asyncio.create_task(next_change(changes))
            done, _ = await asyncio.wait([waiting], timeout=3)
            assert not done
            server.resume()
            assert await waiting is MISSED
            await other.put("things", "l", 1)
            assert await next_change(changes) == "l"
            await changes.aclose()  # type: ignore[attr-defined]

    async def test_who_may_not_publish_writes_all_the_same(self, own_redis: OwnRedis) -> None:
        server = own_redis()
        with server.client() as client:
            client.execute_command("ACL SETUSER writer on >pw ~* +@all resetchannels")
        async with opened(f"redis://writer:pw@127.0.0.1:{server.port}") as store:
            assert await store.put("things", "k", 1)
            assert await store.delete("things", "k")

    async def test_what_was_acknowledged_survives_where_redis_keeps_it(self, own_redis: OwnRedis) -> None:
        server = own_redis()
        async with opened(server.url) as store:
            await store.put("things", "k", 1)
            server.kill()
            await asyncio.to_thread(server.start)
            entry = await store.get("things", "k")
        assert entry is not None
        assert entry.doc == 1

    async def test_a_broken_connection_repeats_only_what_may_be_repeated(
        self, redis_server: RedisServer
    ) -> None:
        seen: list[bytes] = []

        async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """Reply to a client's first commands like Redis, read one more, and close the connection."""
            while data := await reader.read(4096):
                if b"HELLO" not in data and b"CLIENT" not in data and b"SELECT" not in data:
                    seen.append(data.split(b"\r\n")[2])
                    break
                writer.write(b"%1\r\n+proto\r\n:3\r\n" if b"HELLO" in data else b"")
                writer.write(b"+OK\r\n" * data.count(b"CLIENT"))
            writer.close()

        server = await asyncio.start_server(swallow, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            async with opened(f"redis://127.0.0.1:{port}") as store:
                for call in every_call(store):
                    await down(call)
        reads, twice, once = [b"MGET"] * 2, [b"EVALSHA"] * 2, [b"EVALSHA"]
        documents = [*[b"GET"] * 2, *reads, *twice, *once, *once, *once, *[b"SCAN"] * 2]
        assert seen == [*documents, *once, *twice, *twice, *twice, *once, *[b"LRANGE"] * 2]

    async def test_a_full_pool_is_down_in_time(self, own_redis: OwnRedis) -> None:
        server = own_redis()
        async with opened(server.url, pool_max=2) as store:
            await store.put("things", "k", 1)
            server.pause()
            errors = await asyncio.gather(*(down(store.get("things", "k")) for _ in range(10)))
            assert len(errors) == 10
            server.resume()
            assert len(await asyncio.gather(*(store.get("things", "k") for _ in range(10)))) == 10
            with server.client() as client:
                ours: Any = client.info("clients")
                assert ours["connected_clients"] <= 2 + 1

    async def test_who_left_leaves_no_answer_behind(self, own_redis: OwnRedis) -> None:
        server = own_redis()
        async with opened(server.url, deadline=2, pool_max=1) as store:
            await store.put("things", "a", "A")
            await store.put("things", "b", "B")
            server.pause()
            leaving = asyncio.create_task(store.get("things", "a"))
            await asyncio.sleep(0.01)  # it has been sent
            leaving.cancel()
            await asyncio.wait([leaving])
            server.resume()
            entry = await store.get("things", "b")
        assert leaving.cancelled()
        assert entry is not None
        assert entry.doc == "B"

    @pytest.mark.parametrize("turns", range(12))
    async def test_a_call_that_is_under_way_when_the_store_closes_leaves_no_connection(
        self, redis_server: RedisServer, turns: int
    ) -> None:
        async with opened(redis_server.unix) as store:
            call = asyncio.create_task(store.get("things", "k"))
            for _ in range(turns):  # of the event loop: it is at connecting, greeting, asking
                await asyncio.sleep(0)
            await store.close()
            await asyncio.wait([call])
            assert call.exception() is None or isinstance(call.exception(), StoreDown)
            assert not any(each.is_connected for each in store._redis.connection_pool._available_connections)

    async def test_opening_does_not_raise_for_one_that_is_away(
        self, own_redis: OwnRedis, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = own_redis()
        server.kill()
        async with opened(f"redis://:hunter2@127.0.0.1:{server.port}") as store:
            await store.open()
            await store.open()  # the server opens what the command line has opened already
            assert len(caplog.messages) == 1
            assert f"the store at redis://127.0.0.1:{server.port} is down" in caplog.text
            assert "hunter2" not in caplog.text
            server.start()
            await store.get("things", "k")


class TestDoors:
    """Password and TLS."""

    @pytest.mark.parametrize(
        "way", ["redis://:{}@127.0.0.1:{}", "unix://default:{}@{}", "unix://{1}?password={0}"]
    )
    async def test_a_password(self, own_redis: OwnRedis, way: str) -> None:
        server = own_redis(PASSWORD)
        where = server.port if way.startswith("redis") else server.socket
        async with opened(way.format(quote(PASSWORD, safe=""), where)) as store:
            assert await store.put("things", "k", 1)

    @pytest.mark.parametrize("login", ["", ":hunter2@", "me:hunter2@"])
    async def test_without_the_right_password_it_is_down(self, own_redis: OwnRedis, login: str) -> None:
        server = own_redis(PASSWORD)
        async with opened(f"redis://{login}127.0.0.1:{server.port}") as store:
            error = await down(store.get("things", "k"))
        assert "Auth" in str(error.internal)
        assert "hunter2" not in f"{error!r} {error.internal} {error.__cause__!r}"

    async def test_tls_is_for_those_who_are_trusted(self, redis_server: RedisServer, tmp_path: Path) -> None:
        cert, key = certificate(tmp_path)
        async with tls_in_front(redis_server.socket, cert, key) as port:
            trusting = f"rediss://localhost:{port}?ssl_ca_certs={quote(str(cert))}"
            async with opened(trusting, deadline=2) as store:
                assert await store.put("things", "k", 1)
            async with opened(f"rediss://localhost:{port}", deadline=2) as store:
                assert "certificate" in str((await down(store.get("things", "k"))).internal)
            async with opened(trusting.replace("localhost", "127.0.0.1"), deadline=2) as store:
                await down(store.get("things", "k"))  # the certificate is for another host
            async with opened(f"redis://localhost:{port}") as store:
                await down(store.get("things", "k"))
