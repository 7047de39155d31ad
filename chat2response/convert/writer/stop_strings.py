"""`StopWriter`: stop strings for an upstream that has none.

The text ends before the first of them, however it is cut into deltas, and the turn with it; the upstream is
ended at once, so its usage stays untold.
"""

from collections.abc import Sequence
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.convert.validation import invalid, sequence, text
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.wrapper import BufferingWrapper, partial_match_length

MOST = 16
LONGEST = 1024  # characters
"""Stop strings that are watched for: each delta is compared with each of them."""


def stops_of(hub: HubRequest) -> tuple[str, ...]:
    """The stop strings that a request names. Raises InvalidRequest, also for more than can be watched for."""
    asked = hub.extra.get("stop")
    given = [asked] if type(asked) is str else sequence([] if asked is None else asked, "stop")
    stops = tuple(text(each, f"stop[{index}]") for index, each in enumerate(given) if each != "")
    if len(stops) > MOST or any(len(stop) > LONGEST for stop in stops):
        raise invalid("stop", f"'stop' has at most {MOST} strings of at most {LONGEST} characters here.")
    return stops


class StopWriter(BufferingWrapper):
    """Writer around a Writer. A delta is held back for as long as a stop string may have begun in it."""

    def __init__(self, inner: Writer, stops: Sequence[str]) -> None:
        super().__init__(inner)
        self._stops = stops
        self._stopped = False
        self._held: list[tuple[str, Sequence[dict[str, Any]], str | None]] = []

    @property
    def done(self) -> bool:
        """A stop string was met."""
        return self._stopped or self._inner.done

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        if self._stopped:
            return
        self._held.append((delta, logprobs, id))
        said = "".join(each for each, _, _ in self._held)  # short: what no stop string begins in is released
        found = [at for stop in self._stops if (at := said.find(stop)) >= 0]
        if found:
            self._release(min(found))
            self._stopped, self._held = True, []
            self.losses.add("usage", "not told: the upstream was ended at a stop string")
        else:
            self._release(
                len(said) - max(partial_match_length(said, stop) for stop in self._stops), whole=True
            )

    def _release(self, end: int, *, whole: bool = False) -> None:
        """The held text up to `end`; `whole`: only deltas that lie before it altogether."""
        while self._held and end > 0:
            delta, logprobs, id = self._held[0]
            if len(delta) > end:
                if not whole:
                    self._inner.text(delta[:end], id=id)  # what the tokens of a part are, nobody knows
                return
            self._held.pop(0)
            self._inner.text(delta, logprobs, id=id)
            end -= len(delta)

    def _flush(self) -> None:
        """No stop string after all: something else comes, or nothing."""
        held, self._held = self._held, []
        for delta, logprobs, id in held:
            self._inner.text(delta, logprobs, id=id)
