"""Reads token prices from a small file that the operator edits.

    {"gpt-5*": {"input": 1.25, "cached_input": 0.125, "output": 10.0}, "qwen3": {"input": 0, "output": 0}}

Prices are US dollars per million tokens, so a token times its price is in micro-dollars, the unit of every
cost here (whole numbers). Names are those that clients use, or globs. An exact name wins over globs, and the
longest matching glob over shorter ones. A model without a price has no cost (None, not 0), and usage says so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import isfinite
from pathlib import Path
from typing import Any

from chat2response.wire.json import JSONError, decode
from chat2response.wire.responses import Usage

_FIELDS = ("input", "cached_input", "output")
_MAX_CACHED = 1000  # names of models; clients can invent any number


class PricesError(Exception):
    """The price file cannot be used; the message says what to write."""


@dataclass(frozen=True, slots=True)
class Price:
    """The price of one model, in dollars per million tokens."""

    input: float
    output: float
    cached_input: float

    def of(self, usage: Usage) -> int:
        """The cost in micro-dollars, rounded up."""
        cached = min(usage["input_tokens_details"].get("cached_tokens", 0), usage["input_tokens"])
        fresh = usage["input_tokens"] - cached
        exact = fresh * self.input + cached * self.cached_input + usage["output_tokens"] * self.output
        return _round_up(exact)

    def at_most(self, input_tokens: int, output_tokens: int) -> int:
        """The highest cost of these tokens in micro-dollars, with nothing cached."""
        return _round_up(input_tokens * max(self.input, self.cached_input) + output_tokens * self.output)


class Prices:
    """The prices of all models."""

    def __init__(self, table: Mapping[str, Price] | None = None) -> None:
        self._table = dict(table or {})
        self._globs = sorted(self._table, key=len, reverse=True)
        self._cache: dict[str, Price | None] = {}

    def of(self, model: str) -> Price | None:
        """The price of a model, by the client's name for it; None if it has none."""
        if model not in self._cache:
            if len(self._cache) >= _MAX_CACHED:
                self._cache.clear()
            self._cache[model] = self._lookup(model)
        return self._cache[model]

    def _lookup(self, model: str) -> Price | None:
        if model in self._table:
            return self._table[model]
        return next((self._table[glob] for glob in self._globs if fnmatchcase(model, glob)), None)


def read_prices(path: Path) -> Prices:
    """Reads the prices from a file. Raises PricesError."""
    try:
        value = decode(path.read_bytes())
    except OSError as error:
        raise PricesError(f"{path} cannot be read ({error.strerror or error})") from None
    except JSONError as error:
        raise PricesError(f"{path} is not JSON: {error}") from None
    if type(value) is not dict:
        raise PricesError(f"{path} must contain an object of prices by model")
    return Prices({model: _price(model, each, path) for model, each in value.items()})


def _price(model: str, fields: Any, path: Path) -> Price:
    if type(fields) is not dict:
        raise PricesError(
            f'{path}: the price of {model!r} must be an object, as {{"input": 1, "output": 10}}'
        )
    for name, value in fields.items():
        if name not in _FIELDS:
            raise PricesError(f"{path}: unknown field {name!r} for {model!r}. Known: {', '.join(_FIELDS)}")
        if type(value) not in (int, float) or not isfinite(value) or value < 0:
            raise PricesError(f"{path}: {name!r} of {model!r} must be a price in dollars per million tokens")
    missing = [name for name in ("input", "output") if name not in fields]
    if missing:
        raise PricesError(f"{path}: the price of {model!r} lacks {' and '.join(missing)}")
    cached = fields.get("cached_input")
    return Price(fields["input"], fields["output"], fields["input"] if cached is None else cached)


def _round_up(exact: float) -> int:
    # Not math.ceil alone: 3 * 1.1 is a little more than 3.3.
    return -int(-round(exact, 6) // 1)
