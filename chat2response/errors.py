"""The error tree. Every failure becomes one of these, and one place turns it into a response body.

    BridgeError                     the public part of an error: status, type, code, param, message
    |-- InvalidRequest        400   the request is invalid; `param` names the field
    |-- Unauthorized          401   no key, a wrong key, an expired or revoked key
    |-- Forbidden             403   the key or address does not have this permission
    |-- Throttled             429   too many wrong credentials from this address
    |-- NotFound              404   no such route, model, response, key
    |-- MethodNotAllowed      405
    |-- Conflict              409   the resource exists already, or its state does not allow this
    |-- PayloadTooLarge       413
    |-- UriTooLong            414
    |-- UnsupportedMedia      415
    |-- UpgradeRequired       426   a WebSocket where only HTTP is supported
    |-- RateLimited           429   a limit of the key is reached; `Retry-After` if waiting helps
    |-- LoopDetected          508   the upstream is this gateway, directly or not
    |-- Unavailable           503   the gateway cannot serve now: no key store, or shutting down
    `-- UpstreamError               the upstream answered with an error: its status and message
        |-- UpstreamUnauthorized 502 it rejected the gateway's key (managed mode): not the client's fault
        |-- UpstreamUnreachable 502 no connection, or an unreadable answer
        `-- UpstreamTimeout   504   no data within the time limit

`message` is public, so it contains no upstream address, key or file path. `internal` goes to the log only.
The fields are those of the error object of both OpenAI APIs.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class BridgeError(Exception):
    """An error that a client sees. Raised anywhere; `api/` renders it."""

    status: int = 500
    type: str = "server_error"
    code: str | None = None
    label: ClassVar[str] = "internal"  # of the error metric

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        type: str | None = None,
        code: str | None = None,
        param: str | None = None,
        internal: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status or self.status
        self.type = type or self.type
        self.code = code or self.code
        self.param = param
        self.internal = internal
        self.headers: dict[str, str] = dict(headers or {})

    def fields(self) -> dict[str, Any]:
        """The OpenAI error object, always with all four keys."""
        return {"message": self.message, "type": self.type, "param": self.param, "code": self.code}


def release_frames(error: BaseException) -> None:
    """Removes the tracebacks of an error and its causes, and with them the references to their frames.

    A frame with a variable that refers to the error forms a cycle with the traceback, so everything the call
    has read would stay until the garbage collector runs. Call this wherever an error is stored or answered.
    """
    seen: set[int] = set()
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = None
            pending += (each.__cause__, each.__context__)


class InvalidRequest(BridgeError):
    """400: the request is invalid; `param` is the path of the field in the client's own request."""

    status = 400
    type = "invalid_request_error"
    label = "invalid_request"


class Unauthorized(BridgeError):
    """401, with the `WWW-Authenticate` header that HTTP requires."""

    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"
    label = "unauthorized"

    def __init__(self, message: str, **more: Any) -> None:
        super().__init__(message, **more)
        self.headers.setdefault("www-authenticate", "Bearer")


class Forbidden(BridgeError):
    """403: the key or the address may not do this."""

    status = 403
    type = "invalid_request_error"
    code = "forbidden"
    label = "forbidden"


class Throttled(BridgeError):
    """429, with `Retry-After`: slows down addresses that guess credentials."""

    status = 429
    type = "invalid_request_error"
    code = "too_many_attempts"
    label = "throttled"


class NotFound(BridgeError):
    """404. Also the answer for another tenant's id (law 7, tenants never meet)."""

    status = 404
    type = "invalid_request_error"
    label = "not_found"


class MethodNotAllowed(BridgeError):
    """405: the path exists, but not with this method; the header `Allow` names the methods it has."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"
    label = "method_not_allowed"


class Conflict(BridgeError):
    """409: the state of the resource does not allow this; `code` says why."""

    status = 409
    type = "invalid_request_error"
    code = "conflict"
    label = "conflict"


class PayloadTooLarge(BridgeError):
    """413: the body exceeds the size limit; none of it is stored."""

    status = 413
    type = "invalid_request_error"
    code = "request_too_large"
    label = "too_large"


class UriTooLong(BridgeError):
    """414: the query exceeds the size limit; none of it is parsed."""

    status = 414
    type = "invalid_request_error"
    code = "uri_too_long"
    label = "too_large"


class UnsupportedMedia(BridgeError):
    """415: the gateway does not support the content type or content encoding."""

    status = 415
    type = "invalid_request_error"
    code = "unsupported_media_type"
    label = "unsupported_media"


class RateLimited(BridgeError):
    """429: a limit of the key, not of the upstream."""

    status = 429
    type = "requests"
    code = "rate_limit_exceeded"
    label = "rate_limited"


class UpgradeRequired(BridgeError):
    """426, with the protocol to use (RFC 9110, 15.5.22); closes the connection."""

    status = 426
    type = "invalid_request_error"
    code = "websocket_not_supported"
    label = "upgrade_required"

    def __init__(self, message: str, **more: Any) -> None:
        super().__init__(message, **more)
        self.headers.update({"upgrade": "HTTP/1.1", "connection": "close"})


class LoopDetected(BridgeError):
    """508: the call has passed through too many gateways like this one; one of them is its own upstream."""

    status = 508
    type = "invalid_request_error"
    code = "loop_detected"
    label = "loop"


class Unavailable(BridgeError):
    """503, with `Retry-After` (law 8, fail closed)."""

    status = 503
    type = "server_error"
    code = "service_unavailable"
    label = "unavailable"

    def __init__(self, message: str, **more: Any) -> None:
        super().__init__(message, **more)
        self.headers.setdefault("retry-after", "1")


class UpstreamError(BridgeError):
    """An error of the upstream. The client gets its status, type and code, and its masked message."""

    status = 502
    label = "upstream"
    refused_input = False
    """Whether the upstream rejected the form of `input`."""
    no_endpoint = False
    """Whether the upstream reported that it has no such endpoint."""
    usage: Any = None
    """The usage of the failed call, in the form of the upstream."""
    still_running = False
    """Whether the upstream continues the call although nobody reads its answer."""


class UpstreamUnauthorized(UpstreamError):
    """502 for an upstream 401 or 403 in managed mode, which is about the operator's key, not the client's."""

    type = "upstream_authentication_error"
    code = "upstream_authentication_error"
    label = "upstream_auth"


class UpstreamUnreachable(UpstreamError):
    """502: the connection was refused or reset, the name is unknown, or the answer is unreadable."""

    code = "upstream_unreachable"
    label = "upstream_unreachable"


class UpstreamTimeout(UpstreamError):
    """504: no response head, or no further bytes, within the HTTP timeout."""

    status = 504
    code = "upstream_timeout"
    label = "upstream_timeout"
