"""Makes an upstream's error fit for the client: no secrets, the upstream's headers, the likely cause."""

from chat2response.engine.call import Call
from chat2response.errors import UpstreamError
from chat2response.upstreams.base import Target
from chat2response.upstreams.error_responses import mask_error
from chat2response.upstreams.missing_endpoint import add_likely_cause
from chat2response.wire.headers import HeaderList


def public_error(error: UpstreamError, target: Target, call: Call, headers: HeaderList) -> str | None:
    """Changes `error`. Returns a line for the log, if the upstream lacks the endpoint.

    `headers`: the upstream's, for an error that was raised after its head.
    """
    mask_error(error, target)
    error.message = call.without_key(error.message)
    error.internal = error.internal and call.without_key(error.internal)
    line = add_likely_cause(error, target)
    for name, value in headers:
        error.headers.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return line
