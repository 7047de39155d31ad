"""Sets the output limit of a request, for a key that has one."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.convert.quirks.quirks import Quirks

OUTPUT_LIMITS = (
    "max_output_tokens", "max_completion_tokens", "max_tokens",
    "n_predict", "num_predict", "max_new_tokens",
)  # fmt: skip
"""The names of an output limit: those of the APIs, and those of llama.cpp, Ollama and TGI."""


def with_limit(fields: Mapping[str, Any], limit: int, name: str) -> dict[str, Any]:
    """The request with `limit` as its only output limit, under the name `name`."""
    return {**_without_limits(fields, name), name: limit}


def hub_with_limit(hub: HubRequest, limit: int, quirks: Quirks) -> HubRequest:
    """`with_limit` for a hub request and its extra fields."""
    body: Any = with_limit(hub.body, limit, "max_output_tokens")
    return replace(hub, body=body, extra=_without_limits(hub.extra, quirks.max_tokens))


def _without_limits(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in OUTPUT_LIMITS and key != name}
