"""The document of `GET /status`: names and states for everyone; addresses and errors for the admin plane."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

NAME = "chat2response"

State = Literal["ok", "unavailable", "off"]


@dataclass(frozen=True, slots=True)
class About:
    """The configuration of the process. `features`: name to state (`on`, `off`, or a specific value)."""

    version: str
    upstream_mode: str
    auth_mode: str
    features: Mapping[str, str] = field(default_factory=dict)
    details: Mapping[str, str] = field(default_factory=dict)
    """Shown to the admin plane only: addresses, without their passwords."""
    needs_store: bool = True
    """Whether authentication needs the store."""


def status(
    about: About, routes: Sequence[str], uptime: float, in_flight: int, store: State
) -> dict[str, Any]:
    """The document. `uptime`: seconds. `in_flight`: the number of running calls."""
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
    """The part for the admin plane. `store_error`: why the store does not work."""
    return {**about.details, "store_error": store_error}
