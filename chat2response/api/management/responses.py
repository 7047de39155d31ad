"""Answers of the management endpoints, through our codec."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from fastapi import Response

from chat2response.api.http.request import error_body
from chat2response.errors import BridgeError
from chat2response.wire.json import encode

# What is told here is a secret once, or out of date at once.
_HEADERS = {"cache-control": "no-store"}
_NOTHING: Mapping[str, str] = {}
_AT_A_TIME = 500
_MOST_SAID = 5  # warnings of one answer: headers have their bounds


WARNING = "x-chat2response-warning"


def json_answer(value: Any, more: Mapping[str, str] = _NOTHING) -> Response:
    """200; `more`: further headers."""
    return Response(encode(value), media_type="application/json", headers={**_HEADERS, **more})


def warnings(said: Iterable[str]) -> Mapping[str, str]:
    """The header that tells what is done, but most likely not meant; nothing, where nothing is said."""
    text = "; ".join(islice(said, _MOST_SAID))
    return {WARNING: text} if text else _NOTHING


def unasked(auth_mode: str) -> Callable[[Iterable[str]], Mapping[str, str]]:
    """`warnings` of an answer that hands out a key: first that nobody will ask for it, where that is so."""
    why = f"the auth mode is {auth_mode}: no key is asked for, and this one opens nothing"
    always = () if auth_mode == "managed" else (why,)
    return lambda said: warnings((*always, *said))


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
