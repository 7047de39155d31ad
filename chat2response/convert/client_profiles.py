"""Client profiles: how Responses answers are adapted to a kind of client, as data.

`default` suits OpenAI's SDKs and Codex. `open-responses` is for clients that validate every event against the
schema of Open Responses 2026-04-24: it renames or leaves out what that schema does not allow.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chat2response.convert.outcome import failure_fields
from chat2response.wire.responses import EventDict

HEADER = "x-chat2response-client-profile"


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """A set that is None allows everything."""

    name: str
    sends_error_event: bool = False
    """Whether an `error` event comes before `response.failed`."""
    raw_reasoning: bool = False
    """Whether reasoning is sent raw (`content`) rather than as a summary."""
    renamed_events: Mapping[str, str] = field(default_factory=dict)
    """Event types that this client knows by another name."""
    events: frozenset[str] | None = None
    """The event types it accepts, by its own names. Others are left out, and sequence numbers have no gap."""
    efforts: frozenset[str] | None = None
    """The values of `reasoning.effort` it accepts in a response; others become null."""
    tools: frozenset[str] | None = None
    """The types of tools it accepts in a response."""

    @property
    def is_default(self) -> bool:
        """Whether answers are sent unchanged."""
        return self is DEFAULT

    def adapt(self, response: Mapping[str, Any]) -> dict[str, Any]:
        """The response in the form that this client accepts."""
        adapted = dict(response)
        reasoning, choice = adapted.get("reasoning"), adapted.get("tool_choice")
        if self.efforts is not None and type(reasoning) is dict and reasoning.get("effort") is not None:
            effort = reasoning["effort"]
            adapted["reasoning"] = {**reasoning, "effort": effort if effort in self.efforts else None}
        if self.tools is not None:
            adapted["tools"] = [each for each in adapted.get("tools") or () if each.get("type") in self.tools]
            if type(choice) is dict and choice.get("type") not in {*self.tools, "allowed_tools"}:
                adapted["tool_choice"] = "auto"
            if type(adapted.get("instructions")) is list:
                adapted["instructions"] = None
        return adapted


DEFAULT = ClientProfile("default")
_LIFECYCLE = ("created", "queued", "in_progress", "completed", "failed", "incomplete")
_PAIRS = {
    "output_item": ("added", "done"),
    "content_part": ("added", "done"),
    "output_text": ("delta", "done"),
    "output_text.annotation": ("added",),
    "refusal": ("delta", "done"),
    "function_call_arguments": ("delta", "done"),
    "reasoning_summary_part": ("added", "done"),
    "reasoning_summary_text": ("delta", "done"),
    "reasoning": ("delta", "done"),
}
OPEN_RESPONSES = ClientProfile(
    "open-responses",
    sends_error_event=True,
    raw_reasoning=True,
    renamed_events={
        f"response.reasoning_text.{each}": f"response.reasoning.{each}" for each in ("delta", "done")
    },
    events=frozenset(
        {
            "error",
            *(f"response.{each}" for each in _LIFECYCLE),
            *(f"response.{name}.{each}" for name, ends in _PAIRS.items() for each in ends),
        }
    ),
    efforts=frozenset({"none", "low", "medium", "high", "xhigh"}),
    tools=frozenset({"function"}),
)
CLIENT_PROFILES: Mapping[str, ClientProfile] = {each.name: each for each in (DEFAULT, OPEN_RESPONSES)}


class ProfileAdapter:
    """Adapts the events of one stream, and renumbers them where events are added or left out."""

    def __init__(self, client: ClientProfile) -> None:
        self._client = client
        self._shift = 0

    def __call__(self, event: EventDict) -> Iterator[EventDict]:
        """The events that the client gets for one event."""
        client = self._client
        kind = client.renamed_events.get(event["type"], event["type"])
        if client.events is not None and kind not in client.events:
            self._shift -= 1
            return
        if kind == "response.failed" and client.sends_error_event:
            yield make_error_event(event["response"]["error"], event["sequence_number"] + self._shift)
            self._shift += 1
        adapted = {**event, "type": kind, "sequence_number": event["sequence_number"] + self._shift}
        if "response" in event:
            adapted["response"] = client.adapt(event["response"])
        yield adapted


def make_error_event(error: Mapping[str, Any] | None, number: int) -> EventDict:
    """An `error` event with the fields of both forms: flat (OpenAI) and nested (Open Responses)."""
    fields = failure_fields(error)
    flat = {name: fields[name] for name in ("code", "message", "param")}
    return {"type": "error", "sequence_number": number, **flat, "error": fields}
