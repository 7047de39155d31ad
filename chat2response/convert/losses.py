"""What could not cross, said (law 4): one entry per field of the client's own request, or of the answer.

    x-chat2response-losses: seed; dropped, tools[0]; dropped: web_search, max_tokens; raised to 16

is how the client hears of them. How faithful a call must be, the operator chooses, and each client:

    strict   what would be lost of a request is a 400 that names it; of an answer it is told as in `warn`
    warn     it is told
    drop     it is not told, but where the answer depends on it: tools, stop strings, the form of the output
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

_LOUD = ("stop", "response_format", "text.format", "tool", "function")
"""What the fields begin with that are told in every mode."""
MAX_LOSSES = 1024  # kept; an answer's are named by the upstream, which may invent them without end


@dataclass(frozen=True, slots=True)
class Loss:
    """`field` is the client's own path (`messages[2].name`), or a field of the upstream's answer
    (`message.audio`); `effect` says what became of it, in ASCII."""

    field: str
    effect: str = "dropped"


class Losses:
    """The losses of one request, in the order they were met."""

    __slots__ = ("_all", "_fidelity", "_more")

    def __init__(self, fidelity: Fidelity = "warn") -> None:
        self._fidelity = fidelity
        self._all: dict[Loss, None] = {}
        self._more = False

    def add(self, field: str, effect: str = "dropped") -> None:
        """Notes one; the same entry twice is one. In strict mode it raises InvalidRequest instead."""
        if self._fidelity == "strict":
            raise _refusal(field, effect)
        loss = Loss(field, effect)
        if loss not in self._all:
            if len(self._all) < MAX_LOSSES:
                self._all[loss] = None
            else:
                self._more = True

    def __iter__(self) -> Iterator[Loss]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    def answered(self) -> "Losses":
        """The same, going on with what an upstream says: no mode refuses an answer that is there already."""
        more = Losses("warn" if self._fidelity == "strict" else self._fidelity)
        more._all, more._more = dict(self._all), self._more
        return more

    def header(self) -> str | None:
        """The header's value, bounded; None where there is nothing to tell."""
        if not self._all:
            return None
        told = [loss for loss in self._all if self._fidelity != "drop" or _is_loud(loss.field)]
        if not told:
            return None
        text = ""
        for loss in told:
            entry = f"{_ascii(loss.field[:MAX_HEADER])}; {_ascii(loss.effect)}"
            if len(text) + len(entry) + 7 > MAX_HEADER:
                return f"{text}, ..." if text else "..."
            text = f"{text}, {entry}" if text else entry
        return f"{text}, ..." if self._more else text


def _refusal(field: str, effect: str) -> InvalidRequest:
    return InvalidRequest(
        f"'{field[:200]}' cannot cross to this upstream as it is ({effect}), and the call is to be strict; "
        f"'{FIDELITY_HEADER}: warn' lets it pass.",
        param=field,
        code="unsupported_parameter",
    )


def _is_loud(field: str) -> bool:
    return field.startswith(_LOUD) or ".tool_calls" in field or ".tools" in field


_PLAIN_FORMS = str.maketrans(
    {",": ";", "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2013": "-", "\u2014": "-",
     "\u2026": "...", "\u00a0": " "}
)  # fmt: skip
"""Commas part the entries; typographic signs have a plain form that everybody reads."""


def _ascii(text: str) -> str:
    """Safe in a header, and readable: a field's name may be anything that JSON can say, and what is no ASCII
    is written as JSON writes it (`\\u00e9`).
    """
    text = text.translate(_PLAIN_FORMS)
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if " " <= c <= "~" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
