"""The `Store` contract as a test suite. A backend's tests inherit it and provide `store` and `later`."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chat2response.stores import ABSENT, Entry, Store, StoreDown, Tag
from tests.support.clock_and_ids import Clock

Later = Callable[[float], Awaitable[None]]  # moves the store's expiry on by so many seconds


def moving(clock: Clock) -> Later:
    """`later` for a store with an injected clock."""

    async def later(seconds: float) -> None:
        clock.advance(seconds)

    return later


class StoreContract:
    """Subclasses provide the fixtures `store` (empty, closed after the test) and `later`."""

    async def test_an_unknown_key_is_none(self, store: Store) -> None:
        assert await store.get("things", "nobody") is None

    @pytest.mark.parametrize(
        "doc",
        [
            {"a": 1, "nested": {"list": [1, 2.5, None, True, "x"]}, "empty": {}},
            {"text": 'quotes " \\ and \u2028 and \U0001f600 and \x00 and ï'},
            {"big": 2**70, "negative": -(2**63)},
            {"b": 1, "a": 2},
            [],
            "text",
            0,
            None,
        ],
    )
    async def test_a_document_comes_back_as_it_was(self, store: Store, doc: Any) -> None:
        assert await store.put("things", "k", doc) is True
        entry = await store.get("things", "k")
        assert entry is not None
        assert entry.doc == doc
        if isinstance(doc, dict):
            assert list(entry.doc) == list(doc)

    @pytest.mark.parametrize(
        "key", ["a:b", ":", ";", "%", "'", "ÿ", "a\nb", "k" * 500, "\U0001f600", "things:k"]
    )
    async def test_any_text_is_a_key(self, store: Store, key: str) -> None:
        await store.put("things", key, {"key": key})
        await store.put("things", key + "!", {"key": "another"})
        assert (await self.docs(store, "things"))[key] == {"key": key}
        entry = await store.get("things", key)
        assert entry is not None
        assert entry.doc == {"key": key}

    @pytest.mark.parametrize("kind", ["", "a:b", "Keys", "key s", "keys\n", "*"])
    async def test_a_bad_kind_is_refused(self, store: Store, kind: str) -> None:
        with pytest.raises(ValueError, match="not a kind"):
            await store.get(kind, "k")
        with pytest.raises(ValueError, match="not a kind"):
            await store.scan(kind)

    async def test_an_empty_key_is_refused(self, store: Store) -> None:
        with pytest.raises(ValueError, match="must not be empty"):
            await store.put("things", "", {})

    async def test_what_json_cannot_say_is_refused(self, store: Store) -> None:
        with pytest.raises(TypeError):
            await store.put("things", "k", {"x": object()})
        assert await store.get("things", "k") is None

    async def test_a_stored_document_cannot_be_changed_from_outside(self, store: Store) -> None:
        doc = {"list": [1]}
        await store.put("things", "k", doc)
        doc["list"].append(2)
        (await self.entry(store, "k")).doc["list"].append(3)
        assert (await self.entry(store, "k")).doc == {"list": [1]}

    async def test_kinds_do_not_meet(self, store: Store) -> None:
        await store.put("thing", "s:k", 1)
        await store.put("things", "k", 2)
        await store.put("things2", "k", 3)
        assert await self.docs(store, "things") == {"k": 2}
        assert await self.docs(store, "thing") == {"s:k": 1}
        assert await store.delete("things2", "k")
        assert await store.get("things", "k") is not None

    async def test_put_overwrites(self, store: Store) -> None:
        await store.put("things", "k", 1)
        assert await store.put("things", "k", 2)
        assert await self.docs(store, "things") == {"k": 2}

    async def test_get_many_answers_in_the_order_asked(self, store: Store) -> None:
        await store.put("things", "a", "A")
        await store.put("things", "b", "B")
        entries = await store.get_many("things", ["b", "nobody", "a", "b"])
        assert [entry and entry.doc for entry in entries] == ["B", None, "A", "B"]
        assert entries[2] == await store.get("things", "a")
        assert await store.get_many("things", []) == []

    async def test_absent_creates_once(self, store: Store) -> None:
        assert await store.put("things", "k", 1, expect=ABSENT) is True
        assert await store.put("things", "k", 2, expect=ABSENT) is False
        assert (await self.entry(store, "k")).doc == 1
        assert await store.delete("things", "k")
        assert await store.put("things", "k", 3, expect=ABSENT) is True

    async def test_a_tag_writes_only_over_what_was_read(self, store: Store) -> None:
        await store.put("things", "k", {"n": 1})
        first = await self.entry(store, "k")
        assert await store.put("things", "k", {"n": 2}, expect=first.tag) is True
        assert await store.put("things", "k", {"n": 3}, expect=first.tag) is False
        assert (await self.entry(store, "k")).doc == {"n": 2}
        assert await store.put("things", "k", {"n": 4}, expect=(await self.entry(store, "k")).tag) is True

    async def test_a_tag_creates_nothing(self, store: Store) -> None:
        await store.put("things", "k", 1)
        tag = (await self.entry(store, "k")).tag
        await store.delete("things", "k")
        assert await store.put("things", "k", 2, expect=tag) is False
        assert await store.put("things", "new", 2, expect=Tag("made up")) is False
        assert await self.docs(store, "things") == {}

    async def test_one_of_many_wins(self, store: Store) -> None:
        wins = await asyncio.gather(*(store.put("things", "k", n, expect=ABSENT) for n in range(20)))
        assert wins.count(True) == 1
        tag = (await self.entry(store, "k")).tag
        wins = await asyncio.gather(*(store.put("things", "k", n + 100, expect=tag) for n in range(20)))
        assert wins.count(True) == 1
        assert (await self.entry(store, "k")).doc == wins.index(True) + 100

    async def test_delete_tells_whether_there_was_something(self, store: Store) -> None:
        await store.put("things", "k", 1)
        assert await store.delete("things", "k") is True
        assert await store.delete("things", "k") is False
        assert await store.get("things", "k") is None

    async def test_a_document_ends_with_its_ttl(self, store: Store, later: Later) -> None:
        await store.put("things", "short", 1, ttl=2)
        await store.put("things", "long", 2, ttl=1000)
        await store.put("things", "ever", 3)
        assert await self.docs(store, "things") == {"short": 1, "long": 2, "ever": 3}
        await later(2.5)
        assert await store.get("things", "short") is None
        many = await store.get_many("things", ["short", "long", "ever"])
        assert [entry and entry.doc for entry in many] == [None, 2, 3]
        assert await self.docs(store, "things") == {"long": 2, "ever": 3}
        assert await store.delete("things", "short") is False

    async def test_an_expired_document_is_absent_to_writers(self, store: Store, later: Later) -> None:
        await store.put("things", "k", 1, ttl=2)
        tag = (await self.entry(store, "k")).tag
        await later(2.5)
        assert await store.put("things", "k", 2, expect=tag) is False
        assert await store.put("things", "k", 3, expect=ABSENT) is True
        assert (await self.entry(store, "k")).doc == 3

    async def test_each_put_sets_the_ttl_anew(self, store: Store, later: Later) -> None:
        await store.put("things", "kept", 1, ttl=2)
        await store.put("things", "kept", 2)
        await store.put("things", "dropped", 1)
        await store.put("things", "dropped", 2, ttl=2, expect=(await self.entry(store, "dropped")).tag)
        await later(2.5)
        assert await self.docs(store, "things") == {"kept": 2}

    @pytest.mark.parametrize("ttl", [0, -1, float("nan")])
    async def test_a_ttl_is_positive(self, store: Store, ttl: float) -> None:
        with pytest.raises(ValueError, match="ttl"):
            await store.put("things", "k", 1, ttl=ttl)
        assert await store.get("things", "k") is None

    @pytest.mark.parametrize("limit", [1, 3, 10, 100])
    async def test_a_scan_meets_every_document(self, store: Store, limit: int) -> None:
        for n in range(10):
            await store.put("things", f"k{n}", n)
        await store.put("others", "k", "not this")
        assert await self.docs(store, "things", limit) == {f"k{n}": n for n in range(10)}
        assert await self.docs(store, "nothing", limit) == {}

    async def test_a_scan_bears_changes(self, store: Store) -> None:
        for n in range(10):
            await store.put("things", f"k{n}", n)
        page = await store.scan("things", limit=4)
        met = {key for key, _ in page.entries}
        gone = {next(iter(met)), next(f"k{n}" for n in range(10) if f"k{n}" not in met)}
        for key in gone:
            await store.delete("things", key)
        while page.cursor is not None:
            page = await store.scan("things", cursor=page.cursor, limit=4)
            met |= {key for key, _ in page.entries}
        assert met >= {f"k{n}" for n in range(10)} - gone

    async def test_a_scanned_entry_can_be_written_back(self, store: Store) -> None:
        await store.put("things", "k", 1)
        ((key, entry),) = (await store.scan("things")).entries
        assert entry == await store.get("things", "k")
        assert await store.put("things", key, 2, expect=entry.tag) is True

    async def test_a_closed_store_is_down(self, store: Store) -> None:
        await store.put("things", "k", 1)
        await store.close()
        await store.close()
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: store.get("things", "k"),
            lambda: store.get_many("things", ["k"]),
            lambda: store.put("things", "k", 1),
            lambda: store.delete("things", "k"),
            lambda: store.scan("things"),
            lambda: store.add("counts", "k", 1),
            lambda: store.lease("books", "k", 1, ttl=1),
            lambda: store.renew("books", "k", "some-lease", 1, ttl=1),
            lambda: store.settle("books", "k", "some-lease", 1),
            lambda: store.append("logs", "k", [1]),
            lambda: store.append("logs", "k", []),
            lambda: store.read("logs", "k"),
        ]
        for call in calls:
            with pytest.raises(StoreDown) as caught:
                await call()
            assert caught.value.status == 503

    async def entry(self, store: Store, key: str) -> Entry:
        entry = await store.get("things", key)
        assert entry is not None
        return entry

    async def docs(self, store: Store, kind: str, limit: int = 100) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        page = await store.scan(kind, limit=limit)
        while True:
            entries |= {key: entry.doc for key, entry in page.entries}
            if page.cursor is None:
                return entries
            page = await store.scan(kind, cursor=page.cursor, limit=limit)
