"""Decides which turns of the history get their reasoning back, from the client's `reasoning.context`.

    auto           as the profile says (`reasoning_echo`)
    all_turns      all turns
    current_turn   turns since the last user message, by the profile's rule

The profile overrides the client if the backend takes no reasoning back, or requires it for every call.
`request_builder.py` reports that as a loss.
"""

from dataclasses import dataclass
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.convert.quirks.quirks import Quirks, ReasoningEcho


@dataclass(frozen=True, slots=True)
class ReasoningContext:
    """The reasoning context of one request."""

    echo: ReasoningEcho
    since: int = 0
    """The index of the first item whose reasoning is sent back."""

    @classmethod
    def of(cls, hub: HubRequest, quirks: Quirks, items: list[Any]) -> "ReasoningContext":
        """Reads it from a request; `items` are those of its input."""
        echo = quirks.reasoning_echo
        requested = (hub.body.get("reasoning") or {}).get("context")
        if echo == "never" or requested not in ("all_turns", "current_turn"):
            return cls(echo)
        if requested == "all_turns":
            return cls("always")
        return cls(echo) if quirks.reasoning_required else cls(echo, _last_user_item(items))

    def echo_at(self, index: int) -> ReasoningEcho:
        """The rule for the turn of the item at `index`."""
        return self.echo if index >= self.since else "never"


def _last_user_item(items: list[Any]) -> int:
    for index in range(len(items) - 1, -1, -1):
        if items[index].get("role") == "user":
            return index
    return 0
