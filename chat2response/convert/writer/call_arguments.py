"""`CallArguments` collects the arguments of one call and passes on one JSON object, byte for byte.

Some backends repeat the whole arguments at the end, send an empty object before the real ones, or append
text. So text after a whole object is buffered, and so is an empty object, which the real one may replace.
Everything else passes at once. Arguments that are not a JSON object pass unchanged.
"""

import re

from chat2response.wire.json import JSONError, decode, encode, is_complete_object, too_deep

TEXT_AFTER_END = ("message.tool_calls.arguments", "dropped: text after their end")
"""The loss for text after whole arguments."""
EMPTY_OBJECT = "{}"
_MAX_BLANK = 64  # characters; longer arguments are not checked for being blank

_NOTHING = re.compile(r"\s*(?:\{\s*\}|null(?=\s*(?:\{|$)))\s*")
_OUTSIDE = re.compile(r'[{}"]')
_INSIDE = re.compile(r'["\\]')


class CallArguments:
    """`feed` it the pieces of one call, then `close` it; both return the text to pass on."""

    __slots__ = ("_depth", "_empty_object", "_extra", "_in_string", "_skip", "_state", "_text", "_unscanned")

    def __init__(self) -> None:
        self._state = "start"  # then `object`, `empty`, `complete` or `not_object`
        self._unscanned: list[str] = []  # pieces that cannot contain the end of the object
        self._text: list[str] = []  # the pieces before those
        self._depth = 0
        self._in_string = False
        self._skip = 0  # 1: the next character is escaped
        self._empty_object = ""  # buffered, as written
        self._extra: list[str] = []  # text after the object

    @property
    def started(self) -> bool:
        """Whether any arguments but white space have arrived."""
        return self._state != "start"

    @property
    def complete(self) -> bool:
        """Whether they are one whole object, which may be empty."""
        return self._state in ("complete", "empty")

    @property
    def empty(self) -> bool:
        """Whether they are an empty object so far."""
        return self._state == "empty"

    @property
    def text(self) -> str:
        """The arguments so far, without the text after them."""
        if len(self._unscanned) > 1:
            self._unscanned = ["".join(self._unscanned)]  # `text` is read repeatedly
        if len(self._text) > 1:
            self._text = ["".join(self._text)]
        return EMPTY_OBJECT if self._state == "empty" else "".join((*self._text, *self._unscanned))

    def feed(self, piece: str) -> str:
        """Takes the next piece. Returns the text to pass on now."""
        state = self._state
        if state == "object":
            self._unscanned.append(piece)
            return self._scan(piece) if "}" in piece else piece
        if state == "start":
            return self._start(piece)
        if state == "not_object":
            self._unscanned.append(piece)
            return piece
        return self._feed_extra(piece)

    def close(self) -> str:
        """Ends the arguments. Returns the empty object, if none replaced it."""
        if self._state != "empty":
            return ""
        self._state, self._text = "complete", [EMPTY_OBJECT]
        return EMPTY_OBJECT if "null" in self._empty_object else self._empty_object.strip()

    @property
    def has_extra_text(self) -> bool:
        """After `close`: whether other text than a repetition of the arguments came after them."""
        if not self._extra:
            return False
        extra, text = "".join(self._extra).strip(), self.text.strip()
        while extra and extra.startswith(text):
            extra = extra[len(text) :].lstrip()
        return not (text.startswith(extra) or same_arguments(extra, text))

    # -- pieces ------------------------------------------------------------------------------------

    def _start(self, piece: str) -> str:
        if not piece or piece.isspace():
            return piece
        if piece[-1] == "}" and '"' in piece and is_complete_object(piece):
            self._state = "complete"
            self._text.append(piece)
            return piece
        empty = _NOTHING.match(piece)
        if empty is not None:
            self._state, self._empty_object = "empty", empty[0]
            return self._feed_extra(piece[empty.end() :])
        self._unscanned.append(piece)
        if piece.lstrip()[0] != "{":
            self._state = "not_object"
            return piece
        self._state = "object"
        return self._scan(piece) if "}" in piece else piece

    def _feed_extra(self, piece: str) -> str:
        """Takes text after a whole object. Another object replaces an empty one; white space is ignored."""
        if self._extra:
            self._extra.append(piece)
        elif not piece or piece.isspace():
            return piece if self._state == "complete" else ""
        elif self._state == "empty" and piece.lstrip()[0] == "{":
            self._state = "start"
            return self._start(piece)
        else:
            self._extra.append(piece)
        return ""

    def _scan(self, piece: str) -> str:
        """Looks for the end of the object, after a piece that contains a closing brace."""
        unscanned = "".join(self._unscanned)
        self._unscanned.clear()
        end = self._find_end(unscanned)
        if not end:
            self._text.append(unscanned)
            return piece
        self._text = ["".join((*self._text, unscanned[:end]))]
        if not is_complete_object(self._text[0]):
            self._state = "not_object"
            self._text.append(unscanned[end:])
            return piece
        self._state = "complete"
        extra = unscanned[end:]
        return piece[: len(piece) - len(extra)] + self._feed_extra(extra)

    def _find_end(self, text: str) -> int:
        """The index where the object ends in its next piece; 0 if it does not end there."""
        at = self._skip
        while True:
            match = (_INSIDE if self._in_string else _OUTSIDE).search(text, at)
            if match is None:
                self._skip = max(0, at - len(text))
                return 0
            at = match.end()
            mark = match[0]
            if mark == '"':
                self._in_string = not self._in_string
            elif mark == "\\":
                at += 1
            else:
                self._depth += 1 if mark == "{" else -1
                if not self._depth:
                    return at


def arguments_or_empty_object(text: str) -> str:
    """Arguments for a history: an empty object for blank text or `null`, else `text`, even if it is broken.

    Backends decode the arguments in a history. One that cannot would refuse every later turn.
    """
    return text if len(text) > _MAX_BLANK or text.strip() not in ("", "null") else EMPTY_OBJECT


def normalize_arguments(text: str) -> tuple[str, bool]:
    """The object in complete arguments, and whether other text came after it. Blank text becomes `{}`."""
    arguments = CallArguments()
    passed = arguments.feed(text) + arguments.close()
    return passed if passed.strip() else EMPTY_OBJECT, arguments.has_extra_text


def same_arguments(one: str, other: str) -> bool:
    """Whether two texts are the same JSON, apart from white space."""
    return one == other or compact_json(one) == compact_json(other)


def compact_json(text: str) -> str:
    """Arguments as compact JSON; text that is not JSON is only stripped."""
    text = text.strip() or EMPTY_OBJECT
    try:
        value = decode(text)
    except JSONError:
        return text
    return text if too_deep(value) else encode(value).decode()
