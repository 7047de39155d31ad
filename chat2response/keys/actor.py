"""Who changes keys: for the audit, and for the rule that a key gives away no more than it has."""

from dataclasses import dataclass
from typing import Any, Literal

from chat2response.keys.record import ApiKey


@dataclass(frozen=True, slots=True)
class Actor:
    """`kind`: `token` (the admin token), `network` (an address that needs none), `key` (one with an admin
    grant), `shell` (the command line), `gateway` (this process itself)."""

    kind: Literal["token", "network", "key", "shell", "gateway"]
    key: ApiKey | None = None
    """The key that acts; nothing it makes may be wider than itself."""
    origin: str | None = None
    """From where: the peer's address, or the user of a shell."""

    @property
    def name(self) -> str:
        """The credential, without any secret: `key:<id>`, or the kind."""
        return f"key:{self.key.id}" if self.key is not None else self.kind

    def document(self) -> dict[str, Any]:
        """As the audit keeps it."""
        return {"by": self.name, "from": self.origin}


GATEWAY = Actor("gateway")
