"""What a body is, told by its first bytes: the content types of upstreams are missing, or wrong."""

from codecs import BOM_UTF8
from typing import Literal

Kind = Literal["events", "json", "other"]

_BLANK = b" \t\r\n"
_MOST_BLANK = 1024  # bytes before the first one that tells
_JSON = (b"{", b"[", b'"')
_FIELDS = (b"data", b"event", b"id", b"retry", b"error")
_ENDS = (b":", b"\r", b"\n")  # of a field's name


def sniff_content(start: bytes, *, ended: bool = False) -> Kind | None:
    """The kind of a body that begins with `start`; None where more of it has to be seen, a few bytes.

    `ended`: there is no more.
    """
    if start[:1] == b"{":
        return "json"  # nearly every answer that is one
    said = start.removeprefix(BOM_UTF8).lstrip(_BLANK)
    if len(start) - len(said) > _MOST_BLANK:
        return "other"
    if not said or BOM_UTF8.startswith(start):
        return "other" if ended else None
    if said[:1] in _JSON:
        return "json"
    if said[:1] == b":":
        return "events"
    for name in _FIELDS:
        if said.startswith(name) and (len(said) > len(name) or ended):
            return "events" if said[len(name) : len(name) + 1] in _ENDS else "other"
        if name.startswith(said):
            return "other" if ended else None
    return "other"
