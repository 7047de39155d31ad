"""`AccessTable`: which route a request matches, and the access that this route requires.

Every route of the management application belongs to the admin plane unless it was included as public, so a
new endpoint is guarded by default. The router itself finds the route, so the check applies to the code that
runs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.routing import BaseRoute, Match

from chat2response.api.http.request import Scope


@dataclass(frozen=True, slots=True)
class Access:
    """The access that a route requires. `grant`: the admin grant for it, unless it is `public`."""

    grant: str = "*"
    public: bool = False


PUBLIC = Access(public=True)
_UNLISTED = Access()
"""The access of a route that was not included here: it requires all admin grants."""


class AccessTable:
    """The routes of a router with their access. Routes may be added at any time."""

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._listed: list[tuple[BaseRoute, Access]] = []

    def include(self, router: APIRouter, access: Access) -> None:
        """Adds the routes of `router`."""
        before = len(self._router.routes)
        self._router.include_router(router)
        self._listed += [(route, access) for route in self._router.routes[before:]]

    def of(self, scope: Scope) -> Access | None:
        """The access of the route that would handle this request; None: there is none.

        Like the router, takes the first route that matches, else the first that matches but for the method.
        """
        partial: BaseRoute | None = None
        for route in self._router.routes:
            match, _ = route.matches(scope)
            if match is Match.FULL:
                return self._access(route)
            if match is Match.PARTIAL and partial is None:
                partial = route
        return None if partial is None else self._access(partial)

    def _access(self, wanted: BaseRoute) -> Access:
        return next((access for route, access in self._listed if route is wanted), _UNLISTED)


def paths_of(routers: Sequence[APIRouter]) -> frozenset[str]:
    """The paths of their routes, as the OpenAPI document writes them."""
    return frozenset(getattr(route, "path", "") for router in routers for route in router.routes)
