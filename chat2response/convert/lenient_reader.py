"""Reads the events of a stream that the strict JSON decoder rejects.

Such an event is decoded leniently, repaired and read again; each repair is a loss. If a text ends within a
character, the event is buffered until the next one brings the other half.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

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


class LenientReader(ABC):
    """The base of stream readers. None of this runs for events that are valid JSON."""

    _writer: Writer

    def __init__(self) -> None:
        self.done = False
        self.started = False
        """Whether an event has been read; comments do not count."""
        self._buffered: Any = None

    @property
    def losses(self) -> Losses:
        """What the response cannot represent of the stream."""
        return self._writer.losses

    @abstractmethod
    def payload(self, data: bytes, /, *, last: bool = False) -> None:
        """Reads one event. While `_buffered` is set, `_read_after_buffered` reads it."""

    @abstractmethod
    def fail(self, error: UpstreamError) -> None:
        """Ends the turn with an error."""

    @abstractmethod
    def _as_event(self, answer: Any) -> dict[str, Any]:
        """A whole answer as a single event. Raises UpstreamError if it is an error, or no answer."""

    @abstractmethod
    def _read_whole(self, event: dict[str, Any]) -> None:
        """Reads the event of a whole answer."""

    def value(self, answer: Any, /) -> None:
        """Reads a whole answer that came in place of a stream. Anything else fails the turn."""
        if self.done:
            return
        try:
            event = self._as_event(answer)
        except UpstreamError as error:
            release_frames(error)
            self.fail(error)
        else:
            self.started = True
            self._read_whole(event)

    def _read_leniently(self, payload: bytes) -> None:
        """Reads an event that is not valid JSON. Raises JSONError if lenient decoding fails too."""
        self._read_decoded(decode_as_written(payload))

    def _read_decoded(self, value: Any) -> None:
        fixed, repairs = repair_value(value)  # also limits the depth
        if ends_in_half_character(value):
            self._buffered = value
        else:
            add_repair_losses(repairs, self._writer.losses)
            self.payload(encode(fixed))

    def _read_after_buffered(self, payload: bytes, last: bool) -> None:
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
            self.payload(payload, last=last)
        else:
            self._read_decoded(rest)

    def _read_buffered(self) -> None:
        """Reads the buffered event, if there is one: its other half has been added, or will not come."""
        if self._buffered is None:
            return
        value, self._buffered = self._buffered, None
        fixed, repairs = repair_value(value)
        add_repair_losses(repairs, self._writer.losses)
        self.payload(encode(fixed))
