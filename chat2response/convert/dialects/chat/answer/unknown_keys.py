"""`UnknownKeys`: reports keys of an answer that no reader knows; they may contain output of the model.

It looks at deltas and messages, at the choice around them (some backends use it in their place), and at
events without choices.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from chat2response.convert.loose_values import may_have_text, short_name
from chat2response.convert.losses import Losses
from chat2response.wire.chat import DeltaShape

_MAX_KEYS = 16  # keys reported per answer
_KNOWN = frozenset(DeltaShape.__struct_fields__) | {
    *("role", "name", "id", "index", "object", "type", "created", "model", "provider", "phase", "parsed"),
    *("tool_call_id", "finish_reason", "stop_reason", "matched_stop", "logprobs", "usage"),
    *("obfuscation", "token_ids", "prompt_token_ids", "provider_specific_fields", "metadata"),
}
"""Keys that are read, and keys that contain no output of the model."""
_MESSAGE_FIELDS = DeltaShape.__struct_fields__
_KNOWN_OF_CHOICE = frozenset(_MESSAGE_FIELDS) | {
    *("index", "delta", "message", "text", "finish_reason", "native_finish_reason", "stop_reason", "error"),
    *("matched_stop", "stop_sequence", "finish_details", "logprobs", "prompt_logprobs", "usage", "object"),
    *("content_filter_results", "content_filter_result", "content_filter_offsets", "safety_ratings"),
    *("token_ids", "prompt_token_ids", "seed", "role", "id", "metadata", "raw_output", "hidden_states"),
    *("provider_specific_fields", "routed_experts", "meta_info"),
}
_KNOWN_OF_EVENT = frozenset(
    {
        *("id", "object", "created", "model", "type", "event", "provider", "usage", "service_tier", "status"),
        *(
            "system_fingerprint",
            "obfuscation",
            "x_groq",
            "moderation",
            "citations",
            "search_results",
            "choices",
        ),
        *("base_resp", "code", "request_id", "timings", "timestamp", "time", "ping", "metadata", "error"),
        *("prompt_filter_results", "prompt_annotations", "created_at", "trace_id"),
    }
)


def message_fields(choice: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a delta or a message that stand in the choice itself."""
    return {key: choice[key] for key in _MESSAGE_FIELDS if choice.get(key)}


class UnknownKeys:
    """Reports the unknown keys of one answer as losses."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._left = _MAX_KEYS

    def report(self, fields: Any) -> None:
        """Reports those of one delta or message."""
        self._report(fields, _KNOWN, "message")

    def report_choice(self, choice: Any) -> None:
        """Reports those of one choice."""
        self._report(choice, _KNOWN_OF_CHOICE, "choices[]")

    def report_event(self, event: Any) -> None:
        """Reports those of an event without choices."""
        self._report(event, _KNOWN_OF_EVENT, "chunk")

    def _report(self, fields: Any, known: AbstractSet[str], holder: str) -> None:
        if type(fields) is not dict or fields.keys() <= known:
            return
        for key, value in fields.items():
            if self._left and key not in known and may_have_text(value):
                self._left -= 1
                self._losses.add(f"{holder}.{short_name(key)}", "dropped: unknown field")
