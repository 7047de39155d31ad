"""Requests that no endpoint takes: the answer says what there is."""

from collections.abc import Callable, Collection, Mapping
from difflib import get_close_matches
from typing import Any

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from chat2response.api.http import paths
from chat2response.api.management.middleware import arrived
from chat2response.api.management.responses import refusal
from chat2response.errors import MethodNotAllowed, NotFound
from chat2response.observe.redact import redact

_NEAR = 0.75  # of 1: a path that is less like one of ours is another program's
_SHOWN = 200  # characters of a path that are looked at; finding what is near takes their square


def unknown_path(document: Mapping[str, Any]) -> Callable[[str], NotFound]:
    """What makes the error for a path that is not there; `document` may be filled later."""

    def error(path: str) -> NotFound:
        shown = paths.printable(redact(path)[:_SHOWN])
        return NotFound(
            f"There is no endpoint {shown}.{_hint(shown, document['paths'])} See /docs for all of them.",
            code="unknown_url",
        )

    return error


def _hint(shown: str, paths: Collection[str]) -> str:
    """A sentence about the path that is near, where one is."""
    near = get_close_matches(shown[:_SHOWN], paths, n=1, cutoff=_NEAR)
    return f" Did you mean {near[0]}?" if near else ""


def stray_handlers(document: Mapping[str, Any]) -> dict[Any, Any]:
    """Handlers of 404 and 405; `document` is the OpenAPI document, which may be filled later."""
    unknown = unknown_path(document)

    async def no_path(request: Request, _: HTTPException) -> Response:
        return refusal(unknown(request.scope["path"]))

    async def no_method(request: Request, error: HTTPException) -> Response:
        allowed = sorted((error.headers or {}).get("Allow", "").split(", "))
        names = ", ".join([*allowed, "HEAD"] if "GET" in allowed else allowed)
        scope = arrived(request.scope).scope
        hint = _hint(scope["path"], _taking(scope["method"]))
        told = f"{scope['method']} is not for {scope['path']}: use {names}.{hint}"
        return refusal(MethodNotAllowed(told, headers={"allow": names}))

    def _taking(method: str) -> list[str]:
        """The paths that take it and are no patterns, as /keys/{id} is: a slip of another path matches it."""
        return [
            path for path, there in document["paths"].items() if method.lower() in there and "{" not in path
        ]

    return {404: no_path, 405: no_method}
