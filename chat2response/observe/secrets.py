"""`Secret`: removes the operator's key from what an upstream sends, in every form that JSON can write it.

Almost no response contains the key, so the check for its absence has to be cheap: an ordinary read costs one
literal search for each half of the key and one for escapes. Only a hit starts the full search. A key that is
escaped or broken over two lines in one position still has one half intact; with more escapes, the search for
escapes hits.
"""

import re
from functools import lru_cache
from html import escape
from urllib.parse import quote

MIN_LENGTH = 16  # characters; a shorter key (`ollama`, `EMPTY`) may be an ordinary word in a response

_ESCAPED = re.compile(rb"\\u00[2-7]")  # a printable ASCII character, which few senders escape
_SHORT_ESCAPED = re.compile(rb"\\(?:u00[2-7]|[/\"\\])")  # for keys with characters that have a short escape
_CODE = re.compile(rb"\\u00([2-7][0-9a-fA-F])")
_BACKSLASH = ord("\\")
_BREAK = rb"(?:\r?\n(?:data:)?[ ]?)?"
_ENDS = (b"\n\n", b"\r\r", b"\n\r", b"\n\r\n", b"\r\r\n")  # of an event: a blank line
_BYTES_PER_CHARACTER = 16  # at most, with the line break before it


class Secret:
    """A key that is long enough to be searched for in every response."""

    __slots__ = ("_escaped", "_halves", "_mask", "_others", "_pattern", "longest")

    def __init__(self, text: str, mask: bytes = b"[key]") -> None:
        self._mask = mask
        plain = text.encode()
        middle = len(plain) // 2
        others = {quote(text, safe="").encode(), escape(text).encode()} - {plain}
        forms = [_BREAK.join(map(_forms, text)), *map(re.escape, others)]
        self._halves = plain[:middle], plain[middle:]
        self._others = tuple(others)
        short = any(each in text for each in '/"\\')
        self._escaped = (_SHORT_ESCAPED if short else _ESCAPED).search
        self._pattern = re.compile(b"|".join(forms))
        self.longest = len(plain) * _BYTES_PER_CHARACTER
        """The most bytes that the key can take up."""

    def remove(self, data: bytes) -> bytes:
        """Replaces the key by the mask; returns the same bytes if it is not in them."""
        return self._pattern.sub(self._mask, data) if self.suspected(data) else data

    def remove_text(self, text: str) -> str:
        """Replaces the key in a text, which may hold surrogate escapes for bytes that are not UTF-8."""
        return self.remove(text.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def suspected(self, data: bytes) -> bool:
        """Whether `data` may contain the key: a cheap check without false negatives."""
        if _BACKSLASH in data and self._escaped(data) is not None:
            data = _unescaped(data)
        first, second = self._halves
        if first in data or second in data:
            return True
        return bool(self._others) and any(other in data for other in self._others)


class SecretFilter:
    """Removes a secret from a stream of events that arrives in pieces.

    It keeps back the last bytes of an unfinished event, because the secret may continue in the next piece.
    This delays no client: an event only takes effect at its end.
    """

    __slots__ = ("_pending", "_secret")

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._pending = b""

    def feed(self, data: bytes) -> bytes:
        """Returns what may be passed on now."""
        if self._pending:
            data, self._pending = self._pending + data, b""
        clean = self._secret.remove(data) if self._secret.suspected(data) else data
        if clean.endswith(b"\n\n") or clean.endswith(_ENDS):
            return clean
        start = max(0, len(clean) - self._secret.longest)
        cut = max((at + len(end) for end in _ENDS if (at := clean.rfind(end, start)) >= 0), default=start)
        self._pending = clean[cut:]
        return clean[:cut]

    def close(self) -> bytes:
        """Returns the bytes that are still kept back."""
        pending, self._pending = self._pending, b""
        return pending


@lru_cache(maxsize=16)
def secret_of(key: str | None) -> Secret | None:
    """A key as a secret; None without a key, or for one too short to search for."""
    return Secret(key) if key is not None and len(key) >= MIN_LENGTH else None


def _unescaped(data: bytes) -> bytes:
    """Removes JSON escapes, also of JSON inside a JSON string. The result is for searching only."""
    data = data.replace(rb"\\", b"\\").replace(rb"\\", b"\\")
    data = _CODE.sub(lambda match: bytes((int(match[1], 16),)), data)
    return data.replace(rb"\/", b"/").replace(rb"\"", b'"')


def _forms(character: str) -> bytes:
    """A pattern for every form in which JSON, or JSON inside a JSON string, may write a character."""
    digits = "".join(
        f"[{each}{each.upper()}]" if each.isalpha() else each for each in f"{ord(character):04x}"
    )
    forms = [re.escape(character.encode()), rb"\\{1,4}u" + digits.encode()]
    if character in '/"\\':
        forms.insert(0, rb"\\{1,4}" + re.escape(character.encode()))
    return b"(?:%b)" % b"|".join(forms)
