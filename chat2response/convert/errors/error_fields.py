"""What an error says, wherever in it that stands: message, code, type and param.

Gateways put the words of the provider behind them one level down (`metadata.raw`, a `detail` that is an
object, JSON in a string), and say little themselves. Every value is a stranger's: each is looked at once,
few levels deep.
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
"""The names of what an error says, in the order in which they count."""
_HOLDERS = (
    *("error", "detail", "details", "errors", "Error", "err", "cause", "reason", "description"),
    *("error_description", "title"),
)
"""Where there may be another error, or mere words."""
_CODES = ("code", "error_code", "errorCode", "err_code", "Code")
_PLAIN = frozenset({*MESSAGE_KEYS, *_CODES, "type", "param", "status", "object", "success"})
_DEEPEST = 5
_ENTRIES = 20  # of a list
_QUOTED = 500  # characters of an error that has no words


@dataclass(frozen=True, slots=True)
class ErrorFields:
    """What was found; empty where nothing was."""

    message: str = ""
    code: str | None = None
    kind: str | None = None
    param: str | None = None


def read_error_fields(error: Mapping[str, Any]) -> ErrorFields:
    """The words of an error object; of one without a message, the object itself as JSON."""
    found = _in_object(error, _DEEPEST)
    if found.message or too_deep(error) or not any(error[name] for name in error if name not in _PLAIN):
        return found
    return ErrorFields(encode(error).decode()[:_QUOTED], found.code, found.kind, found.param)


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
        found = [words for each in value[:_ENTRIES] if (words := _in_value(each, depth - 1)).message]
        first = found[0] if found else ErrorFields()
        return ErrorFields("; ".join(each.message for each in found), first.code, first.kind, first.param)
    return ErrorFields()


def _in_text(text: str, depth: int) -> ErrorFields:
    """The text, or the error that it is as JSON."""
    if depth > 0 and text.lstrip()[:1] in ("{", "[") and len(text) <= SMALL_DOCUMENT:
        try:
            found = _in_value(decode_leniently(text.encode("utf-8", "replace")), depth - 1)
        except JSONError:
            found = ErrorFields()
        if found.message:
            return found
    return ErrorFields(text)


def _in_object(error: Mapping[str, Any], depth: int) -> ErrorFields:
    told = next((value for name in MESSAGE_KEYS if (value := error.get(name))), None)
    inner = _in_value(told, depth - 1)
    for name in _HOLDERS if not inner.message else ():
        if error.get(name) and (inner := _in_value(error[name], depth - 1)).message:
            break
    own = _joined(inner, error, depth)
    code, kind, param = _code(error), _string(error.get("type")), _string(error.get("param"))
    return ErrorFields(own.message, _better(code, own.code), kind or own.kind, param or own.param)


def _joined(words: ErrorFields, error: Mapping[str, Any], depth: int) -> ErrorFields:
    """With what stands beside a message that says little: a provider's own words, what a model wrote."""
    metadata, written = error.get("metadata"), error.get("failed_generation")
    raw = _in_value(metadata.get("raw"), depth - 1) if type(metadata) is dict else ErrorFields()
    message = words.message
    if raw.message and raw.message not in message:
        message = f"{message}: {raw.message}" if message else raw.message
    if written and type(written) is not str:
        written = "" if too_deep(written) else encode(written).decode()
    if written and written not in message:
        message = f"{message}\nfailed_generation: {written}"
    return ErrorFields(
        message, _better(words.code, raw.code), words.kind or raw.kind, words.param or raw.param
    )


def _better(code: str | None, inner: str | None) -> str | None:
    """The code that says more: one that clients act on, else the outer one, unless it is a mere number."""
    if inner is None or code is None:
        return code or inner
    return inner if not is_known_code(code) and (is_known_code(inner) or code.isdecimal()) else code


def _code(error: Mapping[str, Any]) -> str | None:
    for name in _CODES:
        value = error.get(name)
        if type(value) is int:
            return str(value)
        if type(value) is str and value:
            return value
    return None


def _string(value: Any) -> str | None:
    return value if type(value) is str and value else None
