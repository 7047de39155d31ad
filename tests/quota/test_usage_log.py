"""What each key used."""

from datetime import date

from chat2response.convert.usage import from_chat
from chat2response.quota.usage_log import OTHER, Row, UsageBook, Used, grouped
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
ONE = Used(1, 11, 3, 7, 2, 50, 0, 0)


class At:
    now = NOON

    def __call__(self) -> float:
        return self.now


def book(store: MemoryStore, clock: At | None = None, keep_days: int = 30) -> UsageBook:
    return UsageBook(store, keep_days=keep_days, clock=clock or At())


async def test_a_call_as_it_counts() -> None:
    usage = book(MemoryStore())
    usage.note("k", "priced", USAGE, 50)
    usage.note("k", "unpriced", USAGE, estimated=True)
    usage.note("k", "refused", None)  # by the upstream: nothing was used, nothing costs
    counted = {row.model: row.used for row in await usage.of_key("k", TODAY, TODAY)}
    assert counted == {
        "priced": ONE,
        "unpriced": Used(1, 11, 3, 7, 2, 0, 1, 1),
        "refused": Used(requests=1),
    }
    assert Used(2, 22, 6, 14, 4, 100, 0, 0) == ONE.plus(ONE)


async def test_by_key_day_and_model_noted_and_written_alike() -> None:
    store, clock = MemoryStore(), At()
    usage = book(store, clock)
    usage.note("k1", "a", USAGE, 50)
    await usage.write_behind.flush()
    usage.note("k1", "a", USAGE, 50)  # not written yet
    usage.note("k1", "b", USAGE, 50)
    clock.now += DAY
    usage.note("k1", "a", USAGE, 50)
    usage.note("k2", "a", USAGE, 50)

    rows = await usage.of_key("k1", TODAY, date(2026, 11, 27))
    assert [(row.day, row.model, row.used.requests) for row in rows] == [
        ("2026-11-26", "a", 2),
        ("2026-11-26", "b", 1),
        ("2026-11-27", "a", 1),
    ]
    assert await usage.of_key("k1", TODAY, TODAY) == rows[:2]
    assert await usage.of_key("nobody", TODAY, TODAY) == []

    every = await usage.of_all(TODAY, date(2026, 11, 27))
    assert [row.key_id for row in every] == ["k1", "k1", "k1", "k2"]
    assert await usage.of_all(TODAY, TODAY) == rows[:2]


async def test_two_processes_add_up() -> None:
    store = MemoryStore()
    first, second = book(store), book(store)
    for usage in (first, second):
        usage.note("k", "m", USAGE, 50)
        await usage.write_behind.flush()
    (row,) = await first.of_key("k", TODAY, TODAY)
    assert row.used == ONE.plus(ONE)


async def test_rows_are_kept_so_long_and_no_longer() -> None:
    clock = At()
    store = MemoryStore(clock=clock)
    usage = book(store, clock, keep_days=2)
    usage.note("k", "m", USAGE, 50)
    await usage.write_behind.flush()
    clock.now += 2 * DAY - 1
    assert len(await usage.of_all(TODAY, TODAY)) == 1
    clock.now += 1
    assert await usage.of_all(TODAY, TODAY) == []
    assert usage.first_day() == date(2026, 11, 27)


async def test_names_that_clients_invent_do_not_grow_a_document_without_end() -> None:
    store = MemoryStore()
    usage = book(store)
    for number in range(150):
        usage.note("k", f"{number:03d}" * 200, USAGE, 50)
    await usage.write_behind.flush()
    rows = await usage.of_key("k", TODAY, TODAY)
    assert len(rows) == 101
    assert sum(row.used.requests for row in rows) == 150
    assert max(len(row.model) for row in rows) == 200
    assert [row.used.requests for row in rows if row.model == OTHER] == [50]


def test_groups_sum_in_the_order_asked() -> None:
    table = [
        Row("k1", "2026-11-26", "a", ONE),
        Row("k1", "2026-11-27", "b", ONE),
        Row("k2", "2026-11-26", "a", ONE),
    ]
    assert [(group, used.requests) for group, used in grouped(table, ["model", "day"])] == [
        ({"model": "a", "day": "2026-11-26"}, 2),
        ({"model": "b", "day": "2026-11-27"}, 1),
    ]
    assert grouped(table, []) == [({}, ONE.plus(ONE).plus(ONE))]
    assert grouped([], ["key"]) == []
