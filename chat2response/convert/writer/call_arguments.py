"""`Arguments`: the arguments of one call while they come in: their JSON once, as it was written.

Backends repeat them whole at the end, write an empty object before the real ones, or text behind them. So
what follows one whole object is held back, and so is an empty object, which the real one may yet replace.
Everything else passes at once; what is no JSON object passes as it is, for it may be meant some other way.
"""

import re

from chat2response.wire.json import JSONError, decode, encode, is_complete_object, too_deep

TEXT_AFTER_END = ("message.tool_calls.arguments", "dropped: text after their end")
EMPTY_OBJECT = "{}"
_LONGEST = 64  # characters of white space; nobody sends more

_NOTHING = re.compile(r"\s*(?:\{\s*\}|null(?=\s*(?:\{|$)))\s*")
_OUTSIDE = re.compile(r'[{}"]')
_INSIDE = re.compile(r'["\\]')


class CallArguments:
    """Fed the pieces of one call, then closed; both give the text that is to be passed on."""

    __slots__ = ("_depth", "_held", "_quoted", "_rest", "_skip", "_state", "_text", "_unread")

    def __init__(self) -> None:
        self._state = "head"  # then `open`; `empty`, `over` or `odd`
        self._unread: list[str] = []  # pieces in which no object can have ended
        self._text: list[str] = []  # those before them
        self._depth = 0
        self._quoted = False
        self._skip = 0  # 1: the next character is escaped
        self._held = ""  # an empty object
        self._rest: list[str] = []  # what came behind the object

    @property
    def begun(self) -> bool:
        """Whether there is anything in them."""
        return self._state != "head"

    @property
    def whole(self) -> bool:
        """Whether they are one object, an empty one too."""
        return self._state in ("over", "empty")

    @property
    def empty(self) -> bool:
        """Whether they are an empty object, so far."""
        return self._state == "empty"

    @property
    def text(self) -> str:
        """All that counts of them so far."""
        if len(self._unread) > 1:
            self._unread = ["".join(self._unread)]  # it is asked for more than once
        if len(self._text) > 1:
            self._text = ["".join(self._text)]
        return EMPTY_OBJECT if self._state == "empty" else "".join((*self._text, *self._unread))

    def feed(self, piece: str) -> str:
        """What passes on now of the next piece."""
        state = self._state
        if state == "open":
            self._unread.append(piece)
            return self._look(piece) if "}" in piece else piece
        if state == "head":
            return self._begin(piece)
        if state == "odd":
            self._unread.append(piece)
            return piece
        return self._behind(piece)

    def close(self) -> str:
        """What passes on at the end: the empty object, where nothing replaced it."""
        if self._state != "empty":
            return ""
        self._state, self._text = "over", [EMPTY_OBJECT]
        return EMPTY_OBJECT if "null" in self._held else self._held.strip()

    @property
    def lost(self) -> bool:
        """After `close`: whether something is left that is not the same arguments again."""
        if not self._rest:
            return False
        rest, text = "".join(self._rest).strip(), self.text.strip()
        while rest and rest.startswith(text):
            rest = rest[len(text) :].lstrip()
        return not (text.startswith(rest) or same_arguments(rest, text))

    # -- pieces ------------------------------------------------------------------------------------

    def _begin(self, piece: str) -> str:
        if not piece or piece.isspace():
            return piece
        if piece[-1] == "}" and '"' in piece and is_complete_object(piece):
            self._state = "over"  # all at once
            self._text.append(piece)
            return piece
        empty = _NOTHING.match(piece)
        if empty is not None:
            self._state, self._held = "empty", empty[0]
            return self._behind(piece[empty.end() :])
        self._unread.append(piece)
        if piece.lstrip()[0] != "{":
            self._state = "odd"
            return piece
        self._state = "open"
        return self._look(piece) if "}" in piece else piece

    def _behind(self, piece: str) -> str:
        """Behind a whole object. Real arguments replace an empty one; white space says nothing."""
        if self._rest:
            self._rest.append(piece)
        elif not piece or piece.isspace():
            return piece if self._state == "over" else ""
        elif self._state == "empty" and piece.lstrip()[0] == "{":
            self._state = "head"
            return self._begin(piece)
        else:
            self._rest.append(piece)
        return ""

    def _look(self, piece: str) -> str:
        """The last piece has a brace that may end the object."""
        unread = "".join(self._unread)
        self._unread.clear()
        end = self._end(unread)
        if not end:
            self._text.append(unread)
            return piece
        self._text = ["".join((*self._text, unread[:end]))]
        if not is_complete_object(self._text[0]):
            self._state = "odd"
            self._text.append(unread[end:])
            return piece
        self._state = "over"
        rest = unread[end:]
        return piece[: len(piece) - len(rest)] + self._behind(rest)

    def _end(self, text: str) -> int:
        """Where the object ends in the next piece of it; 0 where it goes on."""
        at = self._skip
        while True:
            found = (_INSIDE if self._quoted else _OUTSIDE).search(text, at)
            if found is None:
                self._skip = max(0, at - len(text))
                return 0
            at = found.end()
            mark = found[0]
            if mark == '"':
                self._quoted = not self._quoted
            elif mark == "\\":
                at += 1
            else:
                self._depth += 1 if mark == "{" else -1
                if not self._depth:
                    return at


def arguments_or_empty_object(text: str) -> str:
    """Arguments of a history: where they are nothing an empty object, else as they are, broken ones too.

    Backends decode them, and refuse every later turn of a conversation where they cannot.
    """
    return text if len(text) > _LONGEST or text.strip() not in ("", "null") else EMPTY_OBJECT


def normalize_arguments(text: str) -> tuple[str, bool]:
    """Whole arguments, and whether something else was said with them. Empty ones are an empty object."""
    arguments = CallArguments()
    said = arguments.feed(text) + arguments.close()
    return said if said.strip() else EMPTY_OBJECT, arguments.lost


def same_arguments(one: str, other: str) -> bool:
    """Whether two texts say the same arguments, however they are spaced."""
    return one == other or compact_json(one) == compact_json(other)


def compact_json(text: str) -> str:
    """The JSON of some arguments without white space; a text that is no JSON, stripped."""
    text = text.strip() or EMPTY_OBJECT
    try:
        value = decode(text)
    except JSONError:
        return text
    return text if too_deep(value) else encode(value).decode()
