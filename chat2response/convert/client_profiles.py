"""Client profiles: what a kind of client needs of a Responses answer beyond the standard, as data.

The `default` is what OpenAI's own SDKs and Codex read. `open-responses` is for clients that check every event
against the schema of Open Responses 2026-04-24: what only that schema refuses is renamed or left out.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from chat2response.convert.outcome import failure_fields
from chat2response.wire.responses import EventDict

HEADER = "x-chat2response-client-profile"


@dataclass(frozen=True, slots=True)
class ClientProfile:
    """None in a set: everything is let through."""

    name: str
    error_event: bool = False
    """Whether an `error` event comes before `response.failed`."""
    raw_reasoning: bool = False
    """Whether it shows raw reasoning (`content`); else a model's reasoning is shown to it as a summary."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Types of events that this client knows by another name."""
    events: frozenset[str] | None = None
    """The types that it takes, by its own names; the others are left out, and the numbers close up."""
    efforts: frozenset[str] | None = None
    """What it takes as `reasoning.effort` in a response; another is shown as null."""
    tools: frozenset[str] | None = None
    """The types of tools that it takes in a response."""

    @property
    def plain(self) -> bool:
        """Whether answers go out as they are."""
        return self is DEFAULT

    def resource(self, response: Mapping[str, Any]) -> dict[str, Any]:
        """A response, as this client takes it."""
        suited = dict(response)
        reasoning, choice = suited.get("reasoning"), suited.get("tool_choice")
        if self.efforts is not None and type(reasoning) is dict and reasoning.get("effort") is not None:
            effort = reasoning["effort"]
            suited["reasoning"] = {**reasoning, "effort": effort if effort in self.efforts else None}
        if self.tools is not None:
            suited["tools"] = [each for each in suited.get("tools") or () if each.get("type") in self.tools]
            if type(choice) is dict and choice.get("type") not in {*self.tools, "allowed_tools"}:
                suited["tool_choice"] = "auto"
            if type(suited.get("instructions")) is list:
                suited["instructions"] = None
        return suited


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
    error_event=True,
    raw_reasoning=True,
    renamed={f"response.reasoning_text.{each}": f"response.reasoning.{each}" for each in ("delta", "done")},
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
    """The events of one stream, as a client takes them: numbered anew where some are added or left out."""

    def __init__(self, client: ClientProfile) -> None:
        self._client = client
        self._shift = 0

    def __call__(self, event: EventDict) -> Iterator[EventDict]:
        """What the client gets for one event."""
        client = self._client
        kind = client.renamed.get(event["type"], event["type"])
        if client.events is not None and kind not in client.events:
            self._shift -= 1
            return
        if kind == "response.failed" and client.error_event:
            yield error_event(event["response"]["error"], event["sequence_number"] + self._shift)
            self._shift += 1
        suited = {**event, "type": kind, "sequence_number": event["sequence_number"] + self._shift}
        if "response" in event:
            suited["response"] = client.resource(event["response"])
        yield suited


def error_event(error: Mapping[str, Any] | None, number: int) -> EventDict:
    """An `error` event, in both forms at once: flat as OpenAI has it, nested as Open Responses has it."""
    fields = failure_fields(error)
    flat = {name: fields[name] for name in ("code", "message", "param")}
    return {"type": "error", "sequence_number": number, **flat, "error": fields}
