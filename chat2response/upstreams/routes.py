"""`Routes`: which upstream serves which surface (`UPSTREAM_MODE`)."""

from dataclasses import dataclass
from typing import Literal, get_args

from chat2response.upstreams.base import Target

Surface = Literal["chat", "responses", "proxy"]
"""What the client calls: Chat, Responses, or `/proxy` (Chat in, Responses out)."""
SURFACES: tuple[Surface, ...] = get_args(Surface)


@dataclass(frozen=True, slots=True)
class Routes:
    """The target of each surface. With `both`, each dialect has its own, and `/proxy` goes to Responses."""

    chat: Target
    responses: Target

    def of(self, surface: Surface) -> Target:
        """The target of calls on `surface`."""
        return self.chat if surface == "chat" else self.responses

    @classmethod
    def single(cls, target: Target) -> "Routes":
        """One upstream for every surface."""
        return cls(target, target)
