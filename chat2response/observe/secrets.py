"""`Secret`: the operator's key, taken out of whatever an upstream sends, however JSON writes it.

Nearly no answer has it, and relays keep their bytes: what has to be cheap is to see that it is not there. A
literal search for each half of it, and one for escapes, are what an ordinary read costs; only where one of
them is found is the whole looked for. One half is enough to find a key that is escaped, or broken over two
lines, in one place; escaped in more, the escapes are found.
"""

import re
from functools import lru_cache
from html import escape
from urllib.parse import quote

LEAST = 16  # characters; a shorter key (`ollama`, `EMPTY`) may be a word of the model's

_ESCAPED = re.compile(rb"\\u00[2-7]")  # a printable ASCII character, which few senders escape
_OR_SHORTLY = re.compile(rb"\\(?:u00[2-7]|[/\"\\])")  # for keys with characters that have a short escape
_CODE = re.compile(rb"\\u00([2-7][0-9a-fA-F])")
_BACKSLASH = ord("\\")
_BREAK = rb"(?:\r?\n(?:data:)?[ ]?)?"
_ENDS = (b"\n\n", b"\r\r", b"\n\r", b"\n\r\n", b"\r\r\n")  # of an event: a blank line
_LONGEST = 16  # bytes that one character may be written in, with the line break before it


class Secret:
    """One that is long enough to be looked for in every answer."""

    __slots__ = ("_escaped", "_halves", "_mask", "_others", "_pattern", "longest")

    def __init__(self, text: str, mask: bytes = b"[key]") -> None:
        self._mask = mask
        plain = text.encode()
        middle = len(plain) // 2
        others = {quote(text, safe="").encode(), escape(text).encode()} - {plain}
        written = [_BREAK.join(map(_written, text)), *map(re.escape, others)]
        self._halves = plain[:middle], plain[middle:]
        self._others = tuple(others)
        short = any(each in text for each in '/"\\')
        self._escaped = (_OR_SHORTLY if short else _ESCAPED).search
        self._pattern = re.compile(b"|".join(written))
        self.longest = len(plain) * _LONGEST
        """Bytes that it may be written in."""

    def remove(self, data: bytes) -> bytes:
        """The same bytes where it is not in them; else the mask in its place."""
        return self._pattern.sub(self._mask, data) if self.suspected(data) else data

    def remove_text(self, text: str) -> str:
        """The same of a text, which may hold bytes that were no UTF-8."""
        return self.remove(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def suspected(self, data: bytes) -> bool:
        """Whether it may be in them."""
        if _BACKSLASH in data and self._escaped(data) is not None:
            data = _unescaped(data)
        first, second = self._halves
        if first in data or second in data:
            return True
        return bool(self._others) and any(other in data for other in self._others)


class SecretFilter:
    """The same for a stream of events that comes in pieces.

    Of an event that has not ended, the last bytes are held back: the secret may go on. Nobody waits for them,
    for an event is nothing before its end.
    """

    __slots__ = ("_rest", "_secret")

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """What may be passed on now."""
        if self._rest:
            data, self._rest = self._rest + data, b""
        clean = self._secret.remove(data)
        if clean.endswith(b"\n\n") or clean.endswith(_ENDS):
            return clean
        start = max(0, len(clean) - self._secret.longest)
        cut = max((at + len(end) for end in _ENDS if (at := clean.rfind(end, start)) >= 0), default=start)
        self._rest = clean[cut:]
        return clean[:cut]

    def close(self) -> bytes:
        """The rest."""
        rest, self._rest = self._rest, b""
        return rest


@lru_cache(maxsize=16)
def secret_of(key: str | None) -> Secret | None:
    """A key as a secret; None where there is none that could be looked for."""
    return Secret(key) if key is not None and len(key) >= LEAST else None


def _unescaped(data: bytes) -> bytes:
    """As it may be meant, for a search alone; also what is JSON in a string of JSON."""
    data = data.replace(rb"\\", b"\\").replace(rb"\\", b"\\")
    data = _CODE.sub(lambda found: bytes((int(found[1], 16),)), data)
    return data.replace(rb"\/", b"/").replace(rb"\"", b'"')


def _written(character: str) -> bytes:
    """Any way in which JSON, or JSON in a string of JSON, may write it."""
    digits = "".join(
        f"[{each}{each.upper()}]" if each.isalpha() else each for each in f"{ord(character):04x}"
    )
    ways = [re.escape(character.encode()), rb"\\{1,4}u" + digits.encode()]
    if character in '/"\\':
        ways.insert(0, rb"\\{1,4}" + re.escape(character.encode()))
    return b"(?:%b)" % b"|".join(ways)
