"""Builds the JSON responses of the management endpoints."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from fastapi import Response

from chat2response.api.http.request import error_body
from chat2response.errors import BridgeError
from chat2response.wire.json import encode

# Responses contain secrets, or become outdated at once.
_HEADERS = {"cache-control": "no-store"}
_NO_HEADERS: Mapping[str, str] = {}
_BATCH = 500
_MAX_WARNINGS = 5  # per response, because headers are limited in size


WARNING = "x-chat2response-warning"

Warnings = Callable[[Iterable[str]], Mapping[str, str]]
"""Makes the warning header of a response from messages."""


def json_response(value: Any, headers: Mapping[str, str] = _NO_HEADERS) -> Response:
    """A 200 with further `headers`."""
    return Response(encode(value), media_type="application/json", headers={**_HEADERS, **headers})


def warnings(messages: Iterable[str]) -> Mapping[str, str]:
    """The warning header for requests that were probably not meant as written; empty without messages."""
    text = "; ".join(islice(messages, _MAX_WARNINGS))
    return {WARNING: text} if text else _NO_HEADERS


def issue_warnings(auth_mode: str) -> Warnings:
    """Like `warnings`, for responses that issue a key: adds a warning if the auth mode checks no keys."""
    unused = f"the auth mode is {auth_mode}: the gateway checks no keys, so this key has no effect"
    always = () if auth_mode == "managed" else (unused,)
    return lambda messages: warnings((*always, *messages))


async def json_array(values: Iterable[Any]) -> Response:
    """A 200 with an array that may be long. Encodes it in batches, so that other requests get their turn."""
    remaining, parts = iter(values), []
    while part := list(islice(remaining, _BATCH)):
        parts.append(encode(part)[1:-1])
        await asyncio.sleep(0)
    return Response(b"[" + b",".join(parts) + b"]", media_type="application/json", headers=_HEADERS)


def error_response(error: BridgeError) -> Response:
    """The error as a response, for callers that cannot raise it."""
    return Response(error_body(error), error.status, error.headers, media_type="application/json")
