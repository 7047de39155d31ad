"""Obfuscation: deltas padded, for a client that asks (`stream_options.include_obfuscation`).

Who sees the encrypted stream pass sees how long each frame is, and could guess at the words. So each delta
gets a random text that makes its frame a multiple of 64 bytes long.
"""

import os
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Protocol

from chat2response.convert.writer.events import Delta, Event

STEP = 64  # bytes
_END = b"}\n\n"
_FIELD = b',"obfuscation":"%b"' + _END
_ADDED = len(_FIELD % b"") - len(_END)  # without the text


class Encoder(Protocol):
    """Batches of events to bytes."""

    def encode(self, events: Sequence[Event]) -> bytes: ...


class ObfuscatingEncoder:
    """Encoder around an Encoder that writes one frame for a delta, or none."""

    def __init__(self, inner: Encoder) -> None:
        self._inner = inner

    def encode(self, events: Sequence[Event]) -> bytes:
        """The frames of a batch."""
        return b"".join(map(self._frame, events))

    def _frame(self, event: Event) -> bytes:
        frame = self._inner.encode((event,))
        return _padded(frame) if _is_delta(event) and frame.endswith(_END) else frame


def _is_delta(event: Event) -> bool:
    return type(event) is Delta or str(event["type"]).endswith(".delta")  # type: ignore[index]


def _padded(frame: bytes) -> bytes:
    missing = -(len(frame) + _ADDED) % STEP
    noise = urlsafe_b64encode(os.urandom(STEP))[:missing]
    return frame[: -len(_END)] + _FIELD % noise
