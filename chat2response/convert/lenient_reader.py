"""What a reader of a stream does with an event that the strict decoder refuses.

It is read as its sender's own tools would, mended, and taken once more; what was mended is a loss. Where a
text ends within a character, the event waits for the next one, which has the other half.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from chat2response.convert.losses import Losses
from chat2response.convert.writer.protocol import Writer
from chat2response.errors import UpstreamError, release_frames
from chat2response.wire.json import JSONError, decode_as_written, encode, repair_value
from chat2response.wire.json_repair import Repair, ends_in_half_character, join_halves

_WHERE = re.compile(r"choices\[\d+\]\.(?:delta|message)(?=\.|$)")


def name_repairs(repairs: Iterable[Repair], losses: Losses) -> None:
    """What was mended in an answer, as losses; by the same names in streams and whole answers."""
    for path, effect in repairs:
        losses.add("output" if path == "delta" else _WHERE.sub("message", path), effect)


class StreamReader(Protocol):
    """A reader of a stream, as far as whole answers need it."""

    def feed(self, data: bytes, /) -> None: ...

    def fail(self, error: UpstreamError) -> None: ...


def feed_as_event(reader: StreamReader, as_event: Callable[[Any], Any], answer: Any) -> None:
    """Feeds a whole answer to a reader of streams: as the one event that says the same.

    `as_event` makes that event, and raises UpstreamError for what is no answer: an error to the reader.
    """
    try:
        event = as_event(answer)
    except UpstreamError as error:
        release_frames(error)
        reader.fail(error)
    else:
        reader.feed(b"data: %b\n\n" % encode(event))


class LenientReader(ABC):
    """The part of a reader that knows of such events. Nothing of it runs for those that are JSON."""

    done: bool
    _writer: Writer

    def __init__(self) -> None:
        self._waiting: Any = None

    @property
    def losses(self) -> Losses:
        """What the stream says and the writer cannot."""
        return self._writer.losses

    @abstractmethod
    def _take(self, payload: bytes, *, last: bool = False) -> None:
        """Takes one event."""

    def _take_leniently(self, payload: bytes) -> None:
        """Takes one that is no JSON. Raises JSONError where it cannot be read at all."""
        self._take_written(decode_as_written(payload))

    def _take_written(self, value: Any) -> None:
        mended, repairs = repair_value(value)  # which bounds its depth, too
        if ends_in_half_character(value):
            self._waiting = value
            self._take = self._take_behind  # type: ignore[method-assign]  # until the next event
        else:
            name_repairs(repairs, self._writer.losses)
            self._take(encode(mended))

    def _take_behind(self, payload: bytes, *, last: bool = False) -> None:
        """Takes the event behind the one that waits."""
        try:
            value = decode_as_written(payload)
            repair_value(value)
        except JSONError:
            value = None
        first, rest = join_halves(self._waiting, value)
        if rest != value:
            self._waiting = first
            payload = b""
        self._take_waiting()
        if self.done:
            return
        if payload:
            self._take(payload, last=last)
        else:
            self._take_written(rest)

    def _take_waiting(self) -> None:
        """Takes the one that waits, if there is one: what it waits for will not come, or is in it."""
        if self._waiting is None:
            return
        value, self._waiting = self._waiting, None
        del self._take  # the reader's own again
        mended, repairs = repair_value(value)
        name_repairs(repairs, self._writer.losses)
        self._take(encode(mended))
