"""Keys of an answer that no reader knows: what stands in them may be what the model said.

Those of a delta or a message; of the choice around it, which some backends fill in its place; and of an event
that has no choices.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

from chat2response.convert.loose_values import short_name
from chat2response.convert.losses import Losses
from chat2response.wire.chat import DeltaShape

_MOST = 16  # keys that are named of one answer
_KNOWN = frozenset(DeltaShape.__struct_fields__) | {
    *("role", "name", "id", "index", "object", "type", "created", "model", "provider", "phase", "parsed"),
    *("tool_call_id", "finish_reason", "stop_reason", "matched_stop", "logprobs", "usage"),
    *("obfuscation", "token_ids", "prompt_token_ids", "provider_specific_fields", "metadata"),
}
"""Those that are read, and those that hold no words of the model's."""
_WORDS = DeltaShape.__struct_fields__
_KNOWN_OF_CHOICE = frozenset(_WORDS) | {
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


def beside(choice: Mapping[str, Any]) -> dict[str, Any]:
    """The words that stand in the choice itself, as if it were the delta or the message."""
    return {key: choice[key] for key in _WORDS if choice.get(key)}


class Unread:
    """Names them as lost, for one answer."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._left = _MOST

    def name(self, said: Any) -> None:
        """Those of one delta or message."""
        self._name(said, _KNOWN, "message")

    def name_in_choice(self, choice: Any) -> None:
        """Those of one choice."""
        self._name(choice, _KNOWN_OF_CHOICE, "choices[]")

    def name_in_event(self, event: Any) -> None:
        """Those of an event without choices."""
        self._name(event, _KNOWN_OF_EVENT, "chunk")

    def _name(self, said: Any, known: AbstractSet[str], holder: str) -> None:
        if type(said) is not dict or said.keys() <= known:
            return
        for key, value in said.items():
            if self._left and key not in known and tells(value):
                self._left -= 1
                self._losses.add(f"{holder}.{short_name(key)}", "dropped: unknown")


def tells(value: Any) -> bool:
    """Whether a value may hold words: numbers and flags do not."""
    return bool(value.strip()) if type(value) is str else type(value) in (list, dict) and bool(value)
