"""Converts token counts between Chat and Responses. Missing counts, and counts that are no numbers, become 0.

Quirks say where a backend counts cached tokens, and whether its `completion_tokens` include reasoning.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.wire.chat import ChatUsage
from chat2response.wire.responses import Usage

_NO_COUNTS: Mapping[str, Any] = {}
_COUNTS = ("total_tokens", "completion_tokens", "prompt_tokens")
_RESPONSES_COUNTS = ("total_tokens", "output_tokens", "input_tokens")


def from_chat(usage: Any, quirks: Quirks = OPENAI_COMPATIBLE) -> Usage | None:
    """Chat usage as Responses usage; None if there is none."""
    if type(usage) is not dict or not usage:
        return None
    total, completion, prompt = _counts(usage, _COUNTS)
    input_details = _details(usage, "prompt_tokens_details")
    output_details = _details(usage, "completion_tokens_details")
    cached = _cached(usage, quirks)
    reasoning = _count(output_details, "reasoning_tokens") if output_details else 0
    separate = quirks.completion_tokens == "without_reasoning"
    if separate or (quirks.completion_tokens == "by_total" and total == prompt + completion + reasoning):
        completion += reasoning
    return {
        "input_tokens": prompt,
        "input_tokens_details": {
            "cached_tokens": cached,
            "cache_write_tokens": _count(input_details, "cache_write_tokens") if input_details else 0,
        },
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": reasoning},
        "total_tokens": total or prompt + completion,
    }


def has_counts(usage: Any) -> bool:
    """Whether Chat usage counts anything: some backends send zeros as a placeholder."""
    return type(usage) is dict and any(map(usage.get, _COUNTS))


def first_with_counts(*usages: Any) -> Any:
    """The first usage of a completion that counts anything; if none does, the first."""
    first = None
    for usage in usages:
        if has_counts(usage):
            return usage
        first = first or usage
    return first


def to_chat(usage: Any) -> ChatUsage | None:
    """Responses usage as Chat usage; None if there is none."""
    if type(usage) is not dict:
        return None
    input_details, output_details = (
        _details(usage, "input_tokens_details"),
        _details(usage, "output_tokens_details"),
    )
    inputs, outputs = _count(usage, "input_tokens"), _count(usage, "output_tokens")
    return {
        "prompt_tokens": inputs,
        "completion_tokens": outputs,
        "total_tokens": _count(usage, "total_tokens") or inputs + outputs,
        "prompt_tokens_details": {
            "cached_tokens": _count(input_details, "cached_tokens"),
            "cache_write_tokens": _count(input_details, "cache_write_tokens"),
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": _count(output_details, "reasoning_tokens"),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def read(usage: Any) -> Usage | None:
    """The Responses usage of an upstream, with every count that the API requires."""
    if type(usage) is not dict or not usage:
        return None
    input_details, output_details = (
        _details(usage, "input_tokens_details"),
        _details(usage, "output_tokens_details"),
    )
    total, outputs, inputs = _counts(usage, _RESPONSES_COUNTS)
    return {
        "input_tokens": inputs,
        "input_tokens_details": {
            "cached_tokens": _count(input_details, "cached_tokens"),
            "cache_write_tokens": _count(input_details, "cache_write_tokens"),
        },
        "output_tokens": outputs,
        "output_tokens_details": {"reasoning_tokens": _count(output_details, "reasoning_tokens")},
        "total_tokens": total or inputs + outputs,
    }


def add(first: Usage | None, second: Usage | None) -> Usage | None:
    """The sum of the usage of two turns."""
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


def _counts(usage: Mapping[str, Any], names: tuple[str, str, str]) -> tuple[int, int, int]:
    """Three counts, which are whole numbers in nearly every usage."""
    first, second, third = map(usage.get, names)
    if type(first) is type(second) is type(third) is int and first >= 0 and second >= 0 and third >= 0:
        return first, second, third
    return _count(usage, names[0]), _count(usage, names[1]), _count(usage, names[2])


def _count(counts: Mapping[str, Any], name: str) -> int:
    value = counts.get(name)
    if type(value) is int and value > 0:
        return value
    return int(value) if type(value) is float and value.is_integer() and value > 0 else 0


def _cached(usage: Mapping[str, Any], quirks: Quirks) -> int:
    for outer, name in _split_paths(quirks.cached_tokens):
        counts = usage
        for each in outer:
            counts = _details(counts, each)
        if name in counts and (cached := _count(counts, name)):
            return cached
    return 0


@cache
def _split_paths(paths: tuple[str, ...]) -> list[tuple[list[str], str]]:
    """Dotted paths, each as its leading names and its last one."""
    return [(steps[:-1], steps[-1]) for steps in (path.split(".") for path in paths)]


def _details(usage: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = usage.get(name)
    return value if type(value) is dict else _NO_COUNTS
