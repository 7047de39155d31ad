"""Answers of the management endpoints, through our codec."""

import asyncio
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from fastapi import Response

from chat2response.api.asgi import error_body
from chat2response.errors import BridgeError
from chat2response.wire.json import encode

# What is told here is a secret once, or out of date at once.
_HEADERS = {"cache-control": "no-store"}
_NOTHING: Mapping[str, str] = {}
_AT_A_TIME = 500


WARNING = "x-chat2response-warning"


def json_answer(value: Any, more: Mapping[str, str] = _NOTHING) -> Response:
    """200; `more`: further headers."""
    return Response(encode(value), media_type="application/json", headers={**_HEADERS, **more})


def unasked(auth_mode: str) -> Mapping[str, str]:
    """What an answer that hands out a key is headed with, where nobody will ask for it."""
    if auth_mode == "managed":
        return _NOTHING
    return {WARNING: f"the auth mode is {auth_mode}: no key is asked for, and this one opens nothing"}


async def json_array(values: Iterable[Any]) -> Response:
    """200 with an array that may be long: other requests get their turn while it is written."""
    rest, parts = iter(values), []
    while part := list(islice(rest, _AT_A_TIME)):
        parts.append(encode(part)[1:-1])
        await asyncio.sleep(0)
    return Response(b"[" + b",".join(parts) + b"]", media_type="application/json", headers=_HEADERS)


def refusal(error: BridgeError) -> Response:
    """The error as an answer, where it cannot be raised."""
    return Response(error_body(error), error.status, error.headers, media_type="application/json")
