"""Converts the moderation results of an answer: one for its input and one for its output, or an error.

    Chat        {type: moderation_results, model, results: [result, ...]}
    Responses   the result itself: {type: moderation_result, model, flagged, categories, ...}

An error ({type: error, code, message}) has the same form in both.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.losses import Losses
from chat2response.wire.json import too_deep


def from_chat(moderation: Any, losses: Losses) -> dict[str, Any] | None:
    """Chat to Responses. Of several results for one side, only the first remains; the others are a loss."""
    if type(moderation) is not dict or too_deep(moderation):
        return None
    return {side: _first_result(value, side, losses) for side, value in moderation.items()}


def to_chat(moderation: Any) -> dict[str, Any] | None:
    """The moderation results in the form of Chat; None if they are malformed."""
    if type(moderation) is not dict or too_deep(moderation):
        return None
    return {side: _as_list(value) for side, value in moderation.items()}


def _first_result(value: Any, side: str, losses: Losses) -> Any:
    results = value.get("results") if type(value) is dict else None
    if type(results) is not list or not results:
        return value
    if len(results) > 1:
        losses.add(f"moderation.{side}.results", "the first of them is shown")
    return results[0]


def _as_list(value: Any) -> Any:
    if not isinstance(value, Mapping) or value.get("type") != "moderation_result":
        return value
    return {"type": "moderation_results", "model": value.get("model"), "results": [value]}
