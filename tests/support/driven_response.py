"""An `HttpResponse` that a test feeds by hand, and receivers that act inside their callbacks. No socket."""

import gzip
import zlib
from collections.abc import Callable

import brotli
import zstandard

from chat2response.errors import UpstreamError
from chat2response.net.http_response import HttpResponse
from chat2response.net.received_bytes import SLICE
from chat2response.net.transport import StreamInterrupted

End = StreamInterrupted | UpstreamError | None
CODED: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "br": brotli.compress,
}


class Control:
    """A ConnectionControl that counts what a response does with it."""

    def __init__(self) -> None:
        self.pauses = self.resumes = self.aborts = 0

    @property
    def paused(self) -> bool:
        return self.pauses > self.resumes

    def pause_reading(self) -> None:
        self.pauses += 1

    def resume_reading(self) -> None:
        self.resumes += 1
        assert self.resumes <= self.pauses

    def abort(self) -> None:
        self.aborts += 1


class Driven(HttpResponse):
    """A response whose head has arrived. `line`: its connection."""

    __slots__ = ("__weakref__", "line")

    def __init__(self, coding: str = "identity") -> None:
        self.line = Control()
        super().__init__(self.line)
        self.feed_head(200, [(b"Content-Encoding", coding.encode())])

    def fed(self, *pieces: bytes) -> "Driven":
        for piece in pieces:
            self.feed(piece)
        return self


class Recorder:
    """Keeps what is pushed. `during`, `after`: what the receiver does inside `on_data` and `on_end`."""

    def __init__(
        self, during: Callable[[bytes], object] | None = None, after: Callable[[End], object] | None = None
    ) -> None:
        self.pieces: list[bytes] = []
        self.ends: list[End] = []
        self._during = during
        self._after = after

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    @property
    def ended(self) -> bool:
        return bool(self.ends)

    def on_data(self, data: bytes, /) -> None:
        assert not self.ends, "nothing follows the end"
        assert 0 < len(data) <= SLICE
        self.pieces.append(data)
        if self._during is not None:
            self._during(data)

    def on_end(self, error: End, /) -> None:
        assert not self.ends, "the end comes once"
        self.ends.append(error)
        if self._after is not None:
            self._after(error)


def fault_of(end: End) -> object:
    """The fault of an interruption."""
    assert isinstance(end, StreamInterrupted)
    return end.fault
