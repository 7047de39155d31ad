"""The part of the `Store` contract that counts: `add`, `lease`, `settle`."""

import asyncio

import pytest

from chat2response.stores import Store, new_lease_id
from chat2response.stores.ledger import TOMBSTONE_SECONDS, TOMBSTONES
from tests.support.stores.contract import Later

DAY = 86_400


class CountingContract:
    """Subclasses provide the fixtures `store` and `later`, as for `StoreContract`."""

    async def test_a_counter_begins_at_nothing(self, store: Store) -> None:
        assert await store.add("counts", "n", 0) == 0
        assert await store.add("counts", "n", 5) == 5
        assert await store.add("counts", "n", -7) == -2
        assert await store.add("counts", "other", 2**40) == 2**40

    async def test_a_counter_is_a_document(self, store: Store) -> None:
        await store.add("counts", "n", 5)
        entry = await store.get("counts", "n")
        assert entry is not None
        assert entry.doc == 5
        assert await store.put("counts", "n", 100, expect=entry.tag)
        assert await store.add("counts", "n", 1) == 101
        assert [(key, entry.doc) for key, entry in (await store.scan("counts")).entries] == [("n", 101)]
        assert await store.delete("counts", "n")
        assert await store.add("counts", "n", 1) == 1

    async def test_a_counter_stops_below_its_ceiling(self, store: Store) -> None:
        assert await store.add("counts", "n", 11, ceiling=10) is None
        assert await store.get("counts", "n") is None
        assert await store.add("counts", "n", 8, ceiling=10) == 8
        assert await store.add("counts", "n", 3, ceiling=10) is None
        assert await store.add("counts", "n", 2, ceiling=10) == 10
        assert await store.add("counts", "n", 0, ceiling=1) == 10
        assert await store.add("counts", "n", -4, ceiling=1) == 6
        assert await store.add("counts", "n", 1) == 7

    async def test_a_counter_ends_as_its_first_call_said(self, store: Store, later: Later) -> None:
        await store.add("counts", "short", 1, ttl=10)
        await store.add("counts", "ever", 1)
        await later(6)
        assert await store.add("counts", "short", 1, ttl=10) == 2
        assert await store.add("counts", "ever", 1, ttl=10) == 2
        await later(6)
        assert await store.get("counts", "short") is None
        assert await store.add("counts", "short", 1, ttl=10) == 1
        assert await store.add("counts", "ever", 1) == 3

    @pytest.mark.parametrize("n", [2**60, -(2**60), 1.5, True])
    async def test_what_cannot_be_counted_is_refused(self, store: Store, n: int) -> None:
        with pytest.raises(ValueError, match="whole number"):
            await store.add("counts", "n", n)
        with pytest.raises(ValueError, match="whole number"):
            await store.lease("books", "k", n, ttl=1)
        with pytest.raises(ValueError, match="whole number"):
            await store.settle("books", "k", "some-lease", n)
        assert await store.get("counts", "n") is None

    async def test_many_at_once_stop_at_the_ceiling(self, store: Store) -> None:
        counted = await asyncio.gather(*(store.add("counts", "n", 1, ceiling=30) for _ in range(64)))
        assert sorted(value for value in counted if value is not None) == list(range(1, 31))
        leases = await asyncio.gather(*(store.lease("books", "k", 3, ceiling=90, ttl=60) for _ in range(64)))
        assert sum(lease.id is not None for lease in leases) == 30

    async def test_what_is_settled_and_on_lease_stays_below_the_ceiling(self, store: Store) -> None:
        async def lease(n: int) -> tuple[str | None, int]:
            lease = await store.lease("books", "k", n, ceiling=100, ttl=60)
            assert lease.resets_in is None
            return lease.id, lease.used

        assert await lease(101) == (None, 0)
        first, used = await lease(60)
        assert first is not None
        assert used == 60
        second, used = await lease(40)
        assert second is not None
        assert used == 100
        assert first != second
        assert await lease(1) == (None, 100)
        assert (await lease(0))[0] is not None
        await store.settle("books", "k", first, 10)
        assert await lease(51) == (None, 50)
        await store.settle("books", "k", second, 45)  # more than was reserved
        assert await lease(46) == (None, 55)
        assert (await lease(45))[1] == 100
        assert (
            await store.lease("books", "k", 1000, ttl=60)
        ).used == 1100  # without a ceiling all are granted

    async def test_ledgers_do_not_meet(self, store: Store) -> None:
        lease = await store.lease("books", "a", 1, ceiling=1, ttl=60)
        assert lease.id is not None
        assert (await store.lease("books", "b", 1, ceiling=1, ttl=60)).id is not None
        assert (await store.lease("more_books", "a", 1, ceiling=1, ttl=60)).id is not None
        await store.settle("books", "b", lease.id, 5)  # not that ledger's
        assert (await store.lease("books", "b", 0, ttl=60)).used == 1

    async def test_settling_twice_counts_once(self, store: Store) -> None:
        lease = await store.lease("books", "k", 10, ttl=60)
        assert lease.id is not None
        for _ in range(2):
            await store.settle("books", "k", lease.id, 7)
        assert (await store.lease("books", "k", 0, ttl=60)).used == 7
        await store.settle("books", "k", "no-such-lease", 7)
        await store.settle("books", "no such ledger", lease.id, 7)
        assert (await store.lease("books", "k", 0, ttl=60)).used == 7

    async def test_a_slot_leaves_nothing_behind(self, store: Store, later: Later) -> None:
        for _ in range(3):
            lease = await store.lease("slots", "k", 1, ceiling=1, ttl=60)
            assert lease.id is not None
            await store.settle("slots", "k", lease.id, 0)
        await later(DAY + 61)
        assert await store.delete("slots", "k") is False

    async def test_a_lease_that_nobody_settles_runs_out(self, store: Store, later: Later) -> None:
        short = await store.lease("books", "k", 6, ceiling=10, ttl=10)
        await later(5)
        long = await store.lease("books", "k", 4, ceiling=10, ttl=10)
        assert (await store.lease("books", "k", 1, ceiling=10, ttl=10)).id is None
        await later(6)
        again = await store.lease("books", "k", 6, ceiling=10, ttl=10)
        assert again.used == 10
        assert long.id is not None
        assert short.id is not None
        await store.settle("books", "k", short.id, 6)  # late, but it was used
        assert (await store.lease("books", "k", 0, ttl=10)).used == 16
        await later(DAY + 11)
        assert (await store.lease("books", "k", 0, ttl=10)).used == 6
        await store.settle("books", "k", long.id, 4)  # too late
        assert (await store.lease("books", "k", 0, ttl=10)).used == 6

    async def test_a_ledger_with_something_settled_lasts(self, store: Store, later: Later) -> None:
        lease = await store.lease("books", "k", 1, ttl=10)
        assert lease.id is not None
        await store.settle("books", "k", lease.id, 5)
        await later(2 * DAY)
        assert (await store.lease("books", "k", 0, ttl=10)).used == 5
        await later(2 * DAY)
        assert (await store.lease("books", "k", 0, ttl=10)).used == 5

    async def test_a_window_ends_with_all_that_is_in_it(self, store: Store, later: Later) -> None:
        first = await store.lease("books", "k", 6, ceiling=10, ttl=600, window=60)
        assert first.resets_in is not None
        assert 55 < first.resets_in <= 60
        await later(20)
        second = await store.lease("books", "k", 4, ceiling=10, ttl=600, window=60)
        assert first.id is not None
        assert second.id is not None
        await store.settle("books", "k", first.id, 6)
        full = await store.lease("books", "k", 1, ceiling=10, ttl=600, window=60)
        assert (full.id, full.used) == (None, 10)
        assert full.resets_in is not None
        assert 35 < full.resets_in <= 40  # the window starts with the first lease
        await later(41)
        third = await store.lease("books", "k", 10, ceiling=10, ttl=600, window=60)
        assert third.id is not None
        await store.settle("books", "k", second.id, 4)  # belongs to the window that is over
        assert (await store.lease("books", "k", 0, ttl=600, window=60)).used == 10

    @pytest.mark.parametrize("ttls", [{"ttl": 0}, {"ttl": 1, "window": -1}])
    async def test_a_lease_has_a_life(self, store: Store, ttls: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="ttl"):
            await store.lease("books", "k", 1, **ttls)  # type: ignore[arg-type]

    @pytest.mark.parametrize("id", ["", "settled", "window", "a=b;c=d;", "x" * 65, "no lease"])
    async def test_the_id_of_a_lease_is_a_name(self, store: Store, id: str) -> None:
        for work in (
            lambda: store.lease("books", "k", 1, id=id, ttl=1),
            lambda: store.renew("books", "k", id, 1, ttl=1),
            lambda: store.settle("books", "k", id, 1),
        ):
            with pytest.raises(ValueError, match="a lease id"):
                await work()

    async def test_a_lease_that_is_asked_for_twice_is_taken_once(self, store: Store) -> None:
        id = new_lease_id()
        for _ in range(2):
            lease = await store.lease("books", "k", 6, id=id, ceiling=10, ttl=60, window=600)
            assert (lease.id, lease.used) == (id, 6)
        await store.settle("books", "k", id, 2)
        assert (await store.lease("books", "k", 0, ttl=60, window=600)).used == 2

    async def test_a_lease_that_ran_out_is_taken_anew_and_below_the_ceiling(
        self, store: Store, later: Later
    ) -> None:
        first, second = new_lease_id(), new_lease_id()
        await store.lease("books", "k", 6, id=first, ceiling=10, ttl=10)
        await later(11)
        assert (await store.lease("books", "k", 6, id=second, ceiling=10, ttl=10)).used == 6
        assert (await store.lease("books", "k", 6, id=first, ceiling=10, ttl=10)).id is None
        await store.settle("books", "k", second, 0)
        assert (await store.lease("books", "k", 6, id=first, ceiling=10, ttl=10)).used == 6

    @pytest.mark.parametrize("window", [None, 600.0])
    async def test_a_lease_that_comes_after_its_settlement_is_refused(
        self, store: Store, window: float | None
    ) -> None:
        """In a new ledger and in a used one, and also if both calls are repeated."""
        for used in (0, 5):
            id = new_lease_id()
            for _ in range(2):
                await store.settle("books", "k", id, 3)  # without a lease: counts nothing
                late = await store.lease("books", "k", 3, id=id, ceiling=10, ttl=60, window=window)
                assert (late.id, late.used) == (None, used)
            assert (await store.lease("books", "k", 5 - used, ttl=60, window=window)).used == 5
        assert ((await store.lease("books", "k", 0, ttl=60, window=window)).resets_in is None) == (
            window is None
        )

    async def test_a_settlement_of_no_lease_is_remembered_for_a_minute(
        self, store: Store, later: Later
    ) -> None:
        id, other = new_lease_id(), new_lease_id()
        await store.settle("books", "k", id, 0)
        await later(TOMBSTONE_SECONDS - 5)
        await store.settle("books", "k", other, 0)
        assert (await store.lease("books", "k", 1, id=id, ttl=60)).id is None
        await later(6)
        assert (await store.lease("books", "k", 1, id=other, ttl=60)).id is None
        assert (await store.lease("books", "k", 1, id=id, ttl=60)).id == id

    async def test_settlements_of_no_lease_leave_nothing_behind(self, store: Store, later: Later) -> None:
        await store.settle("books", "k", new_lease_id(), 0)
        await later(TOMBSTONE_SECONDS + 1)
        assert await store.delete("books", "k") is False

    async def test_so_many_settlements_of_no_lease_are_remembered_and_no_more(self, store: Store) -> None:
        ids = [new_lease_id() for _ in range(TOMBSTONES + 1)]
        for id in ids:
            await store.settle("books", "k", id, 0)
        leases = [(await store.lease("books", "k", 1, id=id, ttl=60)).id for id in ids]
        assert leases == [ids[0], *[None] * TOMBSTONES]

    async def test_a_renewed_lease_lasts_and_keeps_its_id(self, store: Store, later: Later) -> None:
        lease = await store.lease("books", "k", 6, ceiling=10, ttl=10)
        assert lease.id is not None
        for _ in range(4):
            await later(6)
            assert await store.renew("books", "k", lease.id, 6, ttl=10)
        assert (await store.lease("books", "k", 5, ceiling=10, ttl=10)).used == 6
        await later(11)  # an expired lease counts again
        assert (await store.lease("books", "k", 0, ttl=10)).used == 0
        assert await store.renew("books", "k", lease.id, 6, ttl=10)
        assert (await store.lease("books", "k", 0, ttl=10)).used == 6
        await store.settle("books", "k", lease.id, 7)
        assert (await store.lease("books", "k", 0, ttl=10)).used == 7

    async def test_what_is_settled_is_not_renewed(self, store: Store) -> None:
        lease = await store.lease("books", "k", 6, ttl=60)
        assert lease.id is not None
        await store.settle("books", "k", lease.id, 1)
        for id in (lease.id, new_lease_id()):
            assert not await store.renew("books", "k", id, 6, ttl=60)
            assert not await store.renew("books", "other", id, 6, ttl=60)
        assert (await store.lease("books", "k", 0, ttl=60)).used == 1
        assert await store.delete("books", "other") is False
