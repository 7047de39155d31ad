"""Losses: what a conversion could not carry over (law 4, nothing is dropped in silence).

Each entry names a field of the client's own request, or of the answer. The client gets them in a header:

    x-chat2response-losses: seed; dropped, tools[0]; dropped: web_search, max_tokens; raised to 16

The operator sets the fidelity of calls, and a client can choose another for its own:

    strict   a loss in the request is a 400 that names the field; losses in the answer are reported
    warn     losses are reported
    drop     only losses that change the answer are reported: tools, stop strings, output format
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args

from chat2response.errors import InvalidRequest

HEADER = "x-chat2response-losses"
MAX_HEADER = 4096  # bytes; a longer list ends in ", ..."
Fidelity = Literal["strict", "warn", "drop"]
FIDELITIES: tuple[Fidelity, ...] = get_args(Fidelity)
FIDELITY_HEADER = "x-chat2response-fidelity"

_ALWAYS_REPORTED = ("stop", "response_format", "text.format", "tool", "function")
"""Prefixes of the fields that are reported at every fidelity."""
MAX_LOSSES = 1024  # an upstream could cause any number of losses


@dataclass(frozen=True, slots=True)
class Loss:
    """`field` is a path in the client's request (`messages[2].name`) or in the upstream's answer
    (`message.audio`); `effect` says what happened to it, in ASCII."""

    field: str
    effect: str = "dropped"


class Losses:
    """The losses of one call, in order of occurrence."""

    __slots__ = ("_all", "_fidelity", "_truncated")

    def __init__(self, fidelity: Fidelity = "warn") -> None:
        self._fidelity = fidelity
        self._all: dict[Loss, None] = {}
        self._truncated = False

    def add(self, field: str, effect: str = "dropped") -> None:
        """Adds a loss; duplicates are ignored. Raises InvalidRequest instead if the fidelity is strict."""
        if self._fidelity == "strict":
            raise _refusal(field, effect)
        loss = Loss(field, effect)
        if loss not in self._all:
            if len(self._all) < MAX_LOSSES:
                self._all[loss] = None
            else:
                self._truncated = True

    def __iter__(self) -> Iterator[Loss]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def for_answer(self) -> "Losses":
        """A copy for reading the answer: even a strict fidelity does not refuse an answer for its losses."""
        copy = Losses("warn" if self._fidelity == "strict" else self._fidelity)
        copy._all, copy._truncated = dict(self._all), self._truncated
        return copy

    def header(self) -> str | None:
        """The value of the header, limited in length; None if there is nothing to report."""
        if not self._all:
            return None
        reported = [loss for loss in self._all if self._fidelity != "drop" or _is_always_reported(loss.field)]
        if not reported:
            return None
        text = ""
        for loss in reported:
            entry = f"{_ascii(loss.field[:MAX_HEADER])}; {_ascii(loss.effect)}"
            if len(text) + len(entry) + 7 > MAX_HEADER:
                return f"{text}, ..." if text else "..."
            text = f"{text}, {entry}" if text else entry
        return f"{text}, ..." if self._truncated else text


def _refusal(field: str, effect: str) -> InvalidRequest:
    return InvalidRequest(
        f"This upstream does not support '{field[:200]}' as you sent it ({effect}), and the fidelity of this "
        f"call is strict. To accept the loss, send '{FIDELITY_HEADER}: warn'.",
        param=field,
        code="unsupported_parameter",
    )


def _is_always_reported(field: str) -> bool:
    return field.startswith(_ALWAYS_REPORTED) or ".tool_calls" in field or ".tools" in field


_ASCII_FORMS = str.maketrans(
    {",": ";", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-",
     "\u2026": "...", "\u00a0": " "}
)  # fmt: skip
"""Commas separate the entries; typographic characters have an ASCII form."""


def _ascii(text: str) -> str:
    """A readable text that is safe in a header: characters beyond ASCII are escaped as in JSON (`\\u00e9`).

    A field name may contain any character.
    """
    text = text.translate(_ASCII_FORMS)
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if " " <= c <= "~" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
