"""The object `limits` of a key."""

from typing import Any

import pytest

from chat2response.errors import InvalidRequest
from chat2response.keys.limits import MAX_LIMIT, NAMES, KeyLimits


def test_each_limit_comes_back_as_it_was_and_none_is_left_out() -> None:
    every = {name: n for n, name in enumerate(reversed(NAMES), 1)}
    assert KeyLimits.read(KeyLimits.check(every).document()) == KeyLimits(**every)
    assert KeyLimits.check({"tokens_per_day": None}).document() == {}


def test_budgets_of_nothing_allow_what_costs_nothing() -> None:
    assert KeyLimits.check({"cost_per_day": 0, "cost_per_month": 0}).document() == {
        "cost_per_day": 0,
        "cost_per_month": 0,
    }


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [-1, True, 1.0, "5", MAX_LIMIT + 1, [5]])
def test_a_limit_is_a_whole_number(name: str, value: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        KeyLimits.check({name: value})
    assert caught.value.param == f"limits.{name}"
    with pytest.raises(ValueError, match=name):
        KeyLimits.read({name: value})


def test_a_default_that_is_never_allowed() -> None:
    with pytest.raises(InvalidRequest, match="must not be larger"):
        KeyLimits.check({"default_output_tokens": 6, "max_output_tokens": 5})


def test_the_near_name_is_told() -> None:
    with pytest.raises(InvalidRequest, match="'requests_per_minute'") as caught:
        KeyLimits.check({"request_per_minute": 5})
    assert caught.value.code == "unknown_parameter"


def test_limits_of_others_are_skipped_in_a_record() -> None:
    assert KeyLimits.read({"gpu_seconds": "all", "tokens_per_day": 5}) == KeyLimits(tokens_per_day=5)


@pytest.mark.parametrize(
    ("requested", "own", "wider"),
    [
        ({}, {}, None),
        ({"tokens_per_day": 5}, {}, None),
        ({"tokens_per_day": 5}, {"tokens_per_day": 5}, None),
        ({"tokens_per_day": 6}, {"tokens_per_day": 5}, "tokens_per_day"),
        ({}, {"tokens_per_day": 5}, "tokens_per_day"),
        ({"tokens_per_day": 1}, {"tokens_per_day": 5, "cost_per_month": 5}, "cost_per_month"),
        ({"default_output_tokens": 9}, {"default_output_tokens": 5}, None),  # an estimate, not a right
    ],
)
def test_which_allows_more(requested: dict[str, int], own: dict[str, int], wider: str | None) -> None:
    assert KeyLimits(**requested).wider_than(KeyLimits(**own)) == wider
