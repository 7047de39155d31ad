"""Errors as upstreams write them, made into the one shape both OpenAI APIs share.

Known forms: `{"error": {message, type, code, param}}`, `{"error": "text"}`, `{"object": "error", "message"}`,
`{"detail": "text" | [...]}`, `{"message": "text", "code"}`, an Anthropic-like `{"type": "error", "error":
{...}}`, Google's `[{"error": {...}}]`, Cloudflare's `{"errors": [{...}]}`.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.verdicts import verdict
from chat2response.errors import UpstreamError

MAX_MESSAGE = 8192  # characters of an upstream's message that are passed on

_STATUS_BY_WORD = {
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "insufficient_quota": 429,
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "not_found_error": 404,
    "model_not_found": 404,
    "overloaded_error": 503,
    "timeout_error": 504,
}
_TYPE_BY_STATUS = {429: "rate_limit_error", 401: "invalid_request_error", 404: "invalid_request_error"}


def upstream_error(body: Any, status: int | None = None) -> UpstreamError | None:
    """The error in a decoded body; None where the body is not an error.

    `status` is the HTTP status; without one (an error inside a 200 stream) it is what the error says of
    itself, else 502.
    """
    if type(body) is list:
        body = body[0] if len(body) == 1 else None
    if type(body) is not dict:
        return None
    fields = _fields(body, strict=status is None)
    if fields is None:
        return None
    error = _from_fields(fields, status)
    error.usage = _usage(body)
    return error


def _usage(body: Mapping[str, Any]) -> Any:
    """What a call that failed has used, beside its error, in it, or in the response that failed."""
    places = (body, body.get("response"), body.get("error"))
    return next((each["usage"] for each in places if type(each) is dict and each.get("usage")), None)


def plain_error(text: str, status: int) -> UpstreamError:
    """For a body that holds no error we can read."""
    shown = text.strip()[:500] or f"The upstream answered with status {status}."
    code = verdict(None, None, shown, status)
    return UpstreamError(shown, status=status, type=_type(status), code=code)


def _fields(body: dict[str, Any], *, strict: bool) -> dict[str, Any] | None:
    """The object that holds message, type and code.

    `strict`: no HTTP status says that it is an error, so a bare message is none.
    """
    held = body.get("error")
    if type(held) is dict and (held or not strict):
        return held
    if type(held) is str and held:
        return {**body, "message": held}
    several = body.get("errors")
    if type(several) is list and several:
        return several[0] if type(several[0]) is dict else {"message": several[0]}
    if body.get("object") == "error" or body.get("type") == "error" or held is True:
        return {name: value for name, value in body.items() if name != "type" or value != "error"}
    if "detail" in body and "message" not in body:
        return {**body, "message": body["detail"]}
    if "message" in body and (not strict or ("code" in body and "choices" not in body)):
        return body
    return None


def _from_fields(fields: Mapping[str, Any], status: int | None) -> UpstreamError:
    given = fields.get("code")
    code, kind = str(given) if type(given) is int else _string(given), _string(fields.get("type"))
    message = _text(fields.get("message"))[:MAX_MESSAGE]
    code = verdict(code, kind, message, status)
    status = status or _status(fields, code)
    return UpstreamError(
        message or f"The upstream answered with status {status}.",
        status=status,
        type=kind or _type(status),
        code=code,
        param=_string(fields.get("param")),
    )


def _status(fields: Mapping[str, Any], code: str | None) -> int:
    for name in ("status", "code", "status_code"):
        value = fields.get(name)
        if type(value) is str and value.isdecimal() and len(value) == 3:
            value = int(value)
        if type(value) is int and 400 <= value <= 599:
            # Our credentials were good enough for a 200: this is about the upstream's own, one hop on.
            return 502 if value in (401, 403) else value
    for value in (code, fields.get("code"), fields.get("type")):
        if type(value) is str and value in _STATUS_BY_WORD:
            return _STATUS_BY_WORD[value]
    return 502


def _type(status: int) -> str:
    return _TYPE_BY_STATUS.get(status, "server_error" if status >= 500 else "invalid_request_error")


def _string(value: Any) -> str | None:
    return value if type(value) is str and value else None


def _text(value: Any) -> str:
    """A message, or FastAPI's list of `{msg}`; one level deep, for the value is a stranger's."""
    if type(value) is list:
        return "; ".join(filter(None, map(_line, value)))
    return _line(value)


def _line(value: Any) -> str:
    if type(value) is dict:
        value = value.get("msg") or value.get("message")
    if type(value) is str:
        return value
    return str(value) if type(value) in (int, float) else ""
