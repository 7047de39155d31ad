"""Keys of messages, parts and tools that the other API does not have.

Reading a request into the hub copies them, under the path below the object (a part keeps `cache_control`, a
flattened image keeps `image_url.width`; a leading dot distinguishes equal names). Writing a request to a
backend leaves them out, because OpenAI answers 400 to an unknown key; each is a loss with the client's path.
"""

from collections.abc import Mapping, Set
from typing import Any

from chat2response.convert.losses import Losses

_EFFECTS = {"tool_calls": "dropped: in Responses a call is an item of type function_call"}
"""The effect reported for a key that belongs elsewhere; for others it is `dropped`."""


def copy_unknown(source: Mapping[str, Any], known: Set[str], into: dict[str, Any], prefix: str = "") -> None:
    """Copies the keys that are not `known`, unless they are empty: SDKs echo `annotations: []`."""
    for key, value in source.items():
        if value and key not in known:
            into.setdefault(prefix + key, value)


def report_unknown(source: Mapping[str, Any], known: Set[str], path: str, losses: Losses) -> None:
    """Adds a loss for every key of `source` that is not `known`."""
    for key, value in source.items():
        if value is not None and key not in known:
            field = path + key if key.startswith(".") else f"{path}.{key}"
            losses.add(field, _EFFECTS.get(key, "dropped"))


def keep_known(source: Mapping[str, Any], known: Set[str], path: str, losses: Losses) -> dict[str, Any]:
    """`source` with only its `known` keys; each other key is a loss."""
    report_unknown(source, known, path, losses)
    return {key: value for key, value in source.items() if key in known}
