"""Decodes the input of a custom tool from the arguments of the function that replaces it.

The arguments are `{"input": "..."}`, and the decoder returns text as it arrives. It also accepts what models
write instead: plain text is the input itself; an object with members before `input` is read at its end; a
value that is not a string becomes its JSON. `truncated` reports arguments that end early, so that half
a patch is never applied.
"""

import re
from typing import Any

from chat2response.convert.dialects.chat.tools.json_string_decoder import JsonStringDecoder
from chat2response.wire.json import JSONError, decode, encode

_FENCE = re.compile(r"\s*```[^\n]*\n(.*?)\n?```\s*", re.DOTALL)


class CustomToolInputDecoder:
    """Decodes the arguments of one call. `lenient` also accepts the key `patch` and removes a Markdown fence:
    models that were trained on the tool write both."""

    __slots__ = (
        "_buffered", "_head", "_in_fence", "_keys", "_may_be_fenced", "_mode", "_opening", "_pending",
        "_string", "complete", "truncated",
    )  # fmt: skip

    def __init__(self, *, lenient: bool = False) -> None:
        self._keys = ("input", "patch") if lenient else ("input",)
        self._opening = re.compile(rf'\s*\{{\s*"(?:{"|".join(self._keys)})"\s*:\s*"')
        self._mode = "head"  # then `string`, `plain`, or `object`, which is read at its end
        self._head = ""
        self._pending: list[str] = []  # what follows the head and is not decoded yet
        self._string = JsonStringDecoder()
        self._may_be_fenced = lenient  # whether a fence may still begin
        self._in_fence = False  # whether one began: the input is then decoded at its end
        self._buffered: list[str] = []
        self.complete = False
        """Whether the input has ended."""
        self.truncated = False
        """Whether the arguments ended too early. Set by `close`."""

    def feed(self, arguments: str) -> str:
        """Takes the next piece of the arguments; returns the next piece of the input."""
        if self._mode == "string":
            return self._strip_fence(self._read(arguments))
        if self._mode == "plain":
            return self._strip_fence(arguments)
        self._pending.append(arguments)
        if self._mode == "object" or arguments.isspace():
            return ""
        self._gather()
        return self._strip_fence(self._start())

    def close(self) -> str:
        """Ends the arguments; returns the last piece of the input."""
        if self._mode == "string":
            self.truncated = not self.complete
            remaining = ""
        elif self._mode == "plain":
            remaining = ""
        else:
            self._gather()
            remaining = self._read_at_end()
        self.complete = True
        buffered = "".join((*self._buffered, remaining))
        self._buffered.clear()
        return _remove_fence(buffered) if self._may_be_fenced else buffered

    @property
    def has_extra_members(self) -> bool:
        """Whether the arguments have other members after the input."""
        return self._string.after_string.strip() not in ("", "}")

    def _gather(self) -> None:
        self._head = "".join((self._head, *self._pending))
        self._pending.clear()

    # -- finding the start of the input ------------------------------------------------------------

    def _start(self) -> str:
        head = self._head.lstrip()
        if not head:
            return ""
        if head[0] not in '{"':
            self._mode, self._head = "plain", ""
            return head
        opening = self._opening.match(self._head)
        if opening is not None:
            self._mode = "string"
            return self._read(self._head[opening.end() :])
        if not self._may_open():
            self._mode = "object"
        return ""

    def _may_open(self) -> bool:
        beginning = "".join(self._head.split())
        return any(f'{{"{key}":"'.startswith(beginning) for key in self._keys)

    def _read(self, data: str) -> str:
        text = self._string.feed(data)
        self.complete = self._string.closed
        return text

    def _read_at_end(self) -> str:
        """Decodes arguments that do not begin as expected, now that they are complete."""
        if not self._head.strip():
            return ""
        try:
            value: Any = decode(self._head)
        except JSONError:
            self.truncated = self._may_open()
            return "" if self.truncated else self._head
        if type(value) is dict:
            key = next((key for key in self._keys if key in value), None)
            if key is None:
                return self._head if value else ""
            value = value[key]
        return value if type(value) is str else encode(value).decode()

    # -- fences ------------------------------------------------------------------------------------

    def _strip_fence(self, text: str) -> str:
        """Returns the text, unless it begins with a fence: then buffers it until its end."""
        if not self._may_be_fenced:
            return text
        self._buffered.append(text)
        if self._in_fence or text.isspace():
            return ""
        buffered = "".join(self._buffered)
        beginning = buffered.lstrip()
        self._in_fence = beginning.startswith("```")
        if self._in_fence or "```".startswith(beginning[:3]):
            return ""
        self._may_be_fenced = False
        self._buffered.clear()
        return buffered


def _remove_fence(text: str) -> str:
    fenced = _FENCE.fullmatch(text)
    return fenced[1] + "\n" if fenced is not None else text
