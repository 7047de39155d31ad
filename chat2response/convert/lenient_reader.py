"""Reads the events of a stream that the strict JSON decoder rejects.

Such an event is decoded leniently, repaired and read again; each repair is a loss. If a text ends within a
character, the event is buffered until the next one brings the other half.
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

_CHOICE_PATH = re.compile(r"choices\[\d+\]\.(?:delta|message)(?=\.|$)")


def add_repair_losses(repairs: Iterable[Repair], losses: Losses) -> None:
    """Adds the repairs of an answer to the losses, with the same names for streams and whole answers."""
    for path, effect in repairs:
        losses.add("output" if path == "delta" else _CHOICE_PATH.sub("message", path), effect)


class StreamReader(Protocol):
    """The part of a stream reader that whole answers need."""

    def feed(self, data: bytes, /) -> None: ...

    def fail(self, error: UpstreamError) -> None: ...


def feed_as_event(reader: StreamReader, as_event: Callable[[Any], Any], answer: Any) -> None:
    """Feeds a whole answer to a stream reader, as a single event.

    `as_event` creates that event. It raises UpstreamError for a value that is no answer; the reader then
    fails.
    """
    try:
        event = as_event(answer)
    except UpstreamError as error:
        release_frames(error)
        reader.fail(error)
    else:
        reader.feed(b"data: %b\n\n" % encode(event))


class LenientReader(ABC):
    """The base of stream readers. None of this runs for events that are valid JSON."""

    done: bool
    _writer: Writer

    def __init__(self) -> None:
        self._buffered: Any = None

    @property
    def losses(self) -> Losses:
        """What the response cannot represent of the stream."""
        return self._writer.losses

    @abstractmethod
    def _read(self, payload: bytes, *, last: bool = False) -> None:
        """Reads one event."""

    def _read_leniently(self, payload: bytes) -> None:
        """Reads an event that is not valid JSON. Raises JSONError if lenient decoding fails too."""
        self._read_decoded(decode_as_written(payload))

    def _read_decoded(self, value: Any) -> None:
        fixed, repairs = repair_value(value)  # also limits the depth
        if ends_in_half_character(value):
            self._buffered = value
            self._read = self._read_after_buffered  # type: ignore[method-assign]  # until the next event
        else:
            add_repair_losses(repairs, self._writer.losses)
            self._read(encode(fixed))

    def _read_after_buffered(self, payload: bytes, *, last: bool = False) -> None:
        """Reads the event after the buffered one, and gives that its half of a character."""
        try:
            value = decode_as_written(payload)
            repair_value(value)
        except JSONError:
            value = None
        first, rest = join_halves(self._buffered, value)
        if rest != value:
            self._buffered = first
            payload = b""
        self._read_buffered()
        if self.done:
            return
        if payload:
            self._read(payload, last=last)
        else:
            self._read_decoded(rest)

    def _read_buffered(self) -> None:
        """Reads the buffered event, if there is one: its other half has been added, or will not come."""
        if self._buffered is None:
            return
        value, self._buffered = self._buffered, None
        del self._read  # back to the method of the class
        fixed, repairs = repair_value(value)
        add_repair_losses(repairs, self._writer.losses)
        self._read(encode(fixed))
