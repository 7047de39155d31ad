"""Requests that no endpoint takes: the answer says what there is."""

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from fastapi import Request, Response
from starlette.exceptions import HTTPException

from chat2response.api import paths
from chat2response.api.answers import refusal
from chat2response.api.door import arrived
from chat2response.errors import MethodNotAllowed, NotFound
from chat2response.observe.redact import redact

_NEAR = 0.75  # of 1: a path that is less like one of ours is another program's
_SHOWN = 200  # characters of a path that are looked at; finding what is near takes their square


def unknown_path(document: Mapping[str, Any]) -> Callable[[str], NotFound]:
    """What makes the error for a path that is not there; `document` may be filled later."""

    def error(path: str) -> NotFound:
        shown = paths.shown(redact(path)[:_SHOWN])
        near = get_close_matches(shown, document["paths"], n=1, cutoff=_NEAR)
        hint = f" Did you mean {near[0]}?" if near else ""
        return NotFound(f"There is no endpoint {shown}.{hint} See /docs for all of them.", code="unknown_url")

    return error


def stray_handlers(document: Mapping[str, Any]) -> dict[Any, Any]:
    """Handlers of 404 and 405; `document` is the OpenAPI document, which may be filled later."""
    unknown = unknown_path(document)

    async def no_path(request: Request, _: HTTPException) -> Response:
        return refusal(unknown(request.scope["path"]))

    async def no_method(request: Request, error: HTTPException) -> Response:
        allowed = sorted((error.headers or {}).get("Allow", "").split(", "))
        names = ", ".join([*allowed, "HEAD"] if "GET" in allowed else allowed)
        scope = arrived(request.scope).scope
        return refusal(
            MethodNotAllowed(
                f"{scope['method']} is not for {scope['path']}: use {names}.", headers={"allow": names}
            )
        )

    return {404: no_path, 405: no_method}
