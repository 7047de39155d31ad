"""Reads an error in place of a relayed stream's first event, and its unfinished last frame."""

import re
from codecs import BOM_UTF8

from chat2response.convert.errors.upstream_errors import read_error_event, read_upstream_error
from chat2response.errors import BridgeError, UpstreamError
from chat2response.wire import sse
from chat2response.wire.json import JSONError, decode_leniently

_LINE_ENDS = b"\r\n"
_OPENS_OBJECT = re.compile(rb"[ \t\r\n]*+\{")


def last_frame(tail: bytes) -> bytes:
    """The last event, completed with the blank line it lacks; empty if the event was cut off.

    A lone line end belongs to the blank line before it (a CRLF that two reads split).
    """
    if not tail.strip(_LINE_ENDS):
        return tail
    data = sse.payload(tail)
    if data is None:
        return b""
    if data != sse.DONE:
        try:
            decode_leniently(data)
        except JSONError:
            return b""
    return tail.rstrip(_LINE_ENDS) + b"\n\n"


def error_as_json(body: bytes) -> UpstreamError | None:
    """The error in a JSON body that was sent in place of a stream; None if it is no error."""
    if not _OPENS_OBJECT.match(body.removeprefix(BOM_UTF8)):
        return None
    try:
        return read_upstream_error(decode_leniently(body))
    except JSONError:
        return None


def leading_error(event: bytes) -> BridgeError | None:
    """The error in a stream's first event; None if there is none."""
    if type(event) is sse.ErrorPayload:
        return read_error_event(event)
    if b"error" not in event and b'"detail"' not in event and b'"message"' not in event:
        return None  # nearly every stream
    try:
        return read_upstream_error(decode_leniently(event))
    except JSONError:
        return UpstreamError("The upstream's stream cannot be read.")
