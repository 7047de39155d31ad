"""Reads the errors of upstreams into an `UpstreamError`, the shape that both OpenAI APIs share.

Known forms: `{"error": {message, type, code, param}}`, `{"error": "text"}`, `{"object": "error", "message"}`,
`{"detail": "text" | [...] | {...}}`, `{"message": "text", "code"}`, an Anthropic-like `{"type": "error",
"error": {...}}`, Google's `[{"error": {...}}]`, Cloudflare's `{"errors": [{...}]}`, MiniMax's `{"base_resp":
{"status_code", "status_msg"}}`. `error_fields` reads the fields of such an object.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.errors.codes import base_resp_code, classify_error
from chat2response.convert.errors.error_fields import MESSAGE_KEYS, read_error_fields
from chat2response.errors import UpstreamError
from chat2response.wire.json import JSONError, decode_leniently

MAX_MESSAGE = 8192  # characters of an upstream's message; the rest is cut off

_STATUS_BY_NAME = {
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


def read_upstream_error(body: Any, status: int | None = None, *, named: bool = False) -> UpstreamError | None:
    """The error in a decoded body; None if the body is not an error.

    `status` is the HTTP status. Without one (an error inside a 200 stream) the error's own status counts,
    else 502. `named`: the body comes from an event named `error`, so a bare message is an error too.
    """
    if type(body) is list:
        body = body[0] if len(body) == 1 else None
    if type(body) is not dict:
        return None
    fields = _fields(body, strict=status is None and not named)
    if fields is None:
        return None
    error = _from_fields(fields, status)
    error.usage = _usage(body)
    return error


def read_error_event(payload: bytes) -> UpstreamError:
    """The error in an event named `error`; its payload may have any form."""
    is_text = False
    try:
        value = decode_leniently(payload)
    except JSONError:
        value, is_text = None, True
    if error := read_upstream_error(value, named=True):
        return error
    error_fields = read_error_fields(value if type(value) is dict else {"message": value})
    text = error_fields.message or (payload.decode("utf-8", "replace").strip()[:500] if is_text else "")
    code = classify_error(error_fields.code, error_fields.kind, text, None)
    return UpstreamError(text or "The upstream reported an error.", status=_status({}, code), code=code)


def _usage(body: Mapping[str, Any]) -> Any:
    """The usage of a failed call: beside the error, inside it, or in the failed response."""
    containers = (body, body.get("response"), body.get("error"))
    return next((each["usage"] for each in containers if type(each) is dict and each.get("usage")), None)


def plain_error(text: str, status: int) -> UpstreamError:
    """The error for a body that is not a known form of error; its message is the start of the body."""
    message = text.strip()[:500] or f"The upstream answered with status {status}."
    code = classify_error(None, None, message, status)
    return UpstreamError(message, status=status, type=_type(status), code=code)


def _fields(body: dict[str, Any], *, strict: bool) -> dict[str, Any] | None:
    """The object with message, type and code; None if there is none.

    `strict`: no HTTP status marks the body as an error, so a bare message is not enough.
    """
    error = body.get("error")
    if type(error) is dict and (error or not strict):
        return error
    if type(error) is str and error:
        return {**body, "message": error}
    errors = body.get("errors")
    if type(errors) is list and errors:
        return errors[0] if type(errors[0]) is dict else {"message": errors[0]}
    if body.get("object") == "error" or body.get("type") == "error" or error is True:
        return {name: value for name, value in body.items() if name != "type" or value != "error"}
    if "detail" in body and "message" not in body:
        detail = body["detail"]
        return detail if type(detail) is dict else {**body, "message": detail}
    if strict and body.get("choices"):
        return None  # an answer, whatever else it contains
    return _bare_message(body, strict=strict) or _base_resp(body)


def _bare_message(body: dict[str, Any], *, strict: bool) -> dict[str, Any] | None:
    """The body, if its message has no object of its own; unless `strict`, also an object one level down."""
    has_message = any(body.get(name) for name in MESSAGE_KEYS)
    if not strict:
        inner = (value for value in body.values() if type(value) is dict)
        return body if has_message else next(filter(None, (_if_error(each) for each in inner)), None)
    has_code = any(body.get(name) is not None for name in ("code", "error_code", "errorCode"))
    return body if has_message and has_code else None


def _if_error(value: dict[str, Any]) -> dict[str, Any] | None:
    return value if any(value.get(name) for name in (*MESSAGE_KEYS, "error")) else None


def _base_resp(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """The error of MiniMax: an answer without choices whose number is not 0."""
    base = body.get("base_resp")
    number = base.get("status_code") if type(base) is dict else None
    if type(base) is not dict or type(number) is not int or not number or body.get("choices"):
        return None
    return {"message": base.get("status_msg"), "code": base_resp_code(number)}


def _from_fields(fields: Mapping[str, Any], status: int | None) -> UpstreamError:
    error = read_error_fields(fields)
    message = error.message[:MAX_MESSAGE]
    code = classify_error(error.code, error.kind, message, status)
    if status is None:
        status = _status(fields, code)
        code = classify_error(code, None, "", status)
    return UpstreamError(
        message or f"The upstream answered with status {status}.",
        status=status,
        type=error.kind or _type(status),
        code=code,
        param=error.param,
    )


def _status(fields: Mapping[str, Any], code: str | None) -> int:
    for value in (*map(fields.get, ("status", "code", "status_code")), code):
        if type(value) is str and value.isdecimal() and len(value) == 3:
            value = int(value)
        if type(value) is int and 400 <= value <= 599:
            # The gateway's credentials were accepted, so this is about the upstream's own, one hop further.
            return 502 if value in (401, 403) else value
    for value in (code, fields.get("code"), fields.get("type")):
        if type(value) is str and value in _STATUS_BY_NAME:
            return _STATUS_BY_NAME[value]
    return 502


def _type(status: int) -> str:
    return _TYPE_BY_STATUS.get(status, "server_error" if status >= 500 else "invalid_request_error")
