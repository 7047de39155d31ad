"""The windows of a key's limits."""

import pytest

from chat2response.keys.limits import NAMES, KeyLimits
from chat2response.quota.windows import windows_of

NOON = 1_795_694_400.0  # 2026-11-26, 12:00 UTC
DAY = 86_400


def windows_at(now: float, **limits: int) -> dict[str, tuple[str, float | None]]:
    return {each.limit: (each.key, each.resets_in) for each in windows_of("k", KeyLimits(**limits), now)}


def test_no_limit_has_no_window() -> None:
    assert windows_at(NOON) == {}
    # These bound a call, not its key.
    assert windows_at(NOON, max_output_tokens=5, default_output_tokens=5) == {}


def test_each_limit_has_its_own_window_and_the_first_is_the_one_that_refuses_soonest() -> None:
    bounds = [name for name in NAMES if not name.endswith("output_tokens")]
    result = list(windows_of("k", KeyLimits(**dict.fromkeys(bounds, 9)), NOON))
    assert {each.limit for each in result} == set(bounds)
    assert len({each.key for each in result}) == len(bounds)
    assert result[0].limit == "requests_per_minute"
    assert {each.ceiling for each in result} == {9}


def test_spans_are_those_of_utc() -> None:
    minute, day, month = "tokens_per_minute", "tokens_per_day", "cost_per_month"
    at_noon = windows_at(NOON + 15, tokens_per_minute=1, tokens_per_day=1, cost_per_month=1)
    assert at_noon[day] == ("k.tokens.2026-11-26", DAY / 2 - 15)
    assert at_noon[month] == ("k.cost.2026-11", 4.5 * DAY - 15)
    assert at_noon[minute][1] == 45
    assert windows_at(NOON + 59, tokens_per_minute=1)[minute][0] == at_noon[minute][0]
    assert windows_at(NOON + 60, tokens_per_minute=1)[minute][0] != at_noon[minute][0]


@pytest.mark.parametrize(
    ("now", "month", "left"),
    [
        (NOON + 35 * DAY, "k.cost.2026-12", 0.5 * DAY),  # the last day of the year
        (NOON + 36 * DAY, "k.cost.2027-01", 30.5 * DAY),
        (NOON + 94 * DAY, "k.cost.2027-02", 0.5 * DAY),
    ],
)
def test_months_have_their_own_lengths(now: float, month: str, left: float) -> None:
    assert windows_at(now, cost_per_month=1) == {"cost_per_month": (month, left)}


def test_a_slot_is_free_when_its_call_ends() -> None:
    assert windows_at(NOON, concurrent_requests=1) == {"concurrent_requests": ("k.slots", None)}


def test_a_counter_outlives_its_window_so_that_calls_that_began_in_it_settle() -> None:
    for each in windows_of("k", KeyLimits(tokens_per_minute=1, tokens_per_day=1, tokens_per_month=1), NOON):
        assert each.ttl is not None and each.resets_in is not None
        assert each.ttl > each.resets_in + 60
