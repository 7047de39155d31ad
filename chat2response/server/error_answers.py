"""What the server answers by itself, before a request reaches the application: whole answers, in the one
shape that errors have here. The connection ends behind each of them."""

from chat2response.api.http.request import error_body
from chat2response.errors import BridgeError

MAX_HEAD = 64 * 1024  # bytes of request line and headers
MAX_WAITING = 32  # requests of one connection behind the one that is being answered


class Refused(Exception):
    """A callback of the parser found the request unfit. `answer`: what the client gets."""

    def __init__(self, answer: bytes) -> None:
        super().__init__()
        self.answer = answer


def _refusal(line: bytes, code: str, message: str) -> bytes:
    body = error_body(BridgeError(message, type="invalid_request_error", code=code))
    return (
        b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b"
        % (line, len(body), body)
    )


def _bad(code: str, message: str) -> bytes:
    return _refusal(b"400 Bad Request", code, message)


TOO_LARGE = _refusal(
    b"431 Request Header Fields Too Large",
    "request_head_too_large",
    f"The head of the request is larger than {MAX_HEAD} bytes.",
)
FRAMING_TOO_LARGE = _refusal(
    b"431 Request Header Fields Too Large",
    "request_framing_too_large",
    f"Trailers or chunk extensions of the request are larger than {MAX_HEAD} bytes.",
)
TOO_SLOW = _refusal(
    b"408 Request Timeout", "request_head_too_slow", "The head of the request was not sent in time."
)
PAUSED = _refusal(
    b"408 Request Timeout", "request_body_too_slow", "The body of the request paused for too long."
)
NOT_HTTP = _bad("invalid_http", "What was sent is not HTTP/1.1.")
VERSION = _bad(
    "unsupported_http_version", "This server speaks HTTP/1.1 (and takes HTTP/1.0): send one of these."
)
HOST = _bad("invalid_host", "Send the Host header exactly once: HTTP/1.1 asks for it.")
TARGET = _bad(
    "invalid_request_target",
    "The request's target is not for this server: send a path (/v1/responses), or a URL whose host is that "
    "of the Host header.",
)
CODING = _bad("unsupported_transfer_encoding", "The only Transfer-Encoding here is chunked, in HTTP/1.1.")
TOO_MANY = _bad(
    "too_many_pipelined_requests",
    f"More than {MAX_WAITING} requests wait in this connection: send the next ones behind their answers.",
)


def too_thin(rate: int, seconds: float) -> bytes:
    """The answer to a body that comes below the minimum rate."""
    return _refusal(
        b"408 Request Timeout",
        "request_body_too_slow",
        f"The body of the request comes too slowly: send at least {rate} bytes a second, over any "
        f"{seconds:g} seconds.",
    )
