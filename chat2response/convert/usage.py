"""Token counts, both ways. What an upstream leaves out is 0; what it says as text or null is not a number.

Where a backend counts cached tokens, and whether reasoning is among its `completion_tokens`, is a quirk.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.wire.chat import ChatUsage
from chat2response.wire.responses import Usage

_NOTHING: Mapping[str, Any] = {}
_COUNTS = ("total_tokens", "completion_tokens", "prompt_tokens")


def from_chat(usage: Any, quirks: Quirks = OPENAI_COMPATIBLE) -> Usage | None:
    """A completion's usage as a response's; None where there is none."""
    if type(usage) is not dict or not usage:
        return None
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    total = _count(usage, "total_tokens")
    given, taken = _details(usage, "prompt_tokens_details"), _details(usage, "completion_tokens_details")
    cached = _cached(usage, quirks)
    reasoning = _count(taken, "reasoning_tokens") if taken else 0
    apart = quirks.completion_tokens == "without_reasoning"
    if apart or (quirks.completion_tokens == "by_total" and total == prompt + completion + reasoning):
        completion += reasoning
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": cached,
            "cache_write_tokens": _count(given, "cache_write_tokens") if given else 0,
        },
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": total or prompt + completion,
    }


def has_counts(usage: Any) -> bool:
    """Whether a completion's usage counts anything: zeros alone hold a place, and say nothing."""
    return type(usage) is dict and any(map(usage.get, _COUNTS))


def first_with_counts(*given: Any) -> Any:
    """Of several usages of one completion the first that counts anything, else the first that there is."""
    first = None
    for usage in given:
        if has_counts(usage):
            return usage
        first = first or usage
    return first


def to_chat(usage: Any) -> ChatUsage | None:
    """A response's usage as a completion's; None where there is none."""
    if type(usage) is not dict:
        return None
    given, taken = _details(usage, "input_tokens_details"), _details(usage, "output_tokens_details")
    read, written = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": _count(usage, "total_tokens") or read + written,
        "prompt_tokens_details": {
            "cached_tokens": _count(given, "cached_tokens"),
            "cache_write_tokens": _count(given, "cache_write_tokens"),
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": _count(taken, "reasoning_tokens"),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def read(usage: Any) -> Usage | None:
    """A response's usage as an upstream wrote it, with every count in its place."""
    if type(usage) is not dict or not usage:
        return None
    given, taken = _details(usage, "input_tokens_details"), _details(usage, "output_tokens_details")
    inputs, outputs = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    return {
        "input_tokens": inputs,
        "input_tokens_details": {
            "cached_tokens": _count(given, "cached_tokens"),
            "cache_write_tokens": _count(given, "cache_write_tokens"),
        },
        "output_tokens": outputs,
        "output_tokens_details": {"reasoning_tokens": _count(taken, "reasoning_tokens")},
        "total_tokens": _count(usage, "total_tokens") or inputs + outputs,
    }


def add(first: Usage | None, second: Usage | None) -> Usage | None:
    """The sum over two turns."""
    if first is None or second is None:
        return first or second
    return {
        "input_tokens": first["input_tokens"] + second["input_tokens"],
        "input_tokens_details": _sum(first["input_tokens_details"], second["input_tokens_details"]),
        "output_tokens": first["output_tokens"] + second["output_tokens"],
        "output_tokens_details": _sum(first["output_tokens_details"], second["output_tokens_details"]),
        "total_tokens": first["total_tokens"] + second["total_tokens"],
    }


def _sum(first: Mapping[str, int], second: Mapping[str, int]) -> dict[str, int]:
    return {key: first.get(key, 0) + second.get(key, 0) for key in {**first, **second}}


def _count(counts: Mapping[str, Any], name: str) -> int:
    value = counts.get(name)
    if type(value) is int and value > 0:
        return value
    return int(value) if type(value) is float and value.is_integer() and value > 0 else 0


def _cached(usage: Mapping[str, Any], quirks: Quirks) -> int:
    for outer, name in _places(quirks.cached_tokens):
        counts = usage
        for each in outer:
            counts = _details(counts, each)
        if name in counts and (cached := _count(counts, name)):
            return cached
    return 0


@cache
def _places(paths: tuple[str, ...]) -> list[tuple[list[str], str]]:
    """Dotted paths as the names on the way, and the last one."""
    return [(steps[:-1], steps[-1]) for steps in (path.split(".") for path in paths)]


def _details(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = usage.get(name)
    return value if type(value) is dict else _NOTHING
