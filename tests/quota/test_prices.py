"""The costs of tokens."""

import json
from pathlib import Path
from typing import Any

import pytest

from chat2response.convert.usage import from_chat
from chat2response.quota.prices import Price, Prices, PricesError, read_prices
from chat2response.wire.responses import Usage


def used(prompt: int, completion: int, cached: int = 0) -> Usage:
    details = {"cached_tokens": cached}
    usage = from_chat(
        {"prompt_tokens": prompt, "completion_tokens": completion, "prompt_tokens_details": details}
    )
    assert usage is not None
    return usage


def written(folder: Path, value: Any) -> Path:
    path = folder / "prices.json"
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_a_million_tokens_cost_their_price_in_micro_dollars() -> None:
    price = Price(input=1.25, output=10, cached_input=0.125)
    assert price.of(used(1_000_000, 1_000_000)) == 11_250_000
    assert price.of(used(1_000_000, 0, cached=400_000)) == 600_000 * 1.25 + 400_000 * 0.125
    assert price.of(used(10, 0, cached=99)) == 2  # at most the whole input is cached


def test_costs_are_rounded_up_and_not_by_noise() -> None:
    assert Price(input=0.1, output=0, cached_input=0.1).of(used(1, 0)) == 1
    assert Price(input=1.1, output=0, cached_input=0).of(used(10, 0)) == 11
    assert Price(input=0, output=0, cached_input=0).of(used(9, 9)) == 0


def test_what_is_reserved_is_never_less_than_what_is_used() -> None:
    price = Price(input=1, output=2, cached_input=3)
    assert price.at_most(10, 5) >= price.of(used(10, 5, cached=10))


def test_an_exact_name_comes_before_the_longest_glob(tmp_path: Path) -> None:
    table = {"*": 1, "gpt-*": 2, "gpt-5*": 3, "gpt-5-mini": 4}
    prices = read_prices(written(tmp_path, {k: {"input": v, "output": 0} for k, v in table.items()}))
    result = [prices.of(model) for model in ("gpt-5-mini", "gpt-5-nano", "gpt-4", "o3")]
    assert [each.input for each in result if each] == [4, 3, 2, 1]


def test_a_model_that_nothing_fits_has_no_price() -> None:
    assert Prices({"a": Price(1, 1, 1)}).of("b") is None
    assert Prices().of("a") is None


def test_clients_cannot_fill_the_memory_with_names() -> None:
    prices = Prices({"a*": Price(1, 1, 1)})
    assert all(prices.of(f"a{number}") is not None for number in range(3000))
    assert len(prices._cache) <= 1000


def test_cached_input_costs_as_input_where_nothing_is_said(tmp_path: Path) -> None:
    price = read_prices(written(tmp_path, {"m": {"input": 2, "output": 3}})).of("m")
    assert price == Price(2, 3, 2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        ([], "must contain an object"),
        ({"m": 3}, "must be an object"),
        ({"m": {"input": 1}}, "lacks output"),
        ({"m": {"input": 1, "output": -1}}, "must be a price"),
        ({"m": {"input": True, "output": 1}}, "must be a price"),
        ({"m": {"input": 1, "output": 1, "outpt": 1}}, "unknown field 'outpt' for 'm'"),
    ],
)
def test_a_mistake_in_the_file_is_named(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(PricesError, match=message):
        read_prices(written(tmp_path, content))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PricesError, match="cannot be read"):
        read_prices(tmp_path / "none.json")
