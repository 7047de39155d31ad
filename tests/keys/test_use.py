"""Counting the use of keys, on each store."""

import asyncio
import logging
from typing import Any

import pytest

from chat2response.keys.use import KIND, KeyUse, Use
from chat2response.stores import Store, StoreDown
from tests.doubles import Clock

ONE, TWO = "1" * 32, "2" * 32


@pytest.fixture
def use(plain_store: Store, clock: Clock) -> KeyUse:
    return KeyUse(plain_store, clock=clock)


async def until_written(store: Store) -> None:
    """The store itself is what tells it, as it would another process."""
    while await store.get(KIND, ONE) is None:  # noqa: ASYNC110
        await asyncio.sleep(0)


async def test_what_is_noted_is_read_at_once_and_stays_when_it_is_written(
    use: KeyUse, plain_store: Store, clock: Clock
) -> None:
    now = int(clock())
    use.note(ONE, requests=1)
    clock.advance(5)
    use.note(ONE, requests=1, tokens=40)
    use.note(ONE, tokens=2)
    wanted = [Use(now + 5, 2, 42), Use()]
    assert await use.read([ONE, TWO]) == wanted
    assert await plain_store.get(KIND, ONE) is None
    await use.flush()
    assert await use.read([ONE, TWO]) == wanted
    assert await KeyUse(plain_store).read([ONE, TWO]) == wanted
    assert await use.read([]) == []


async def test_processes_add_up(use: KeyUse, plain_store: Store, clock: Clock) -> None:
    other = KeyUse(plain_store, clock=clock)
    for _ in range(3):
        for each in (use, other):
            each.note(ONE, requests=1, tokens=10)
        clock.advance(1)
        await asyncio.gather(use.flush(), other.flush())
    assert await use.read([ONE]) == [Use(int(clock()) - 1, 6, 60)]


async def test_the_store_is_left_alone_while_nothing_is_counted(use: KeyUse, monkeypatch: Any) -> None:
    monkeypatch.delattr(use, "_store")
    await use.flush()


async def test_what_the_store_does_not_take_is_kept(
    use: KeyUse, plain_store: Store, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def down(*_: Any, **__: Any) -> Any:
        use.note(TWO, requests=1)  # counted while we try
        raise StoreDown("away")

    use.note(ONE, requests=1)
    use.note(TWO, requests=1)
    monkeypatch.setattr(plain_store, "put", down)
    with caplog.at_level(logging.WARNING):
        await use.close()
    assert "2 keys" in caplog.text
    monkeypatch.undo()
    await use.flush()
    assert [each.requests for each in await KeyUse(plain_store).read([ONE, TWO])] == [1, 2]


async def test_it_is_written_while_it_runs_and_at_the_end(
    use: KeyUse, plain_store: Store, monkeypatch: Any
) -> None:
    monkeypatch.setattr("chat2response.keys.use.FLUSH_SECONDS", 0.001)
    use.start()
    use.start()  # once
    use.note(ONE, requests=1)
    await until_written(plain_store)
    monkeypatch.setattr("chat2response.keys.use.FLUSH_SECONDS", 9999)
    use.note(ONE, requests=1)
    await use.close()
    assert (await KeyUse(plain_store).read([ONE]))[0].requests == 2


async def test_a_fault_does_not_end_it(
    use: KeyUse, plain_store: Store, monkeypatch: Any, caplog: pytest.LogCaptureFixture
) -> None:
    real, tried = plain_store.put, asyncio.Event()

    async def once(*args: Any, **more: Any) -> bool:
        if not tried.is_set():
            tried.set()
            raise RuntimeError("a bug")
        return await real(*args, **more)

    monkeypatch.setattr("chat2response.keys.use.FLUSH_SECONDS", 0.001)
    monkeypatch.setattr(plain_store, "put", once)
    use.note(ONE, requests=1)
    use.start()
    await until_written(plain_store)
    await use.close()
    assert "a bug" in caplog.text
    assert (await KeyUse(plain_store).read([ONE]))[0].requests == 1


@pytest.mark.parametrize("doc", [None, [], 5, {"requests": "many", "last_used_at": True}])
async def test_a_document_that_is_not_ours_counts_from_nothing(
    use: KeyUse, plain_store: Store, doc: Any, clock: Clock
) -> None:
    await plain_store.put(KIND, ONE, doc)
    use.note(ONE, requests=1)
    await use.flush()
    assert await use.read([ONE]) == [Use(int(clock()), 1, 0)]
