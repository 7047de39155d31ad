"""`GET /status`: what runs here, for anybody: names and states, no addresses, nothing secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

NAME = "chat2response"


@dataclass(frozen=True, slots=True)
class About:
    """What the process was started as. `features`: name to state (`on`, `off`, or a word of its own)."""

    version: str
    upstream_mode: str
    auth_mode: str
    features: Mapping[str, str] = field(default_factory=dict)


def status(about: About, routes: Sequence[str], uptime: float, in_flight: int) -> dict[str, Any]:
    """The document. `uptime` in seconds, `in_flight`: calls running now."""
    return {
        "name": NAME,
        "version": about.version,
        "proxy_enabled": True,
        "routes": list(routes),
        "upstream_mode": about.upstream_mode,
        "auth_mode": about.auth_mode,
        "uptime_seconds": max(0, int(uptime)),
        "in_flight": in_flight,
        "features": dict(about.features),
    }
