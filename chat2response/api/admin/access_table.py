"""Which route a request matches, and who may use it.

Every route of the management application belongs to the admin plane unless it was included as public, so an
endpoint that is added tomorrow is guarded by default. The router is asked, not the text of the path: what
decides is what would run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import APIRouter
from starlette.routing import BaseRoute, Match

from chat2response.api.http.request import Scope


@dataclass(frozen=True, slots=True)
class Access:
    """What a route asks for. `grant`: the admin grant that opens it, unless it is `public`."""

    grant: str = "*"
    public: bool = False


PUBLIC = Access(public=True)
_UNLISTED = Access()
"""Of a route that nobody included here: only who may do everything gets to it."""


class AccessTable:
    """The routes of one router, and what each asks for. Routes may be added at any time."""

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._listed: list[tuple[BaseRoute, Access]] = []

    def include(self, router: APIRouter, access: Access) -> None:
        """Adds the routes of `router`."""
        before = len(self._router.routes)
        self._router.include_router(router)
        self._listed += [(route, access) for route in self._router.routes[before:]]

    def of(self, scope: Scope) -> Access | None:
        """What the route asks for that would take this request; None: there is none.

        As the router has it: the first route that matches, else the first that does but for the method.
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
