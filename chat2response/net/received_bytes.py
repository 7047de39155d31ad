"""`ReceivedBytes`: the bytes of a body that nobody has taken yet, decoded as they are taken."""

from collections.abc import Iterator
from itertools import chain

from chat2response.errors import UpstreamError
from chat2response.wire.content_encoding import CodingError, Decoder, split_pieces

SLICE = 16 * 1024
"""The most bytes that are taken at once by default: what they become fits into a client's buffer."""


class ReceivedBytes:
    """`size`: the received bytes that have not been taken, in their content encoding."""

    __slots__ = ("_decoded", "_decoder", "_pieces", "_start", "encoded", "size", "slice_size")

    def __init__(self) -> None:
        self.size = 0
        self.slice_size = SLICE
        """The most bytes that are taken at once."""
        self.encoded = False
        """Whether the bytes have a content encoding."""
        self._pieces: list[bytes] = []
        self._start = 0  # in the first piece: the bytes before it have been taken
        self._decoder: Decoder | None = None
        self._decoded: Iterator[bytes] = iter(())  # of the bytes that the decoder has got

    def decode_with(self, decoder: Decoder) -> None:
        """Decodes all bytes, which must be none so far."""
        self._decoder = decoder
        self.encoded = True

    @property
    def incomplete(self) -> bool:
        """Whether the content encoding lacks its end."""
        return self._decoder is not None and self._decoder.incomplete

    def add(self, data: bytes) -> None:
        """Adds received bytes."""
        self._pieces.append(data)
        self.size += len(data)

    def take(self) -> bytes:
        """At most `slice_size` decoded bytes; empty if there are none. Raises UpstreamError."""
        decoder = self._decoder
        if decoder is None:
            if len(self._pieces) == 1 and self.size <= self.slice_size and not self._start:  # nearly always
                self.size = 0
                return self._pieces.pop()
            return self._take_received()
        try:
            while not (piece := next(self._decoded, b"")):
                data = self._take_received()
                if not data:
                    return b""
                self._decoded = split_pieces(decoder.pieces(data), self.slice_size)
        except CodingError as error:
            raise UpstreamError("The upstream's response cannot be decoded.", internal=str(error)) from None
        return piece

    def put_back(self, data: bytes) -> None:
        """Takes decoded bytes back, which are not none, to be taken first."""
        if self._decoder is not None:
            self._decoded = chain(split_pieces(iter((data,)), self.slice_size), self._decoded)
            return
        rest = b"".join(self._pieces)[self._start :]
        self._pieces, self._start = [data + rest], 0
        self.size += len(data)

    def clear(self) -> None:
        """Drops all bytes."""
        self._pieces.clear()
        self._start = self.size = 0
        self._decoded = iter(())

    def _take_received(self) -> bytes:
        pieces, start, size = self._pieces, self._start, self.slice_size
        if not pieces:
            return b""
        if len(pieces) > 1:
            pieces[:] = [b"".join(pieces)]
        data = pieces[0]
        if len(data) - start <= size:
            pieces.clear()
            self._start = self.size = 0
            return data[start:] if start else data
        blank = data.rfind(b"\n\n", start, start + size)
        end = start + size if blank < 0 else blank + 2  # events stay whole: one in two pieces is copied
        self._start = end
        self.size -= end - start
        return data[start:end]
