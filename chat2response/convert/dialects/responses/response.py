"""A whole response as an upstream sent it: is it an answer, or a failure?"""

from typing import Any

from chat2response.convert import outcome
from chat2response.convert.errors.upstream_errors import upstream_error
from chat2response.errors import UpstreamError
from chat2response.wire.responses import Response

RUNNING = ("queued", "in_progress")
"""The statuses of a response that its server still works on."""


def read_response(body: Any) -> Response:
    """The response, when it is `completed` or `incomplete`. Raises UpstreamError for anything else."""
    _check(body)
    ended = outcome.from_response(body)
    if ended.error is not None:
        if isinstance(ended.error, UpstreamError):
            ended.error.usage = body.get("usage")
            ended.error.still_running = body.get("status") in RUNNING
        raise ended.error
    return body  # type: ignore[no-any-return]


def as_event(response: Any) -> dict[str, Any]:
    """A response as the terminal event that carries it, for a server that was asked to stream and did not.

    Raises UpstreamError where it is none.
    """
    _check(response)
    return {"type": f"response.{outcome.from_response(response).status}", "response": response}


def _check(body: Any) -> None:
    if not _is_response(body):
        raise upstream_error(body) or UpstreamError("The upstream's answer is not a response.")


def _is_response(body: Any) -> bool:
    """By its name, or (some servers leave that out) by its output."""
    return type(body) is dict and (body.get("object") == "response" or type(body.get("output")) is list)
