"""`InputUnwrapper`: the input of a custom tool, out of the arguments of the function that stands in for it.

The arguments are `{"input": "..."}`, and the text comes out while they come in. What models write instead is
taken as it can only be meant: plain text is the input itself, an object with other members beside `input` is
read at its end, a value that is no string is its JSON. Arguments that break off are an input that breaks off:
`cut` says so, for half a patch must not be applied.
"""

import re
from typing import Any

from chat2response.convert.dialects.chat.tools.json_string_decoder import StringDecoder
from chat2response.wire.json import JSONError, decode, encode

_FENCE = re.compile(r"\s*```[^\n]*\n(.*?)\n?```\s*", re.DOTALL)


class InputUnwrapper:
    """Fed the arguments of one call. `lenient`: the tool's own names for its input and Markdown fences around
    it are taken off too, as models that know the tool from elsewhere write them."""

    __slots__ = (
        "_fenced", "_head", "_held", "_in_fence", "_keys", "_later", "_mode", "_opening", "_string", "cut",
        "whole",
    )  # fmt: skip

    def __init__(self, *, lenient: bool = False) -> None:
        self._keys = ("input", "patch") if lenient else ("input",)
        self._opening = re.compile(rf'\s*\{{\s*"(?:{"|".join(self._keys)})"\s*:\s*"')
        self._mode = "head"  # then `string`, `plain`, or `odd`: an object that is read at its end
        self._head = ""
        self._later: list[str] = []  # what came behind it and decides nothing, or nothing yet
        self._string = StringDecoder()
        self._fenced = lenient  # whether a fence may still show itself
        self._in_fence = False  # it has: the rest is looked at when it has ended
        self._held: list[str] = []
        self.whole = False
        """The input has ended."""
        self.cut = False
        """After `close`: the arguments broke off."""

    def feed(self, arguments: str) -> str:
        """The next piece of the input."""
        if self._mode == "string":
            return self._unfenced(self._read(arguments))
        if self._mode == "plain":
            return self._unfenced(arguments)
        self._later.append(arguments)
        if self._mode == "odd" or arguments.isspace():
            return ""
        self._gather()
        return self._unfenced(self._begin())

    def close(self) -> str:
        """The rest of the input: the arguments ended."""
        if self._mode == "string":
            self.cut = not self.whole
            rest = ""
        elif self._mode == "plain":
            rest = ""
        else:
            self._gather()
            rest = self._late()
        self.whole = True
        held = "".join((*self._held, rest))
        self._held.clear()
        return _without_fence(held) if self._fenced else held

    @property
    def more(self) -> bool:
        """Whether the arguments said something beside the input."""
        return self._string.rest.strip() not in ("", "}")

    def _gather(self) -> None:
        self._head = "".join((self._head, *self._later))
        self._later.clear()

    # -- where the input begins --------------------------------------------------------------------

    def _begin(self) -> str:
        head = self._head.lstrip()
        if not head:
            return ""
        if head[0] not in '{"':
            self._mode, self._head = "plain", ""
            return head
        opened = self._opening.match(self._head)
        if opened is not None:
            self._mode = "string"
            return self._read(self._head[opened.end() :])
        if not self._may_open():
            self._mode = "odd"
        return ""

    def _may_open(self) -> bool:
        begun = "".join(self._head.split())
        return any(f'{{"{key}":"'.startswith(begun) for key in self._keys)

    def _read(self, data: str) -> str:
        text = self._string.feed(data)
        self.whole = self._string.closed
        return text

    def _late(self) -> str:
        """The arguments did not begin as they should: they are read now that they have ended."""
        if not self._head.strip():
            return ""
        try:
            said: Any = decode(self._head)
        except JSONError:
            self.cut = self._may_open()
            return "" if self.cut else self._head
        if type(said) is dict:
            key = next((key for key in self._keys if key in said), None)
            if key is None:
                return self._head if said else ""
            said = said[key]
        return said if type(said) is str else encode(said).decode()

    # -- fences ------------------------------------------------------------------------------------

    def _unfenced(self, text: str) -> str:
        """The text, unless it begins with a fence: then it is held until its end."""
        if not self._fenced:
            return text
        self._held.append(text)
        if self._in_fence or text.isspace():
            return ""
        held = "".join(self._held)
        begun = held.lstrip()
        self._in_fence = begun.startswith("```")
        if self._in_fence or "```".startswith(begun[:3]):
            return ""
        self._fenced = False
        self._held.clear()
        return held


def _without_fence(text: str) -> str:
    fenced = _FENCE.fullmatch(text)
    return fenced[1] + "\n" if fenced is not None else text
