"""Error answers that the server sends by itself, before a request reaches the application.

Each is a complete HTTP response with the gateway's usual error body. The connection closes after it.
"""

from chat2response.api.http.request import error_body
from chat2response.errors import BridgeError

MAX_HEAD = 64 * 1024  # bytes of request line and headers
MAX_WAITING = 32  # pipelined requests that may wait behind the one that is being answered


class RequestRejected(Exception):
    """A parser callback rejected the request; `answer` goes to the client."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


def _rejection(line: bytes, code: str, message: str) -> bytes:
    body = error_body(BridgeError(message, type="invalid_request_error", code=code))
    return (
        b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
        % (line, len(body), body)
    )


def _bad_request(code: str, message: str) -> bytes:
    return _rejection(b"400 Bad Request", code, message)


HEAD_TOO_LARGE = _rejection(
    b"431 Request Header Fields Too Large",
    "request_head_too_large",
    f"The request line and headers are larger than {MAX_HEAD} bytes. Send fewer or shorter headers.",
)
FRAMING_TOO_LARGE = _rejection(
    b"431 Request Header Fields Too Large",
    "request_framing_too_large",
    f"The trailers or chunk extensions of the request are larger than {MAX_HEAD} bytes.",
)
HEAD_TOO_SLOW = _rejection(
    b"408 Request Timeout", "request_head_too_slow", "The request line and headers did not arrive in time."
)
BODY_PAUSED = _rejection(
    b"408 Request Timeout", "request_body_too_slow", "The request body paused for too long."
)
NOT_HTTP = _bad_request("invalid_http", "The request is not valid HTTP/1.1.")
UNSUPPORTED_VERSION = _bad_request(
    "unsupported_http_version", "The server does not support this HTTP version. Use HTTP/1.1 or HTTP/1.0."
)
INVALID_HOST = _bad_request("invalid_host", "Send exactly one Host header. HTTP/1.1 requires it.")
INVALID_TARGET = _bad_request(
    "invalid_request_target",
    "The request target is not for this server. Send a path (/v1/responses), or a URL whose host matches "
    "the Host header.",
)
UNSUPPORTED_TRANSFER_ENCODING = _bad_request(
    "unsupported_transfer_encoding",
    "The server supports only 'Transfer-Encoding: chunked', and only in HTTP/1.1.",
)
TOO_MANY_PIPELINED = _bad_request(
    "too_many_pipelined_requests",
    f"More than {MAX_WAITING} requests wait on this connection. Wait for answers before you send more.",
)


def body_too_slow(rate: int, seconds: float) -> bytes:
    """The answer to a body that arrives below the minimum rate in bytes per second."""
    return _rejection(
        b"408 Request Timeout",
        "request_body_too_slow",
        f"The request body arrives too slowly. Send at least {rate} bytes per second, measured over "
        f"{seconds:g} seconds.",
    )
