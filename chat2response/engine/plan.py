"""Decides how a call is handled in each direction. Nothing else decides it.

surface     upstream    up                  down
chat        chat        relay               relay
chat        responses   convert             convert
responses   responses   relay               relay
responses   chat        convert             convert
proxy       chat        overlay             convert
proxy       responses   convert             relay

With stop strings, `respond` converts the answer of /proxy on a Responses upstream, too: the gateway watches
for them.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

from chat2response.convert.dialects.dialect import Dialect
from chat2response.convert.dialects.surfaces import Surface


@dataclass(frozen=True, slots=True)
class Plan:
    """How a call is handled. `overlay` sends the client's own body, adding `include_usage` to streams."""

    up: Literal["relay", "overlay", "convert"]
    down: Literal["relay", "convert"]
    why: str


@cache
def plan(surface: Surface, upstream: Dialect) -> Plan:
    """The plan for calls on `surface` to a server that speaks `upstream`."""
    reads, writes = surface.reads, surface.writes
    down: Literal["relay", "convert"] = "relay" if writes is upstream else "convert"
    if reads is not upstream:
        return Plan("convert", down, f"{reads.name} in, {upstream.name} upstream, {writes.name} out")
    return Plan("relay" if down == "relay" else "overlay", down, f"{reads.name} in, {writes.name} out")
