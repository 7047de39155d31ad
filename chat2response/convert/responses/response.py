"""A whole response as an upstream sent it: is it an answer, or a failure?"""

from typing import Any

from chat2response.convert.failures import upstream_error
from chat2response.convert.responses.read import response_outcome
from chat2response.errors import UpstreamError
from chat2response.wire.responses import Response


def read_response(body: Any) -> Response:
    """The response, when it is `completed` or `incomplete`. Raises UpstreamError for anything else."""
    if type(body) is not dict or body.get("object") != "response":
        raise upstream_error(body) or UpstreamError("The upstream's answer is not a response.")
    ended = response_outcome(str(body.get("status")), body)
    if ended.error is not None:
        raise ended.error
    return body  # type: ignore[return-value]
