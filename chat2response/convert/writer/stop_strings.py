"""`StopStringWriter` applies stop strings for an upstream that does not support them.

The text and the turn end before the first stop string, however it is cut into deltas. The upstream is stopped
at once, so it never reports its usage.
"""

from collections.abc import Sequence
from typing import Any

from chat2response.convert.hub import HubRequest
from chat2response.convert.validation import invalid_value, require_array, require_string
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.wrapper import BufferingWrapper, partial_match_length

MAX_STOP_STRINGS = 16
MAX_STOP_LENGTH = 1024  # characters
"""The limits: each delta is compared with each stop string."""


def read_stop_strings(hub: HubRequest) -> tuple[str, ...]:
    """The stop strings of a request. Raises InvalidRequest if they are invalid, too many or too long."""
    value = hub.extra.get("stop")
    strings = [value] if type(value) is str else require_array([] if value is None else value, "stop")
    stops = tuple(require_string(each, f"stop[{index}]") for index, each in enumerate(strings) if each != "")
    if len(stops) > MAX_STOP_STRINGS or any(len(stop) > MAX_STOP_LENGTH for stop in stops):
        message = (
            f"'stop' can have at most {MAX_STOP_STRINGS} strings of at most {MAX_STOP_LENGTH} characters."
        )
        raise invalid_value("stop", message)
    return stops


class StopStringWriter(BufferingWrapper):
    """A Writer around another one. It buffers a delta while a stop string may have begun in it."""

    def __init__(self, inner: Writer, stops: Sequence[str]) -> None:
        super().__init__(inner)
        self._stops = stops
        self._stopped = False
        self._buffered: list[tuple[str, Sequence[dict[str, Any]], str | None]] = []

    @property
    def done(self) -> bool:
        """Whether a stop string was found."""
        return self._stopped or self._inner.done

    def text(self, delta: str, logprobs: Sequence[dict[str, Any]] = (), *, id: str | None = None) -> None:
        if self._stopped:
            return
        self._buffered.append((delta, logprobs, id))
        text = "".join(each for each, _, _ in self._buffered)  # short: text without a stop string is released
        matches = [at for stop in self._stops if (at := text.find(stop)) >= 0]
        if matches:
            self._release(min(matches))
            self._stopped, self._buffered = True, []
            self.losses.add("usage", "not reported: the upstream was stopped at a stop string")
        else:
            self._release(
                len(text) - max(partial_match_length(text, stop) for stop in self._stops), whole=True
            )

    def _release(self, end: int, *, whole: bool = False) -> None:
        """Writes the buffered text up to `end`; `whole`: only deltas that lie entirely before it."""
        while self._buffered and end > 0:
            delta, logprobs, id = self._buffered[0]
            if len(delta) > end:
                if not whole:
                    self._inner.text(
                        delta[:end], id=id
                    )  # without logprobs: the tokens of half a delta are unknown
                return
            self._buffered.pop(0)
            self._inner.text(delta, logprobs, id=id)
            end -= len(delta)

    def _flush(self) -> None:
        """Writes all buffered text: no stop string follows."""
        buffered, self._buffered = self._buffered, []
        for delta, logprobs, id in buffered:
            self._inner.text(delta, logprobs, id=id)
