"""`StringDecoder`: the text of a JSON string while it comes, in pieces that are cut anywhere."""

import re

from chat2response.wire.json import decode

_PIECE = re.compile(
    r'[^"\\]+'
    r"|\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"  # two escapes that are one character
    r"|\\u[0-9a-fA-F]{4}"
    r"|\\[^u]"
)
_HIGH = re.compile(r"\\u[dD][89aAbB][0-9a-fA-F]{2}")
_LOW_BEGUN = re.compile(r"\\(u([dD]([c-fC-F][0-9a-fA-F]?)?)?)?")
_ESCAPE_BEGUN = re.compile(r"\\(u[0-9a-fA-F]{0,3})?")
_ONE = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "/": "/"}


class StringDecoder:
    """Fed what follows the opening quote. An escape that JSON does not know stands for itself."""

    __slots__ = ("_held", "_rest", "closed")

    def __init__(self) -> None:
        self.closed = False
        """The closing quote was met."""
        self._rest: list[str] = []  # what came after it
        self._held = ""  # the beginning of an escape

    @property
    def rest(self) -> str:
        """What came after it."""
        return "".join(self._rest)

    def feed(self, data: str) -> str:
        """The text that is certain now."""
        if self.closed:
            self._rest.append(data)
            return ""
        data, place, made = self._held + data, 0, []
        self._held = ""
        while place < len(data):
            if data[place] == '"':
                self.closed = True
                self._rest.append(data[place + 1 :])
                break
            piece = _PIECE.match(data, place)
            end = piece.end() if piece is not None else place
            if piece is None:
                if _ESCAPE_BEGUN.fullmatch(data, place):
                    self._held = data[place:]
                    break
                made.append("\\")
                end += 1
            elif _HIGH.fullmatch(piece[0]) and (end == len(data) or _LOW_BEGUN.fullmatch(data, end)):
                self._held = data[place:]
                break
            else:
                made.append(_text(piece[0]))
            place = end
        return "".join(made)


def _text(piece: str) -> str:
    if piece[0] != "\\":
        return piece
    if piece[1] != "u":
        return _ONE.get(piece[1], piece)
    if _HIGH.fullmatch(piece) or piece[2:4].lower() in ("dc", "dd", "de", "df"):
        return "\N{REPLACEMENT CHARACTER}"  # half a pair alone is no character
    return str(decode(f'"{piece}"'))
