"""Detects the kind of a body by its first bytes: upstreams often send no content type, or a wrong one."""

from codecs import BOM_UTF8
from typing import Literal

Kind = Literal["events", "json", "other"]

_BLANK = b" \t\r\n"
_MAX_BLANK = 1024  # bytes of white space at the start
_JSON = (b"{", b"[", b'"')
_FIELDS = (b"data", b"event", b"id", b"retry", b"error")
_ENDS = (b":", b"\r", b"\n")  # of a field name


def sniff_content(start: bytes, *, ended: bool = False) -> Kind | None:
    """The kind of a body that begins with `start`; None if a few more bytes are needed.

    `ended`: there are no more bytes.
    """
    if start[:1] == b"{":
        return "json"  # nearly every JSON answer
    text = start.removeprefix(BOM_UTF8).lstrip(_BLANK)
    if len(start) - len(text) > _MAX_BLANK:
        return "other"
    if not text or BOM_UTF8.startswith(start):
        return "other" if ended else None
    if text[:1] in _JSON:
        return "json"
    if text[:1] == b":":
        return "events"
    for name in _FIELDS:
        if text.startswith(name) and (len(text) > len(name) or ended):
            return "events" if text[len(name) : len(name) + 1] in _ENDS else "other"
        if name.startswith(text):
            return "other" if ended else None
    return "other"
