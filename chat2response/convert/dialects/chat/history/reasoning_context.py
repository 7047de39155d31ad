"""`Context`: which turns of the history get their reasoning back, as the client asks in `reasoning.context`.

    auto           what the profile says (`reasoning_echo`)
    all_turns      all of them
    current_turn   those since the user's last message, by the profile's rule

Toward a backend that takes no reasoning back, or that refuses a call of any age without its own, the profile
counts; `leaving.py` says so.
"""

from dataclasses import dataclass
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.convert.quirks.quirks import Echo, Quirks


@dataclass(frozen=True, slots=True)
class Context:
    """Of one request."""

    echo: Echo
    since: int = 0
    """The item from which on reasoning goes back."""

    @classmethod
    def of(cls, hub: HubRequest, quirks: Quirks, items: list[Any]) -> "Context":
        """`items`: of the request's input."""
        echo = quirks.reasoning_echo
        asked = (hub.body.get("reasoning") or {}).get("context")
        if echo == "never" or asked not in ("all_turns", "current_turn"):
            return cls(echo)
        if asked == "all_turns":
            return cls("always")
        return cls(echo) if quirks.reasoning_required else cls(echo, _last_of_user(items))

    def echo_at(self, index: int) -> Echo:
        """The rule for the turn that the item at `index` is of."""
        return self.echo if index >= self.since else "never"


def _last_of_user(items: list[Any]) -> int:
    for index in range(len(items) - 1, -1, -1):
        if items[index].get("role") == "user":
            return index
    return 0
