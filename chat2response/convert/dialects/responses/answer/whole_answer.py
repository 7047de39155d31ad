"""Reads a whole response of an upstream: an answer, or a failure."""

from typing import Any

from chat2response.convert import outcome
from chat2response.convert.errors.upstream_errors import read_upstream_error
from chat2response.errors import UpstreamError
from chat2response.wire.responses import RUNNING, Response


def read_response(body: Any) -> Response:
    """The response if it is `completed` or `incomplete`. Raises UpstreamError for anything else."""
    _check(body)
    ending = outcome.from_response(body)
    if ending.error is not None:
        if isinstance(ending.error, UpstreamError):
            ending.error.usage = body.get("usage")
            ending.error.still_running = body.get("status") in RUNNING
        raise ending.error
    return body  # type: ignore[no-any-return]


def as_event(response: Any) -> dict[str, Any]:
    """Wraps a response in its terminal event, for an upstream that did not stream as requested.

    Raises UpstreamError if it is no response.
    """
    _check(response)
    return {"type": f"response.{outcome.from_response(response).status}", "response": response}


def _check(body: Any) -> None:
    if not _is_response(body):
        raise read_upstream_error(body) or UpstreamError(
            "The upstream's answer is not a Responses API response."
        )


def _is_response(body: Any) -> bool:
    """Whether it has the name of a response, or (some servers omit that) an output."""
    return type(body) is dict and (body.get("object") == "response" or type(body.get("output")) is list)
