"""What a moderated answer says of its input and of its output: one result each, or why there is none.

    Chat        {type: moderation_results, model, results: [result, ...]}
    Responses   the result itself: {type: moderation_result, model, flagged, categories, ...}

An error ({type: error, code, message}) is the same in both.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.losses import Losses
from chat2response.wire.json import too_deep


def from_chat(moderation: Any, losses: Losses) -> dict[str, Any] | None:
    """Chat's as Responses says it; of several results for one side the first, and a loss."""
    if type(moderation) is not dict or too_deep(moderation):
        return None
    return {side: _first(said, side, losses) for side, said in moderation.items()}


def to_chat(moderation: Any) -> dict[str, Any] | None:
    """Responses' as Chat says it."""
    if type(moderation) is not dict or too_deep(moderation):
        return None
    return {side: _listed(said) for side, said in moderation.items()}


def _first(said: Any, side: str, losses: Losses) -> Any:
    results = said.get("results") if type(said) is dict else None
    if type(results) is not list or not results:
        return said
    if len(results) > 1:
        losses.add(f"moderation.{side}.results", "the first of them is shown")
    return results[0]


def _listed(said: Any) -> Any:
    if not isinstance(said, Mapping) or said.get("type") != "moderation_result":
        return said
    return {"type": "moderation_results", "model": said.get("model"), "results": [said]}
