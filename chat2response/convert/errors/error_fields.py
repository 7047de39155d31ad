"""Finds the message, code, type and param of an error object, at whatever level they are.

Gateways often nest the provider's error (in `metadata.raw`, in a `detail` that is an object, as JSON in a
string) and add little of their own. No value is trusted: each is read once, and only a few levels deep.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chat2response.convert.errors.codes import is_known_code
from chat2response.wire.json import JSONError, decode_leniently, encode, too_deep
from chat2response.wire.json_size import SMALL_DOCUMENT

MESSAGE_KEYS = (
    *("message", "msg", "error_message", "errorMessage", "error_msg", "errorMsg", "err_msg", "status_msg"),
    "Message",
)
"""The keys of an error's message, in order of precedence."""
_NESTED_KEYS = (
    *("error", "detail", "details", "errors", "Error", "err", "cause", "reason", "description"),
    *("error_description", "title"),
)
"""The keys that may contain another error, or a plain text."""
_CODE_KEYS = ("code", "error_code", "errorCode", "err_code", "Code")
_KNOWN_KEYS = frozenset({*MESSAGE_KEYS, *_CODE_KEYS, "type", "param", "status", "object", "success"})
_MAX_DEPTH = 5
_MAX_ENTRIES = 20  # of a list
_MAX_QUOTED = 500  # characters of an error without a message


@dataclass(frozen=True, slots=True)
class ErrorFields:
    """The fields of an error; `kind` is its type. Missing ones are empty."""

    message: str = ""
    code: str | None = None
    kind: str | None = None
    param: str | None = None


def read_error_fields(error: Mapping[str, Any]) -> ErrorFields:
    """The fields of an error object. Without a message, the object itself as JSON is the message."""
    fields = _in_object(error, _MAX_DEPTH)
    if fields.message or too_deep(error) or not any(error[name] for name in error if name not in _KNOWN_KEYS):
        return fields
    return ErrorFields(encode(error).decode()[:_MAX_QUOTED], fields.code, fields.kind, fields.param)


def _in_value(value: Any, depth: int) -> ErrorFields:
    if type(value) is str:
        return _in_text(value, depth)
    if type(value) in (int, float):
        return ErrorFields(str(value))
    if depth <= 0:
        return ErrorFields()
    if type(value) is dict:
        return _in_object(value, depth)
    if type(value) is list:
        errors = [error for each in value[:_MAX_ENTRIES] if (error := _in_value(each, depth - 1)).message]
        first = errors[0] if errors else ErrorFields()
        return ErrorFields("; ".join(each.message for each in errors), first.code, first.kind, first.param)
    return ErrorFields()


def _in_text(text: str, depth: int) -> ErrorFields:
    """The text, or the error that the text contains as JSON."""
    if depth > 0 and text.lstrip()[:1] in ("{", "[") and len(text) <= SMALL_DOCUMENT:
        try:
            fields = _in_value(decode_leniently(text.encode("utf-8", "replace")), depth - 1)
        except JSONError:
            fields = ErrorFields()
        if fields.message:
            return fields
    return ErrorFields(text)


def _in_object(error: Mapping[str, Any], depth: int) -> ErrorFields:
    message = next((value for name in MESSAGE_KEYS if (value := error.get(name))), None)
    inner = _in_value(message, depth - 1)
    for name in _NESTED_KEYS if not inner.message else ():
        if error.get(name) and (inner := _in_value(error[name], depth - 1)).message:
            break
    full = _with_details(inner, error, depth)
    code, kind, param = _code(error), _string(error.get("type")), _string(error.get("param"))
    return ErrorFields(full.message, _preferred_code(code, full.code), kind or full.kind, param or full.param)


def _with_details(fields: ErrorFields, error: Mapping[str, Any], depth: int) -> ErrorFields:
    """Adds the provider's own error (`metadata.raw`) and the model's output (`failed_generation`)."""
    metadata, generation = error.get("metadata"), error.get("failed_generation")
    raw = _in_value(metadata.get("raw"), depth - 1) if type(metadata) is dict else ErrorFields()
    message = fields.message
    if raw.message and raw.message not in message:
        message = f"{message}: {raw.message}" if message else raw.message
    if generation and type(generation) is not str:
        generation = "" if too_deep(generation) else encode(generation).decode()
    if generation and generation not in message:
        message = f"{message}\nfailed_generation: {generation}"
    return ErrorFields(
        message, _preferred_code(fields.code, raw.code), fields.kind or raw.kind, fields.param or raw.param
    )


def _preferred_code(code: str | None, inner: str | None) -> str | None:
    """The more specific code: one that clients act on, else the outer one, unless that is only a number."""
    if inner is None or code is None:
        return code or inner
    return inner if not is_known_code(code) and (is_known_code(inner) or code.isdecimal()) else code


def _code(error: Mapping[str, Any]) -> str | None:
    for name in _CODE_KEYS:
        value = error.get(name)
        if type(value) is int:
            return str(value)
        if type(value) is str and value:
            return value
    return None


def _string(value: Any) -> str | None:
    return value if type(value) is str and value else None
