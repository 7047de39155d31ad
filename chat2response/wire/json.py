"""The one JSON codec.

Decoding uses msgspec: strict UTF-8, no NaN, exact integers of any size (orjson silently turns those over 64
bits into floats). Encoding uses orjson, which is twice as fast; msgspec encodes what orjson rejects (large
integers). Both keep the order of keys, so the same value always becomes the same bytes (law 5, prompt cache).
"""

from codecs import BOM_UTF8
from collections.abc import Callable, Sequence
from json import JSONDecoder
from typing import Any, TypeVar

import msgspec
import orjson

from chat2response.wire.json_repair import Repair, TooDeep, repair_document

T = TypeVar("T")

MAX_DEPTH = 128  # levels of nesting accepted from a peer; orjson cannot encode more than 254

Fragment = orjson.Fragment  # JSON bytes to embed unchanged
Raw = msgspec.Raw  # a field whose bytes are not decoded

_decode = msgspec.json.Decoder().decode
_encode_any = msgspec.json.Encoder().encode
_MAX_DIGITS = 4000  # of an integer; Python accepts at most 4300
_read_leniently = JSONDecoder(
    parse_int=lambda text: int(text) if len(text) <= _MAX_DIGITS else None, strict=False
).decode
_skip = JSONDecoder(parse_int=len, parse_float=len, strict=False).raw_decode


class JSONError(ValueError):
    """The bytes are not valid JSON; the message says where."""


def decode(data: bytes | str) -> Any:
    """The value of one JSON document. Raises JSONError."""
    try:
        return _decode(data)
    except RecursionError:
        raise JSONError("nested too deeply") from None
    except (msgspec.DecodeError, UnicodeError) as error:  # a str may contain half a surrogate pair
        raise JSONError(str(error)) from None


def decode_leniently(data: bytes) -> Any:
    """Decodes what Python and JavaScript accept, also if it is not strict JSON. Raises JSONError.

    The value can be encoded again: see `decode_with_repairs`.
    """
    return decode_with_repairs(data)[0]


def decode_with_repairs(data: bytes) -> tuple[Any, Sequence[Repair]]:
    """The value, and the repairs that strict JSON requires. Raises JSONError.

    NaN and numbers beyond a double become null; half characters and bytes that are not UTF-8 become U+FFFD.
    """
    try:
        return decode(data), ()
    except JSONError:
        return repair_value(decode_as_written(data))


def repair_value(value: Any) -> tuple[Any, Sequence[Repair]]:
    """Repairs a value from `decode_as_written`. Raises JSONError if it nests too deeply."""
    try:
        return repair_document(value, MAX_DEPTH)
    except TooDeep as error:
        raise JSONError(str(error)) from None


def decode_as_written(data: bytes) -> Any:
    """Decodes leniently. The value may contain half characters and numbers that JSON does not have.

    It cannot be encoded again before `repair_value`. Raises JSONError.
    """
    try:
        return _read_leniently(data.removeprefix(BOM_UTF8).decode("utf-8", "surrogateescape"))
    except RecursionError:
        raise JSONError("nested too deeply") from None
    except ValueError as error:
        raise JSONError(str(error)) from None


def decoder(shape: type[T], hook: Callable[[type[Any], Any], Any] | None = None) -> Callable[[bytes], T]:
    """A function that decodes one shape (a Struct); keys that the shape does not have are skipped.

    `hook`: creates values of types that JSON does not have; it is called for every value, also of duplicate
    keys. The returned function raises JSONError for invalid JSON and for a wrong shape.
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


DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What a function of `bare_decoder` raises."""


def bare_decoder(shape: type[T]) -> Callable[[bytes], T]:
    """`decoder` for the deltas of a stream: no Python call. The function raises DECODE_ERRORS."""
    return msgspec.json.Decoder(shape).decode


def convert_to(value: Any, shape: Any) -> Any:
    """A decoded value as an instance of the type `shape`; lists become its tuples and sets.

    Raises JSONError, which says what was expected and where.
    """
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        raise JSONError(str(error)) from None


def encode(value: Any) -> bytes:
    """Compact UTF-8 JSON. Raises TypeError for values that JSON cannot represent."""
    try:
        return orjson.dumps(value)
    except TypeError:
        pass
    try:
        return _encode_any(value)
    except (UnicodeError, RecursionError) as error:
        raise TypeError(str(error)) from None


encode_text: Callable[[str], bytes] = orjson.dumps
"""`encode` for one text, without a Python call. Raises TypeError for half characters."""


def too_deep(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Whether a decoded value nests more than `limit` levels. Iterative, so it never overflows the stack."""
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
    """A function from the start of a value in a valid document to its end, which msgspec does not report.

    The returned function raises JSONError if the value nests too deeply.
    """
    text = data.decode("latin-1")  # one character per byte; the structure of JSON is ASCII

    def end(start: int) -> int:
        try:
            return _skip(text, start)[1]
        except RecursionError:
            raise JSONError("nested too deeply") from None

    return end


def may_end_object(pieces: Sequence[str]) -> bool:
    """Whether the joined pieces may be a whole object, by their last character: a cheap first check."""
    last = next((piece for piece in reversed(pieces) if piece and not piece.isspace()), "")
    return last.rstrip().endswith("}")


def is_complete_object(text: str) -> bool:
    """Whether `text` is one whole JSON object, which only white space can follow."""
    if not text.rstrip().endswith("}"):
        return False
    try:
        return type(_decode(text)) is dict
    except (ValueError, RecursionError, msgspec.DecodeError):
        return False
