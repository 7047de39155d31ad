"""`Routes`: which upstream serves which surface (`UPSTREAM_MODE`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chat2response.convert.dialects.surfaces import SURFACES, Surface
from chat2response.upstreams.base import Target


@dataclass(frozen=True, slots=True)
class Route:
    """Where a call may go. `targets`: in the order of preference; at least one."""

    targets: Sequence[Target]


@dataclass(frozen=True, slots=True)
class Routes:
    """The route of each surface."""

    by_surface: Mapping[Surface, Route]

    def resolve(self, surface: Surface) -> Route:
        """The route of calls on `surface`."""
        return self.by_surface[surface]

    def target(self, surface: Surface) -> Target:
        """The preferred target of calls on `surface`."""
        return self.by_surface[surface].targets[0]

    @classmethod
    def single(cls, target: Target) -> "Routes":
        """One upstream for every surface."""
        route = Route((target,))
        return cls(dict.fromkeys(SURFACES, route))

    @classmethod
    def by_dialect(cls, targets: Sequence[Target]) -> "Routes":
        """The upstream of each surface is the one that speaks what the surface writes."""
        routes = {}
        for surface in SURFACES:
            own = [target for target in targets if target.dialect is surface.writes]
            routes[surface] = Route((own or targets)[:1])
        return cls(routes)
