"""Decodes a JSON string incrementally, from pieces that may be cut anywhere."""

import re

from chat2response.wire.json import decode

_PIECE = re.compile(
    r'[^"\\]+'
    r"|\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # a surrogate pair
    r"|\\u[0-9a-fA-F]{4}"
    r"|\\[^u]"
)
_HIGH = re.compile(r"\\u[dD][89aAbB][0-9a-fA-F]{2}")
_LOW_PREFIX = re.compile(r"\\(u([dD]([c-fC-F][0-9a-fA-F]?)?)?)?")
_ESCAPE_PREFIX = re.compile(r"\\(u[0-9a-fA-F]{0,3})?")
_SIMPLE_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}


class JsonStringDecoder:
    """Decodes what follows the opening quote. An escape that JSON does not define is returned literally."""

    __slots__ = ("_after_string", "_partial_escape", "closed")

    def __init__(self) -> None:
        self.closed = False
        """Whether the closing quote was read."""
        self._after_string: list[str] = []
        self._partial_escape = ""

    @property
    def after_string(self) -> str:
        """The text after the closing quote."""
        return "".join(self._after_string)

    def feed(self, data: str) -> str:
        """Takes the next piece; returns the text that it completes."""
        if self.closed:
            self._after_string.append(data)
            return ""
        data, position, decoded = self._partial_escape + data, 0, []
        self._partial_escape = ""
        while position < len(data):
            if data[position] == '"':
                self.closed = True
                self._after_string.append(data[position + 1 :])
                break
            piece = _PIECE.match(data, position)
            end = piece.end() if piece is not None else position
            if piece is None:
                if _ESCAPE_PREFIX.fullmatch(data, position):
                    self._partial_escape = data[position:]
                    break
                decoded.append("\\")
                end += 1
            elif _HIGH.fullmatch(piece[0]) and (end == len(data) or _LOW_PREFIX.fullmatch(data, end)):
                self._partial_escape = data[position:]
                break
            else:
                decoded.append(_decode_piece(piece[0]))
            position = end
        return "".join(decoded)


def _decode_piece(piece: str) -> str:
    if piece[0] != "\\":
        return piece
    if piece[1] != "u":
        return _SIMPLE_ESCAPES.get(piece[1], piece)
    if _HIGH.fullmatch(piece) or piece[2:4].lower() in ("dc", "dd", "de", "df"):
        return "\N{REPLACEMENT CHARACTER}"  # a lone surrogate is not a character
    return str(decode(f'"{piece}"'))
