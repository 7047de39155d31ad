"""Answers of the management endpoints, through our codec."""

from typing import Any

from fastapi import Response

from chat2response.api.asgi import error_body
from chat2response.errors import BridgeError
from chat2response.wire.json import encode

# What is told here is a secret once, or out of date at once.
_HEADERS = {"cache-control": "no-store"}


def json_answer(value: Any) -> Response:
    """200."""
    return Response(encode(value), media_type="application/json", headers=_HEADERS)


def refusal(error: BridgeError) -> Response:
    """The error as an answer, where it cannot be raised."""
    return Response(error_body(error), error.status, error.headers, media_type="application/json")
