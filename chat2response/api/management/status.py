"""`GET /status`: what runs here: names and states to all; addresses and reasons to the admin plane only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

NAME = "chat2response"

State = Literal["ok", "unavailable", "off"]


@dataclass(frozen=True, slots=True)
class About:
    """What the process was started as. `features`: name to state (`on`, `off`, or a word of its own)."""

    version: str
    upstream_mode: str
    auth_mode: str
    features: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    """What only the admin plane is told: addresses, without their passwords."""
    needs_store: bool = True
    """Whether callers are judged by what is in the store."""


def status(
    about: About, routes: Sequence[str], uptime: float, in_flight: int, store: State
) -> dict[str, Any]:
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
        "store": store,
        "features": dict(about.features),
    }


def details(about: About, store_error: str | None) -> dict[str, Any]:
    """What the admin plane sees beside it. `store_error`: why the store cannot be used."""
    return {**about.details, "store_error": store_error}
