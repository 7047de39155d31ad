"""`EchoedFields`: the fields that a response repeats from the client's own request.

The keys are the union of those that the OpenAI schema and Open Responses 2026-04-24 require.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.wire.responses import Response
from chat2response.wire.values import Struct

_DEFAULTS: dict[str, Any] = {
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "metadata": None,
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "temperature": 1.0,
    "top_p": 1.0,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "top_logprobs": 0,
    "tool_choice": "auto",
    "tools": None,
    "truncation": "disabled",
    "max_output_tokens": None,
    "max_tool_calls": None,
    "background": False,
    "service_tier": "default",
    "safety_identifier": None,
    "prompt_cache_key": None,
}
_NOT_COPIED = ("error", "incomplete_details", "tools", "tool_choice")
_OPTIONAL = ("user", "prompt", "prompt_cache_options", "prompt_cache_retention")
_COPIED = frozenset((*(name for name in _DEFAULTS if name not in _NOT_COPIED), *_OPTIONAL))


class EchoedFields(Struct):
    """The fields of a response that are known before the model answers."""

    model: str
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, request: HubRequest, *, store: bool = False) -> "EchoedFields":
        """The fields that the answer to `request` repeats. `store`: whether the response is really stored."""
        body: Mapping[str, Any] = request.body
        fields = {**_DEFAULTS, "metadata": {}, "tools": []}  # new objects: a library user may change them
        fields |= {name: value for name, value in body.items() if value is not None and name in _COPIED}
        if tools := body.get("tools"):
            fields["tools"] = [_tool(tool) for tool in tools]
            fields["tool_choice"] = body.get("tool_choice") or "auto"
        if conversation := body.get("conversation"):
            fields["conversation"] = {"id": conversation} if type(conversation) is str else conversation
        fields["reasoning"] = _reasoning(body.get("reasoning"))
        fields["text"] = _text(body.get("text"))
        fields["store"] = store
        model = body.get("model")
        return cls(model if type(model) is str else "", fields)

    def response(self, response_id: str, created_at: int) -> Response:
        """The initial response: `in_progress`, with an empty `output`."""
        resource: dict[str, Any] = {
            "id": response_id,
            "object": "response",
            "created_at": created_at,
            "completed_at": None,
            "status": "in_progress",
            "model": self.model,
            "output": [],
            "usage": None,
            **self.fields,
        }
        return resource  # type: ignore[return-value]


def _tool(tool: Any) -> Any:
    """A function with every key that Open Responses requires; other tools unchanged."""
    if type(tool) is not dict or tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": None, **tool}


def _reasoning(value: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"effort": None, "summary": None}
    return {**base, **value} if type(value) is dict else base


def _text(options: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"format": {"type": "text"}}
    if type(options) is dict:
        base.update((name, value) for name, value in options.items() if value is not None)
    return base
