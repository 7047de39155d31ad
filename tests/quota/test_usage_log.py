"""The usage of each key."""

from datetime import date

from chat2response.convert.usage import from_chat
from chat2response.quota.usage_log import OTHER, UsageLog, UsageRow, UsageTotals, group_rows
from chat2response.stores.memory import MemoryStore

NOON = 1_795_694_400.0  # 2026-11-26, 12:00 UTC
TODAY = date(2026, 11, 26)
DAY = 86_400
USAGE = from_chat(
    {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "prompt_tokens_details": {"cached_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
)
ONE = UsageTotals(1, 11, 3, 7, 2, 50, 0, 0)


class At:
    now = NOON

    def __call__(self) -> float:
        return self.now


def usage_log(store: MemoryStore, clock: At | None = None, keep_days: int = 30) -> UsageLog:
    return UsageLog(store, keep_days=keep_days, clock=clock or At())


async def test_a_call_as_it_counts() -> None:
    usage = usage_log(MemoryStore())
    usage.note("k", "priced", USAGE, 50)
    usage.note("k", "unpriced", USAGE, estimated=True)
    usage.note("k", "refused", None)  # refused upstream: uses and costs nothing
    counted = {row.model: row.usage for row in await usage.for_key("k", TODAY, TODAY)}
    assert counted == {
        "priced": ONE,
        "unpriced": UsageTotals(1, 11, 3, 7, 2, 0, 1, 1),
        "refused": UsageTotals(requests=1),
    }
    assert UsageTotals(2, 22, 6, 14, 4, 100, 0, 0) == ONE.plus(ONE)


async def test_by_key_day_and_model_noted_and_written_alike() -> None:
    store, clock = MemoryStore(), At()
    usage = usage_log(store, clock)
    usage.note("k1", "a", USAGE, 50)
    await usage.write_behind.flush()
    usage.note("k1", "a", USAGE, 50)  # not written to the store yet
    usage.note("k1", "b", USAGE, 50)
    clock.now += DAY
    usage.note("k1", "a", USAGE, 50)
    usage.note("k2", "a", USAGE, 50)

    rows = await usage.for_key("k1", TODAY, date(2026, 11, 27))
    assert [(row.day, row.model, row.usage.requests) for row in rows] == [
        ("2026-11-26", "a", 2),
        ("2026-11-26", "b", 1),
        ("2026-11-27", "a", 1),
    ]
    assert await usage.for_key("k1", TODAY, TODAY) == rows[:2]
    assert await usage.for_key("nobody", TODAY, TODAY) == []

    every = await usage.for_all(TODAY, date(2026, 11, 27))
    assert [row.key_id for row in every] == ["k1", "k1", "k1", "k2"]
    assert await usage.for_all(TODAY, TODAY) == rows[:2]


async def test_two_processes_add_up() -> None:
    store = MemoryStore()
    first, second = usage_log(store), usage_log(store)
    for usage in (first, second):
        usage.note("k", "m", USAGE, 50)
        await usage.write_behind.flush()
    (row,) = await first.for_key("k", TODAY, TODAY)
    assert row.usage == ONE.plus(ONE)


async def test_rows_are_kept_so_long_and_no_longer() -> None:
    clock = At()
    store = MemoryStore(clock=clock)
    usage = usage_log(store, clock, keep_days=2)
    usage.note("k", "m", USAGE, 50)
    await usage.write_behind.flush()
    clock.now += 2 * DAY - 1
    assert len(await usage.for_all(TODAY, TODAY)) == 1
    clock.now += 1
    assert await usage.for_all(TODAY, TODAY) == []
    assert usage.first_day() == date(2026, 11, 27)


async def test_names_that_clients_invent_do_not_grow_a_document_without_end() -> None:
    store = MemoryStore()
    usage = usage_log(store)
    for number in range(150):
        usage.note("k", f"{number:03d}" * 200, USAGE, 50)
    await usage.write_behind.flush()
    rows = await usage.for_key("k", TODAY, TODAY)
    assert len(rows) == 101
    assert sum(row.usage.requests for row in rows) == 150
    assert max(len(row.model) for row in rows) == 200
    assert [row.usage.requests for row in rows if row.model == OTHER] == [50]


def test_groups_sum_in_the_order_asked() -> None:
    table = [
        UsageRow("k1", "2026-11-26", "a", ONE),
        UsageRow("k1", "2026-11-27", "b", ONE),
        UsageRow("k2", "2026-11-26", "a", ONE),
    ]
    assert [(group, usage.requests) for group, usage in group_rows(table, ["model", "day"])] == [
        ({"model": "a", "day": "2026-11-26"}, 2),
        ({"model": "b", "day": "2026-11-27"}, 1),
    ]
    assert group_rows(table, []) == [({}, ONE.plus(ONE).plus(ONE))]
    assert group_rows([], ["key"]) == []
