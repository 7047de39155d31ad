"""Who changes keys: the audit log records it, and delegation limits it to what the actor's own key allows."""

from dataclasses import dataclass
from typing import Any, Literal

from chat2response.keys.record import ApiKey


@dataclass(frozen=True, slots=True)
class Actor:
    """`kind`: `token` (the admin token), `network` (an address that needs no token), `key` (a key with an
    admin grant), `shell` (the command line), `gateway` (this process itself)."""

    kind: Literal["token", "network", "key", "shell", "gateway"]
    key: ApiKey | None = None
    """The key that acts; it cannot create a key with more rights than its own."""
    origin: str | None = None
    """The peer's address, or the shell's user name."""

    @property
    def name(self) -> str:
        """The credential without its secret: `key:<id>`, or the kind."""
        return f"key:{self.key.id}" if self.key is not None else self.kind

    def document(self) -> dict[str, Any]:
        """The audit log's fields `by` and `from`."""
        return {"by": self.name, "from": self.origin}


GATEWAY = Actor("gateway")
