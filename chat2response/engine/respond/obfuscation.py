"""Pads stream deltas for a client that sets `stream_options.include_obfuscation`.

An observer of the encrypted connection sees the length of each frame and could guess words from it. So each
delta gets a random text that makes its frame a multiple of 64 bytes long.
"""

import os
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from chat2response.convert.dialects.dialect import Encoder
from chat2response.convert.hub import HubRequest
from chat2response.convert.writer.events import Delta, Event

STEP = 64  # bytes
_END = b"}\n\n"
_FIELD = b',"obfuscation":"%b"' + _END
_ADDED = len(_FIELD % b"") - len(_END)  # with an empty text


def obfuscated(encoder: Encoder, request: HubRequest) -> Encoder:
    """`encoder`, whose deltas are padded if the request asks for that."""
    options: Any = request.body.get("stream_options")
    return ObfuscatingEncoder(encoder) if options and options.get("include_obfuscation") is True else encoder


class ObfuscatingEncoder:
    """Wraps an encoder that writes at most one frame per delta, and pads the frames."""

    def __init__(self, inner: Encoder) -> None:
        self._inner = inner

    def encode(self, events: Sequence[Event]) -> bytes:
        """The padded frames of a batch."""
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
