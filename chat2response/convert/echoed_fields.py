"""`EchoedFields`: what a response repeats of its request, built once from the client's own words.

The full set of keys is the union of what the OpenAI schema and Open Responses 2026-04-24 require.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.wire.responses import Response

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
_OURS = ("error", "incomplete_details", "tools", "tool_choice")
_WHEN_GIVEN = ("user", "prompt", "prompt_cache_options", "prompt_cache_retention")
_REPEATED = (*(name for name in _DEFAULTS if name not in _OURS), *_WHEN_GIVEN)


@dataclass(slots=True)  # not frozen: it is made for each call, and freezing is most of what that costs
class EchoedFields:
    """The part of a response resource that is known before the model has said anything."""

    model: str
    fields: Mapping[str, Any]

    @classmethod
    def of(cls, request: HubRequest, *, store: bool = False) -> "EchoedFields":
        """What the answer to `request` repeats; `store` is whether anything is really kept."""
        body: Mapping[str, Any] = request.body
        fields = {**_DEFAULTS, "metadata": {}, "tools": []}  # of its own: a library user may write to them
        for name in _REPEATED:
            if (value := body.get(name)) is not None:
                fields[name] = value
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
        """The resource at its start: `in_progress`, nothing in `output`."""
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
    """A function with every key Open Responses requires; any other tool as the client wrote it."""
    if type(tool) is not dict or tool.get("type") != "function":
        return tool
    return {"description": None, "parameters": None, "strict": None, **tool}


def _reasoning(asked: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"effort": None, "summary": None}
    return {**base, **asked} if type(asked) is dict else base


def _text(asked: Any) -> dict[str, Any]:
    base: dict[str, Any] = {"format": {"type": "text"}}
    if type(asked) is dict:
        base.update((name, value) for name, value in asked.items() if value is not None)
    return base
