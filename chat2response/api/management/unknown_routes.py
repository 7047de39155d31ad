"""The 404 and 405 errors for unknown paths and methods, with a hint at what exists."""

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from chat2response.api.http import paths
from chat2response.api.management.middleware import outer_request
from chat2response.api.management.responses import error_response
from chat2response.errors import MethodNotAllowed, NotFound
from chat2response.observe.redact import redact

_MIN_SIMILARITY = 0.75  # of 1; a path that is less similar belongs to another program
_MAX_SHOWN = 200  # characters of a path that are compared; the comparison is quadratic in them


def unknown_path(document: Mapping[str, Any]) -> Callable[[str], NotFound]:
    """A function that creates the error for an unknown path; `document` may be filled later."""

    def error(path: str) -> NotFound:
        shown = paths.printable(redact(path)[:_MAX_SHOWN])
        return NotFound(
            f"No such endpoint: {shown}.{_hint(shown, document['paths'])} See /docs for all endpoints.",
            code="unknown_url",
        )

    return error


def _hint(shown: str, paths: Collection[str]) -> str:
    """A sentence that suggests a similar path, if there is one."""
    near = get_close_matches(shown[:_MAX_SHOWN], paths, n=1, cutoff=_MIN_SIMILARITY)
    return f" Did you mean {near[0]}?" if near else ""


def unknown_route_handlers(document: Mapping[str, Any]) -> dict[Any, Any]:
    """Handlers of 404 and 405; `document` is the OpenAPI document, which may be filled later."""
    unknown = unknown_path(document)

    async def no_path(request: Request, _: HTTPException) -> Response:
        return error_response(unknown(request.scope["path"]))

    async def no_method(request: Request, error: HTTPException) -> Response:
        allowed = sorted((error.headers or {}).get("Allow", "").split(", "))
        names = ", ".join([*allowed, "HEAD"] if "GET" in allowed else allowed)
        scope = outer_request(request.scope).scope
        hint = _hint(scope["path"], _paths_with(scope["method"]))
        message = f"{scope['path']} does not support {scope['method']}. Use {names}.{hint}"
        return error_response(MethodNotAllowed(message, headers={"allow": names}))

    def _paths_with(method: str) -> list[str]:
        """The paths that support `method`, without patterns: a misspelled path matches /keys/{id}."""
        return [
            path
            for path, methods in document["paths"].items()
            if method.lower() in methods and "{" not in path
        ]

    return {404: no_path, 405: no_method}
