"""The one JSON codec.

Reading is msgspec: strict UTF-8, no NaN, integers of any size exact (orjson turns those over 64 bits
into floats without a word). Writing is orjson, which is twice as fast; what it refuses (large integers)
msgspec writes. Both keep key order, so the same value always becomes the same bytes (law 5).
"""

from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from json import JSONDecoder
from typing import Any, TypeVar

import msgspec
import orjson

from chat2response.wire.json_repair import Repair, TooDeep, repair_document

T = TypeVar("T")

MAX_DEPTH = 128  # levels of nesting taken from a peer; orjson cannot write more than 254

Fragment = orjson.Fragment  # bytes that are JSON already, to be embedded as they are
Raw = msgspec.Raw  # a field whose bytes are kept unread

_decode = msgspec.json.Decoder().decode
_encode_any = msgspec.json.Encoder().encode
_MOST_DIGITS = 4000  # of a whole number; Python reads no more than 4300
_read_leniently = JSONDecoder(
    parse_int=lambda text: int(text) if len(text) <= _MOST_DIGITS else None, strict=False
).decode
_skip = JSONDecoder(parse_int=len, parse_float=len, strict=False).raw_decode


class JSONError(ValueError):
    """The bytes are not JSON; the message says where."""


def decode(data: bytes | str) -> Any:
    """The value of one JSON document. Raises JSONError."""
    try:
        return _decode(data)
    except RecursionError:
        raise JSONError("nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError) as error:  # a str may hold half a surrogate pair
        raise JSONError(str(error)) from None


def decode_leniently(data: bytes) -> Any:
    """As JavaScript and Python read it, where the strict reader refuses. Raises JSONError.

    The value can be written again: `mended` without what was mended.
    """
    return decode_with_repairs(data)[0]


def decode_with_repairs(data: bytes) -> tuple[Any, Sequence[Repair]]:
    """The value, and what of it strict readers refuse and was replaced. Raises JSONError.

    NaN and what is beyond a double become null; half characters, and bytes that are no UTF-8, U+FFFD.
    """
    try:
        return decode(data), ()
    except JSONError:
        return repair_value(decode_as_written(data))


def repair_value(value: Any) -> tuple[Any, Sequence[Repair]]:
    """The same of a value that was decoded as it is written. Raises JSONError."""
    try:
        return repair_document(value, MAX_DEPTH)
    except TooDeep as error:
        raise JSONError(str(error)) from None


def decode_as_written(data: bytes) -> Any:
    """A value with halves of surrogate pairs in its texts, and numbers that JSON does not have.

    It cannot be written again: see `repaired`. Raises JSONError.
    """
    try:
        return _read_leniently(data.removeprefix(BOM_UTF8).decode("utf-8", "surrogateescape"))
    except RecursionError:
        raise JSONError("nested too deeply") from None
    except ValueError as error:
        raise JSONError(str(error)) from None


def decoder(shape: type[T], hook: Callable[[type[Any], Any], Any] | None = None) -> Callable[[bytes], T]:
    """A reader of one shape (a Struct): keys that it does not name are skipped, not built.

    `hook`: makes the values of types that are no JSON; it is called for each, also of a key that comes twice.
    The returned function raises JSONError, for bad JSON and for a wrong shape alike.
    """
    read = msgspec.json.Decoder(shape, dec_hook=hook).decode

    def typed(data: bytes) -> T:
        try:
            return read(data)
        except RecursionError:
            raise JSONError("nested too deeply") from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise JSONError(str(error)) from None

    return typed


def convert_to(value: Any, shape: Any) -> Any:
    """A decoded value as an instance of `shape`, a type: lists become its tuples and sets.

    Raises JSONError that says what was expected, and where.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise JSONError(str(error)) from None


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON. Raises TypeError for what JSON cannot say."""
    try:
        return orjson.dumps(value)
    except TypeError:
        pass
    try:
        return _encode_any(value)
    except (UnicodeError, RecursionError) as error:
        raise TypeError(str(error)) from None


def too_deep(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Whether a decoded value nests more than `limit` levels; walks level by level, never recursing."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(limit):
        if not level:
            return False
        level = [
            inner
            for outer in level
            for inner in (outer.values() if type(outer) is dict else outer)
            if type(inner) is dict or type(inner) is list
        ]
    return bool(level)


def value_end_finder(data: bytes) -> Callable[[int], int]:
    """Tells where the value ends that begins at a place of a valid document; for what msgspec cannot tell.

    The returned function raises JSONError where the value nests too deeply.
    """
    text = data.decode("latin-1")  # it keeps a byte's place, and all that structures JSON is ASCII

    def end(start: int) -> int:
        try:
            return _skip(text, start)[1]
        except RecursionError:
            raise JSONError("nested too deeply") from None

    return end


def may_end_object(pieces: Sequence[str]) -> bool:
    """Whether their text may be one whole object, by its last character: they need not be joined for a no."""
    last = next((piece for piece in reversed(pieces) if piece and not piece.isspace()), "")
    return last.rstrip().endswith("}")


def is_complete_object(text: str) -> bool:
    """Whether `text` is one whole JSON object: nothing but white space could still follow it."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        return type(_decode(text)) is dict
    except (ValueError, RecursionError, msgspec.DecodeError):
        return False
