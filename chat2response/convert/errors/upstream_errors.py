"""Errors as upstreams write them, made into the one shape both OpenAI APIs share.

Known forms: `{"error": {message, type, code, param}}`, `{"error": "text"}`, `{"object": "error", "message"}`,
`{"detail": "text" | [...] | {...}}`, `{"message": "text", "code"}`, an Anthropic-like `{"type": "error",
"error": {...}}`, Google's `[{"error": {...}}]`, Cloudflare's `{"errors": [{...}]}`, MiniMax's `{"base_resp":
{"status_code", "status_msg"}}`. What such an object says, `error_words` finds.
"""

from collections.abc import Mapping
from typing import Any

from chat2response.convert.errors.codes import base_resp_code, classify_error
from chat2response.convert.errors.error_fields import MESSAGE_KEYS, read_error_fields
from chat2response.errors import UpstreamError
from chat2response.wire.json import JSONError, decode_leniently

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


def upstream_error(body: Any, status: int | None = None, *, named: bool = False) -> UpstreamError | None:
    """The error in a decoded body; None where the body is not an error.

    `status` is the HTTP status; without one (an error inside a 200 stream) it is what the error says of
    itself, else 502. `named`: it stands in an event named `error`, so a bare message is one.
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


def error_event(payload: bytes) -> UpstreamError:
    """The error in an event that is named `error`, whatever its payload is."""
    mere_text = False
    try:
        value = decode_leniently(payload)
    except JSONError:
        value, mere_text = None, True
    if error := upstream_error(value, named=True):
        return error
    words = read_error_fields(value if type(value) is dict else {"message": value})
    text = words.message or (payload.decode("utf-8", "replace").strip()[:500] if mere_text else "")
    code = classify_error(words.code, words.kind, text, None)
    return UpstreamError(text or "The upstream reported an error.", status=_status({}, code), code=code)


def _usage(body: Mapping[str, Any]) -> Any:
    """What a call that failed has used, beside its error, in it, or in the response that failed."""
    places = (body, body.get("response"), body.get("error"))
    return next((each["usage"] for each in places if type(each) is dict and each.get("usage")), None)


def plain_error(text: str, status: int) -> UpstreamError:
    """For a body that holds no error we can read."""
    shown = text.strip()[:500] or f"The upstream answered with status {status}."
    code = classify_error(None, None, shown, status)
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
        detail = body["detail"]
        return detail if type(detail) is dict else {**body, "message": detail}
    if strict and body.get("choices"):
        return None  # an answer, whatever stands beside it
    return _bare(body, strict=strict) or _base_resp(body)


def _bare(body: dict[str, Any], *, strict: bool) -> dict[str, Any] | None:
    """A message without an object of its own; or, where there is a status, one that is a level down."""
    told = any(body.get(name) for name in MESSAGE_KEYS)
    if not strict:
        inner = (value for value in body.values() if type(value) is dict)
        return body if told else next(filter(None, (_known(each) for each in inner)), None)
    coded = any(body.get(name) is not None for name in ("code", "error_code", "errorCode"))
    return body if told and coded else None


def _known(value: dict[str, Any]) -> dict[str, Any] | None:
    return value if any(value.get(name) for name in (*MESSAGE_KEYS, "error")) else None


def _base_resp(body: Mapping[str, Any]) -> dict[str, Any] | None:
    """MiniMax's: an answer without choices, and a number that is not 0."""
    base = body.get("base_resp")
    number = base.get("status_code") if type(base) is dict else None
    if type(base) is not dict or type(number) is not int or not number or body.get("choices"):
        return None
    return {"message": base.get("status_msg"), "code": base_resp_code(number)}


def _from_fields(fields: Mapping[str, Any], status: int | None) -> UpstreamError:
    words = read_error_fields(fields)
    message = words.message[:MAX_MESSAGE]
    code = classify_error(words.code, words.kind, message, status)
    if status is None:
        status = _status(fields, code)
        code = classify_error(code, None, "", status)
    return UpstreamError(
        message or f"The upstream answered with status {status}.",
        status=status,
        type=words.kind or _type(status),
        code=code,
        param=words.param,
    )


def _status(fields: Mapping[str, Any], code: str | None) -> int:
    for value in (*map(fields.get, ("status", "code", "status_code")), code):
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
