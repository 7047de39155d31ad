"""One error tree. Whatever goes wrong becomes one of these, and one place turns it into a body.

    BridgeError                     what a client may see: status, type, code, param, message
    |-- InvalidRequest        400   the caller wrote something we cannot take; `param` names it
    |-- Unauthorized          401   no key, a wrong key, a dead key
    |-- Forbidden             403   a good key, or a good address, that may not do this
    |-- Throttled             429   too many wrong credentials from this address
    |-- NotFound              404   no such route, model, response, key
    |-- MethodNotAllowed      405
    |-- Conflict              409   what is there already, or its state, stands against it
    |-- PayloadTooLarge       413
    |-- UriTooLong            414
    |-- UnsupportedMedia      415
    |-- UpgradeRequired       426   a WebSocket where there is only HTTP
    |-- RateLimited           429   a limit of the key is reached; `Retry-After` where waiting helps
    |-- LoopDetected          508   the upstream, by whatever way, is this gateway
    |-- Unavailable           503   ours to mend: the key store is down, we are draining
    `-- UpstreamError               the upstream answered with an error: its status and words
        |-- UpstreamRefusedUs 502   it refused *our* key (managed mode): never the client's fault
        |-- UpstreamUnreachable 502 no connection, or an answer that cannot be read
        `-- UpstreamTimeout   504   silence past the limit

`message` is public: no upstream address, no key, no path. `internal` goes to the log only.
Field names follow the error object that both OpenAI APIs share.
"""

from collections.abc import Mapping
from typing import Any, ClassVar


class BridgeError(Exception):
    """An error with the shape a client sees; raised anywhere, rendered in `api/`."""

    status: int = 500
    type: str = "server_error"
    code: str | None = None
    label: ClassVar[str] = "internal"  # the metric's word for this family

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
        """The OpenAI error object: all four keys, always."""
        return {"message": self.message, "type": self.type, "param": self.param, "code": self.code}


def release_frames(error: BaseException) -> None:
    """Lets go of the frames that an error, and whatever caused it, came through.

    A frame that has the error in a variable, or an object that keeps it, is a cycle with its traceback: all
    that the call had read would wait for the garbage collector. Call it where an error is taken to be kept or
    answered.
    """
    seen: set[int] = set()
    rest: list[BaseException | None] = [error]
    while rest:
        each = rest.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            each.__traceback__ = None
            rest += (each.__cause__, each.__context__)


class InvalidRequest(BridgeError):
    """400: what the caller sent cannot be taken; `param` is the path of the field, as they wrote it."""

    status = 400
    type = "invalid_request_error"
    label = "invalid_request"


class Unauthorized(BridgeError):
    """401, with the `WWW-Authenticate` that HTTP asks for."""

    status = 401
    type = "invalid_request_error"
    code = "invalid_api_key"
    label = "unauthorized"

    def __init__(self, message: str, **more: Any) -> None:
        super().__init__(message, **more)
        self.headers.setdefault("www-authenticate", "Bearer")


class Forbidden(BridgeError):
    """403."""

    status = 403
    type = "invalid_request_error"
    code = "forbidden"
    label = "forbidden"


class Throttled(BridgeError):
    """429, with `Retry-After`: an address that guesses credentials must wait."""

    status = 429
    type = "invalid_request_error"
    code = "too_many_attempts"
    label = "throttled"


class NotFound(BridgeError):
    """404: also the answer for another tenant's id (law 7)."""

    status = 404
    type = "invalid_request_error"
    label = "not_found"


class MethodNotAllowed(BridgeError):
    """405."""

    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"
    label = "method_not_allowed"


class Conflict(BridgeError):
    """409: it cannot be done to what is there; `code` says what stands against it."""

    status = 409
    type = "invalid_request_error"
    code = "conflict"
    label = "conflict"


class PayloadTooLarge(BridgeError):
    """413: a body over the cap; nothing of it was kept."""

    status = 413
    type = "invalid_request_error"
    code = "request_too_large"
    label = "too_large"


class UriTooLong(BridgeError):
    """414: a query over the cap; nothing of it was parsed."""

    status = 414
    type = "invalid_request_error"
    code = "uri_too_long"
    label = "too_large"


class UnsupportedMedia(BridgeError):
    """415: a content type or content encoding we do not read."""

    status = 415
    type = "invalid_request_error"
    code = "unsupported_media_type"
    label = "unsupported_media"


class RateLimited(BridgeError):
    """429: a key's own limit, not the upstream's."""

    status = 429
    type = "requests"
    code = "rate_limit_exceeded"
    label = "rate_limited"


class UpgradeRequired(BridgeError):
    """426, naming the protocol to use (RFC 9110, 15.5.22); the connection ends."""

    status = 426
    type = "invalid_request_error"
    code = "websocket_not_supported"
    label = "upgrade_required"

    def __init__(self, message: str, **more: Any) -> None:
        super().__init__(message, **more)
        self.headers.update({"upgrade": "HTTP/1.1", "connection": "close"})


class LoopDetected(BridgeError):
    """508: the call has come through gateways like this one too often; one of them is its own upstream."""

    status = 508
    type = "invalid_request_error"
    code = "loop_detected"
    label = "loop"


class Unavailable(BridgeError):
    """503, with `Retry-After`: fail closed (law 8)."""

    status = 503
    type = "server_error"
    code = "service_unavailable"
    label = "unavailable"

    def __init__(self, message: str, **more: Any) -> None:
        super().__init__(message, **more)
        self.headers.setdefault("retry-after", "1")


class UpstreamError(BridgeError):
    """The upstream's own refusal: its status, type, code and message, masked, reach the client."""

    status = 502
    label = "upstream"
    refused_input = False
    """Whether it is the form of `input` that was refused."""
    no_endpoint = False
    """Whether the upstream says that it has no such endpoint."""
    usage: Any = None
    """What the upstream says, in its own form, that the call used before it failed."""
    runs_on = False
    """Whether the upstream works on all the same, and nobody will hear of it."""


class UpstreamUnauthorized(UpstreamError):
    """An upstream 401/403 in managed mode: it concerns the operator's key, not the client's."""

    type = "upstream_authentication_error"
    code = "upstream_authentication_error"
    label = "upstream_auth"


class UpstreamUnreachable(UpstreamError):
    """502: refused, reset, unresolvable, or not understandable."""

    code = "upstream_unreachable"
    label = "upstream_unreachable"


class UpstreamTimeout(UpstreamError):
    """504: no head, or a gap between bytes, for longer than the HTTP timeout."""

    status = 504
    code = "upstream_timeout"
    label = "upstream_timeout"
