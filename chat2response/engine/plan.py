"""Decides how a call is handled in each direction. Nothing else decides it.

surface     upstream    up                  down
chat        chat        relay               relay
chat        responses   convert             convert
responses   responses   relay               relay
responses   chat        convert             convert
proxy       chat        overlay             convert
proxy       responses   convert             relay

With stop strings, /proxy on a Responses upstream converts the answer, too: the gateway watches for them.
"""

from dataclasses import dataclass
from typing import Literal

from chat2response.convert.hub import Dialect
from chat2response.upstreams.base import Target
from chat2response.upstreams.routes import Routes, Surface

SURFACE_DIALECTS: dict[Surface, tuple[Dialect, Dialect]] = {
    "chat": ("chat", "chat"),
    "responses": ("responses", "responses"),
    "proxy": ("chat", "responses"),
}
"""The dialect that each surface reads, and the one that it writes."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a call is handled. `overlay` sends the client's own body, adding `include_usage` to streams."""

    target: Target
    up: Literal["relay", "overlay", "convert"]
    down: Literal["relay", "convert"]
    why: str


def plans(routes: Routes) -> dict[Surface, Plan]:
    """The plan of every surface, computed once at start."""
    return {surface: plan(surface, routes) for surface in SURFACE_DIALECTS}


def plan(surface: Surface, routes: Routes) -> Plan:
    """The plan for calls on `surface`."""
    target = routes.of(surface)
    reads, writes = SURFACE_DIALECTS[surface]
    down: Literal["relay", "convert"] = "relay" if writes == target.dialect else "convert"
    if reads != target.dialect:
        return Plan(target, "convert", down, f"{reads} in, {target.dialect} upstream, {writes} out")
    return Plan(target, "relay" if down == "relay" else "overlay", down, f"{reads} in, {writes} out")
