"""Keys of a delta, or of a message, that no reader knows: what stands in them may be what the model said."""

from typing import Any

from chat2response.convert.chat.answer import word
from chat2response.convert.losses import Losses
from chat2response.wire.chat import DeltaShape

_MOST = 16  # keys that are named of one answer
_KNOWN = frozenset(DeltaShape.__struct_fields__) | {
    *("role", "name", "id", "index", "object", "type", "created", "model", "provider", "phase", "parsed"),
    *("tool_call_id", "finish_reason", "stop_reason", "matched_stop", "logprobs", "usage"),
    *("obfuscation", "token_ids", "prompt_token_ids", "provider_specific_fields", "metadata"),
}
"""Those that are read, and those that hold no words of the model's."""


class Unread:
    """Names them as lost, for one answer."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._left = _MOST

    def name(self, said: Any) -> None:
        """Those of one delta or message."""
        if type(said) is not dict or said.keys() <= _KNOWN:
            return
        for key, value in said.items():
            if self._left and key not in _KNOWN and tells(value):
                self._left -= 1
                self._losses.add(f"message.{word(key)}", "dropped: unknown")


def tells(value: Any) -> bool:
    """Whether a value may hold words: numbers and flags do not."""
    return bool(value.strip()) if type(value) is str else type(value) in (list, dict) and bool(value)
