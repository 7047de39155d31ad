"""Admission: what is reserved before a call, settled after it, and refused."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from chat2response.convert.usage import from_chat
from chat2response.errors import BridgeError, Forbidden, InvalidRequest, RateLimited
from chat2response.keys.limits import KeyLimits
from chat2response.keys.record import NO_DIGEST, ApiKey
from chat2response.quota.admission import RENEW_SECONDS, Admission, Grant
from chat2response.quota.prices import Price, Prices
from chat2response.quota.request_estimate import DEFAULT_OUTPUT_TOKENS, Estimate
from chat2response.quota.windows import LEASE_SECONDS
from chat2response.stores import StoreDown
from chat2response.stores.memory import MemoryStore
from chat2response.stores.steady_clock import ACCEPT_SECONDS
from chat2response.wire.responses import Usage
from tests.support.clock_and_ids import Clock

NOON = 1_795_694_400.0  # 2026-11-26, 12:00 UTC
PRICES = Prices({"m": Price(input=1, output=2, cached_input=1)})
ESTIMATE = Estimate("m", "chat", input_tokens=10, output_tokens=20, output_field="max_tokens")


@dataclass
class Stage:
    """A store, its clock, and any number of processes that share it."""

    now: float = NOON
    store: Any = None
    first: Admission = field(init=False)

    def __post_init__(self) -> None:
        self.store = self.store or MemoryStore(clock=self.clock)
        self.first = self.process()

    def clock(self) -> float:
        return self.now

    def process(self) -> Admission:
        return Admission(self.store, PRICES, clock=self.clock)


def key(*scopes: str, id: str = "a" * 32, **limits: Any) -> ApiKey:
    key_limits = KeyLimits(**limits) if limits else None
    return ApiKey(id=id, created_at=0, digest=NO_DIGEST, scopes=scopes or None, limits=key_limits)


def used(prompt: int, completion: int) -> Usage:
    usage = from_chat({"prompt_tokens": prompt, "completion_tokens": completion})
    assert usage is not None
    return usage


async def refused(admission: Admission, who: ApiKey, estimate: Estimate = ESTIMATE) -> BridgeError:
    with pytest.raises(BridgeError) as raised:
        await admission.enter(who, estimate)
    return raised.value


async def spend(grant: Grant, prompt: int, completion: int) -> None:
    grant.usage(used(prompt, completion))
    await grant.leave()


async def test_a_key_without_limits_asks_the_store_nothing() -> None:
    class Never:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(f"the store was asked to {name}")

    admission = Admission(Never(), PRICES, clock=lambda: NOON)
    grant = await admission.enter(key(), ESTIMATE)
    assert (grant.headers, grant.output_cap, grant.needs_usage) == ([], None, False)
    await grant.leave()


@pytest.mark.parametrize(
    ("scope", "param"),
    [("model:other", "model"), ("upstream:responses", None), ("tool:none", "tools")],
)
async def test_a_missing_scope_is_named_before_anything_is_reserved(scope: str, param: str | None) -> None:
    stage = Stage()
    estimate = Estimate("m", "chat", tools=("web_search",))
    error = await refused(stage.first, key(scope, requests_per_minute=1), estimate)
    assert isinstance(error, Forbidden)
    assert (error.status, error.code, error.param) == (403, "insufficient_scope", param)
    await stage.first.enter(key(requests_per_minute=1), estimate)


async def test_requests_per_minute() -> None:
    stage, who = Stage(now=NOON + 15), key(requests_per_minute=2)
    grants = [await stage.first.enter(who, ESTIMATE), await stage.process().enter(who, ESTIMATE)]
    assert dict(grants[1].headers) == {
        b"x-ratelimit-limit-requests": b"2",
        b"x-ratelimit-remaining-requests": b"0",
        b"x-ratelimit-reset-requests": b"45s",
    }
    for grant in grants:
        await grant.leave()  # a request counts, however it ends

    error = await refused(stage.first, who)
    assert isinstance(error, RateLimited)
    assert (error.status, error.type, error.code) == (429, "requests", "rate_limit_exceeded")
    assert error.headers["retry-after"] == "45"
    assert error.headers["x-ratelimit-remaining-requests"] == "0"
    assert "this key's requests_per_minute is 2" in error.message

    stage.now += 45
    await stage.first.enter(who, ESTIMATE)


async def test_requests_per_day_beside_those_per_minute() -> None:
    """The headers report the limit with less left; a call that the day refuses is not counted per minute."""
    stage, who = Stage(), key(requests_per_minute=2, requests_per_day=3)
    grants = [await stage.first.enter(who, ESTIMATE) for _ in range(2)]
    assert dict(grants[1].headers)[b"x-ratelimit-limit-requests"] == b"2"
    stage.now += 60
    third = await stage.process().enter(who, ESTIMATE)
    assert dict(third.headers) == {
        b"x-ratelimit-limit-requests": b"3",
        b"x-ratelimit-remaining-requests": b"0",
        b"x-ratelimit-reset-requests": b"11h59m0s",
    }
    for _ in range(5):
        error = await refused(stage.first, who)
        assert (error.status, error.type, error.code) == (429, "insufficient_quota", "insufficient_quota")
        assert error.headers["x-should-retry"] == "false"
        assert error.headers["retry-after"] == str(12 * 3600 - 60)
        assert "this key's requests_per_day is 3" in error.message

    stage.now += 12 * 3600 - 60
    for _ in range(2):  # the five refused calls did not count
        await stage.first.enter(who, ESTIMATE)
    assert (await refused(stage.first, who)).code == "rate_limit_exceeded"


async def test_a_request_that_asks_no_model_counts_and_takes_nothing_else() -> None:
    stage = Stage()
    who = key(requests_per_minute=5, requests_per_day=2, concurrent_requests=1, tokens_per_day=30)
    assert await stage.first.count_request(key()) == []
    for left in (1, 0):
        assert dict(await stage.first.count_request(who))[b"x-ratelimit-remaining-requests"] == b"%d" % left
    with pytest.raises(RateLimited, match="requests_per_day"):
        await stage.first.count_request(who)
    assert not stage.first.live
    stage.now += 86_400
    assert (await stage.first.enter(who, ESTIMATE)).headers


async def test_slots_are_free_when_calls_end() -> None:
    stage, who = Stage(), key(concurrent_requests=2)
    first, second = [await stage.first.enter(who, ESTIMATE) for _ in range(2)]
    error = await refused(stage.process(), who)
    assert (error.status, error.headers) == (429, {"retry-after": "1"})
    await first.leave()
    third = await stage.first.enter(who, ESTIMATE)
    for grant in (first, second, third):
        await grant.leave()
    assert [await stage.first.enter(who, ESTIMATE) for _ in range(2)]


async def test_what_a_call_may_use_is_reserved_and_what_it_used_takes_its_place() -> None:
    stage, who = Stage(), key(tokens_per_minute=60)
    first = await stage.first.enter(who, ESTIMATE)  # 30 of 60
    second = await stage.process().enter(who, ESTIMATE)
    assert dict(second.headers)[b"x-ratelimit-remaining-tokens"] == b"0"
    assert (await refused(stage.first, who)).status == 429
    await spend(first, 10, 2)  # 12 used, and 30 reserved
    await spend(second, 5, 1)  # 18 used in all
    third = await stage.first.enter(who, ESTIMATE)
    assert dict(third.headers)[b"x-ratelimit-remaining-tokens"] == b"12"


async def test_one_answers_excess_is_all_that_passes_a_limit() -> None:
    stage, who = Stage(), key(tokens_per_day=100)
    grant = await stage.first.enter(who, ESTIMATE)
    await spend(grant, 10, 500)
    error = await refused(stage.first, who)
    assert (error.type, error.code) == ("insufficient_quota", "insufficient_quota")
    assert error.headers["retry-after"] == str(12 * 3600)
    assert error.headers["x-should-retry"] == "false"
    assert "510 tokens are used or reserved" in error.message


async def test_a_budget_is_never_passed_by_what_is_admitted_at_once() -> None:
    stage = Stage()
    who = key(tokens_per_month=300)
    processes = [stage.process() for _ in range(4)]
    results = await asyncio.gather(
        *(processes[n % 4].enter(who, ESTIMATE) for n in range(64)), return_exceptions=True
    )
    assert sum(isinstance(result, Grant) for result in results) == 10  # 300 / 30
    assert all(isinstance(result, Grant | RateLimited) for result in results)


async def test_cost_by_the_price_of_the_model() -> None:
    stage, who = Stage(), key(cost_per_day=100)
    grant = await stage.first.enter(who, ESTIMATE)  # 10 + 2 * 20 = 50
    assert grant.needs_usage
    assert (await stage.first.enter(who, ESTIMATE)).price is not None
    error = await refused(stage.first, who)
    assert error.code == "insufficient_quota" and "micro-dollars" in error.message
    await spend(grant, 10, 0)
    error = await refused(stage.first, who)
    assert "60 micro-dollars are used or reserved" in error.message


async def test_a_model_without_a_price_costs_nothing() -> None:
    stage, who = Stage(), key(cost_per_day=0)
    grant = await stage.first.enter(who, Estimate("unknown", "chat", 10, 20))
    await spend(grant, 10, 20)
    assert (await refused(stage.first, who)).code == "insufficient_quota"


async def test_a_call_that_can_never_fit_says_so() -> None:
    error = await refused(Stage().first, key(tokens_per_minute=29))
    assert "Request too large" in error.message and "may use 30 tokens" in error.message
    assert error.headers["x-should-retry"] == "false"
    assert "retry-after" not in error.headers


async def test_a_refused_call_gives_back_what_it_had_reserved() -> None:
    stage = Stage()
    who = key(requests_per_minute=2, concurrent_requests=5, tokens_per_minute=30)
    await (await stage.first.enter(who, ESTIMATE)).leave()  # uses only a request
    grant = await stage.first.enter(who, Estimate("m", "chat", 5, 5))
    await grant.leave()
    assert (await refused(stage.first, who)).type == "requests"

    stage.now += 60
    error = await refused(stage.first, who, Estimate("m", "chat", 31, 0))
    assert error.type == "tokens"
    assert [await stage.first.enter(who, Estimate("m", "chat", 1, 1)) for _ in range(2)]


async def test_the_largest_output_a_call_may_ask_for() -> None:
    stage, who = Stage(), key(max_output_tokens=20)
    assert (await stage.first.enter(who, ESTIMATE)).output_cap is None
    error = await refused(stage.first, who, Estimate("m", "chat", 1, 21, "max_completion_tokens"))
    assert isinstance(error, InvalidRequest)
    assert (error.param, error.code) == ("max_completion_tokens", "max_output_tokens_exceeded")
    assert (
        await stage.first.enter(who, Estimate("m", "chat", 1, 60, "max_tokens", choices=3))
    ).output_cap is None
    assert (await stage.first.enter(who, Estimate("m", "chat", 1))).output_cap == 20


@pytest.mark.parametrize(
    ("limits", "reserved"),
    [
        ({}, DEFAULT_OUTPUT_TOKENS),
        ({"max_output_tokens": 70}, 70),
        ({"max_output_tokens": 70, "default_output_tokens": 7}, 7),
    ],
)
async def test_a_call_that_names_no_maximum(limits: dict[str, Any], reserved: int) -> None:
    most = 10_000
    who = key(tokens_per_minute=most, **limits)
    grant = await Stage().first.enter(who, Estimate("m", "chat", 10, choices=2))
    assert dict(grant.headers)[b"x-ratelimit-remaining-tokens"] == b"%d" % (most - 10 - 2 * reserved)


async def test_a_dead_process_keeps_nothing_for_longer_than_a_lease() -> None:
    stage, who = Stage(), key(concurrent_requests=1, tokens_per_day=30)
    await stage.first.enter(who, ESTIMATE)  # and its process dies
    stage.now += LEASE_SECONDS - 1
    assert (await refused(stage.process(), who)).status == 429
    stage.now += 1
    await stage.process().enter(who, ESTIMATE)


async def test_a_long_call_keeps_what_it_holds() -> None:
    stage, who = Stage(), key(concurrent_requests=1, tokens_per_day=59)
    grant = await stage.first.enter(who, ESTIMATE)
    for _ in range(12):
        stage.now += RENEW_SECONDS
        await stage.first.renew()
        assert (await refused(stage.process(), who)).status == 429
    await spend(grant, 10, 10)
    await stage.first.enter(who, ESTIMATE)
    assert not (await refused(stage.first, key(id="a" * 32, tokens_per_day=49))).message.startswith("Request")


async def test_leaving_while_a_lease_is_renewed_frees_both() -> None:
    stage, who = Stage(), key(concurrent_requests=1)
    grant = await stage.first.enter(who, ESTIMATE)
    stage.now += RENEW_SECONDS
    await asyncio.gather(stage.first.renew(), grant.leave())
    await stage.first.enter(who, ESTIMATE)


class Away(MemoryStore):
    """A store that can go down."""

    down = False

    async def settle(self, kind: str, key: str, lease: str, n: int) -> None:
        if self.down:
            raise StoreDown("away")
        await super().settle(kind, key, lease, n)


async def test_what_a_store_that_is_away_does_not_take_is_settled_later() -> None:
    stage = Stage()
    stage.store = store = Away(clock=stage.clock)
    admission, who = stage.process(), key(tokens_per_day=60)
    grant = await admission.enter(who, ESTIMATE)
    store.down = True
    await spend(grant, 30, 20)
    store.down = False
    await admission.renew()
    error = await refused(admission, who)
    assert "50 tokens are used or reserved" in error.message


async def test_keys_do_not_share_their_limits() -> None:
    stage = Stage()
    await stage.first.enter(key(requests_per_minute=1), ESTIMATE)
    await stage.first.enter(key(id="b" * 32, requests_per_minute=1), ESTIMATE)


async def test_a_limit_that_bounds_nothing_is_replaced_by_the_keys_own() -> None:
    """Some upstreams read `-1` as unlimited; beside a number, that number is the cap."""
    stage, who = Stage(), key(max_output_tokens=20, tokens_per_day=10_000)
    for estimate, cap, reserved in (
        (Estimate("m", "chat", 10, unbounded=True), 20, 30),
        (Estimate("m", "chat", 10, 7, "max_tokens", unbounded=True), 7, 30),
        (Estimate("m", "chat", 10, 14, "max_tokens", choices=2, unbounded=True), 7, 50),
    ):
        grant = await stage.first.enter(who, estimate)
        left = dict(grant.headers)[b"x-ratelimit-remaining-tokens"]
        assert (grant.output_cap, left) == (cap, b"%d" % (10_000 - reserved))
        await grant.leave()
    free = await stage.first.enter(
        key(tokens_per_day=10_000), Estimate("m", "chat", 10, 7, "n", unbounded=True)
    )
    assert (free.output_cap, free.output_tokens) == (None, DEFAULT_OUTPUT_TOKENS)


async def test_numbers_that_no_store_can_count_are_refused_as_too_large() -> None:
    stage = Stage()
    huge = Estimate("m", "chat", 10, 2**60, "max_tokens")
    for who in (key(tokens_per_day=100), key(cost_per_day=100)):
        assert (await refused(stage.first, who, huge)).status == 429
    grant = await stage.first.enter(key(tokens_per_day=100, cost_per_day=100), ESTIMATE)
    await spend(grant, 2**80, 2**80)
    assert (await refused(stage.first, key(tokens_per_day=100))).code == "insufficient_quota"


async def test_a_total_below_its_parts_does_not_count() -> None:
    stage, who = Stage(), key(tokens_per_day=100)
    grant = await stage.first.enter(who, ESTIMATE)
    grant.usage({**used(10, 50), "total_tokens": 1})
    await grant.leave()
    assert (
        "60 tokens are used" in (await refused(stage.first, who, Estimate("m", "chat", 50, 1, "n"))).message
    )


async def test_a_call_that_runs_on_unheard_keeps_what_it_reserved_and_its_slot_for_a_lease() -> None:
    stage, who = Stage(), key(tokens_per_day=100, concurrent_requests=1)
    grant = await stage.first.enter(who, ESTIMATE)
    await grant.leave_running()
    assert (await refused(stage.first, who)).headers["retry-after"] == "1"
    stage.now += LEASE_SECONDS
    await stage.first.renew()
    third = await stage.first.enter(who, ESTIMATE)
    assert dict(third.headers)[b"x-ratelimit-remaining-tokens"] == b"40"


async def test_a_clock_that_jumps_ahead_gives_no_new_budget() -> None:
    """Even with every store, since the gateway's clock names the day. A clock that stays ahead for an hour is
    right.
    """
    wall, monotonic = Clock(NOON), Clock(0)
    store, who = MemoryStore(clock=lambda: NOON), key(tokens_per_day=40, requests_per_day=5)
    admission = Admission(store, PRICES, clock=wall, monotonic=monotonic)
    await spend(await admission.enter(who, ESTIMATE), 20, 20)
    for days in (1, 365):
        wall.advance(days * 86_400)
        error = await refused(admission, who)
        assert "40 tokens are used" in error.message
        assert error.headers["retry-after"] == "43200", "noon is half a day from midnight"
        wall.advance(-days * 86_400)
    wall.advance(86_400)
    await refused(admission, who)
    for clock in (wall, monotonic):
        clock.advance(ACCEPT_SECONDS)
    await admission.enter(who, ESTIMATE)
