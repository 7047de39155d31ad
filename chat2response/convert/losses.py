"""What could not cross, said (law 4): one entry per field of the client's own request, or of the answer.

    x-chat2response-losses: seed; dropped, messages[0].name; dropped, max_tokens; raised to 16

is how the client hears of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

HEADER = "x-chat2response-losses"
MAX_HEADER = 4096  # bytes; a longer list ends in ", ..."
MAX_LOSSES = 1024  # kept; an answer's are named by the upstream, which may invent them without end


@dataclass(frozen=True, slots=True)
class Loss:
    """`field` is the client's own path (`messages[2].name`), or a field of the upstream's answer
    (`message.audio`); `effect` says what became of it, in ASCII."""

    field: str
    effect: str = "dropped"


class Losses:
    """The losses of one request, in the order they were met."""

    __slots__ = ("_all", "_more")

    def __init__(self) -> None:
        self._all: dict[Loss, None] = {}
        self._more = False

    def add(self, field: str, effect: str = "dropped") -> None:
        """Notes one; the same entry twice is one."""
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

    def header(self) -> str | None:
        """The header's value, bounded; None without losses."""
        if not self._all:
            return None
        text = ""
        for loss in self._all:
            entry = _ascii(f"{loss.field}; {loss.effect}")
            if len(text) + len(entry) + 7 > MAX_HEADER:
                return f"{text}, ..." if text else "..."
            text = f"{text}, {entry}" if text else entry
        return f"{text}, ..." if self._more else text


def _ascii(text: str) -> str:
    """Safe in a header: a field's name may be anything that JSON can say."""
    return "".join(c if " " <= c <= "~" and c != "," else "?" for c in text)
