"""Keys of messages, parts and tools that the other API has no place for.

On the way in they stay where they were found, under the client's own path below it (a part keeps
`cache_control`, a flattened image keeps `image_url.width`; a leading dot avoids a key's namesake). On the
way out only listed keys are written,
because OpenAI answers 400 to a key it does not know; each other key is a loss with the client's path.
"""

from collections.abc import Mapping, Set
from typing import Any

from chat2response.convert.losses import Losses

_INSTEAD = {"tool_calls": "dropped: in Responses a call is an item of type function_call"}
"""What is said of a key whose place is elsewhere."""


def copy_unknown(source: Mapping[str, Any], known: Set[str], into: dict[str, Any], prefix: str = "") -> None:
    """Copies what is not `known` and not empty: SDKs echo `annotations: []`, which says nothing."""
    for key, value in source.items():
        if value and key not in known:
            into.setdefault(prefix + key, value)


def report_unknown(source: Mapping[str, Any], known: Set[str], path: str, losses: Losses) -> None:
    """Names as lost every key of `source` that is not `known`."""
    for key, value in source.items():
        if value is not None and key not in known:
            where = path + key if key.startswith(".") else f"{path}.{key}"
            losses.add(where, _INSTEAD.get(key, "dropped"))


def keep_known(source: Mapping[str, Any], known: Set[str], path: str, losses: Losses) -> dict[str, Any]:
    """`source` with its `known` keys only; the others are named as lost."""
    report_unknown(source, known, path, losses)
    return {key: value for key, value in source.items() if key in known}
