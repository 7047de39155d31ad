"""Errors as upstreams write them, made into the one shape both OpenAI APIs share.

Known forms: `{"error": {message, type, code, param}}`, `{"error": "text"}`, `{"object": "error", "message"}`,
`{"detail": "text" | [...]}`, `{"message": "text"}`, an Anthropic-like `{"type": "error", "error": {...}}`.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.errors import UpstreamError

_DEFAULT_TYPE = {400: "invalid_request_error", 401: "invalid_request_error", 404: "invalid_request_error"}


def upstream_error(body: Any, status: int | None = None) -> UpstreamError | None:
    """The error in a decoded body; None where the body is not an error.

    `status` is the HTTP status; without one (an error inside a 200 stream) it is taken from a numeric
    `code` or `status` in the error, else 502.
    """
    if type(body) is not dict:
        return None
    held = body.get("error")
    if type(held) is dict:
        return _from_fields(held, status)
    if type(held) is str and held:
        return _from_fields({**body, "message": held}, status)
    if body.get("object") == "error" or body.get("type") == "error":
        return _from_fields(body, status)
    if status is not None or "detail" in body:
        for name in ("message", "detail"):
            if name in body:
                return _from_fields({**body, "message": _text(body[name])}, status)
    return None


def plain_error(text: str, status: int) -> UpstreamError:
    """For a body that holds no error we can read."""
    shown = text.strip()[:500] or f"The upstream answered with status {status}."
    return UpstreamError(shown, status=status, type=_type(status))


def _from_fields(fields: Mapping[str, Any], status: int | None) -> UpstreamError:
    code = fields.get("code")
    status = status or _status(fields)
    return UpstreamError(
        _text(fields.get("message")) or f"The upstream answered with status {status}.",
        status=status,
        type=_string(fields.get("type")) or _type(status),
        code=None if code is None else str(code),
        param=_string(fields.get("param")),
    )


def _status(fields: Mapping[str, Any]) -> int:
    for name in ("status", "code", "status_code"):
        value = fields.get(name)
        if type(value) is int and 400 <= value <= 599:
            return value
    return 429 if fields.get("code") == "rate_limit_exceeded" else 502


def _type(status: int) -> str:
    if status == 429:
        return "rate_limit_error"
    return _DEFAULT_TYPE.get(status, "server_error" if status >= 500 else "invalid_request_error")


def _string(value: Any) -> str | None:
    return value if type(value) is str and value else None


def _text(value: Any) -> str:
    if type(value) is str:
        return value
    if type(value) is list:
        return "; ".join(_text(part.get("msg") if type(part) is dict else part) for part in value)
    return "" if value is None else str(value)
