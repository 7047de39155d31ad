"""Content codings (RFC 9110, 8.4.1): coded bytes in, plain bytes out, a bounded piece at a time.

A decoder makes one piece of the plain bytes at a time, so that whoever counts them can stop early: a few
kilobytes may stand for gigabytes. What unpacks is not ours: zlib, and two libraries that are loaded when a
body first asks for them.
"""

import zlib
from collections.abc import Iterator
from typing import Any, Protocol

ACCEPTED = ("zstd", "gzip", "deflate", "br")
"""The names of all codings, as an `Accept-Encoding` lists them."""

_PIECE = 1024 * 1024  # plain bytes made at a time
_SLICE = 64 * 1024  # coded bytes looked at at a time: what is left of them is copied at each step
_ZSTD_SLICE = 256  # the same for zstd, which has no bound of its own: 4 bytes make 128 KiB, these 8 MiB
_ZSTD_WINDOW = 8 * 1024 * 1024  # bytes of history; RFC 9659 lets no sender of this coding ask for more
_MAX_MEMBERS = 1024  # gzip members, zstd frames: an empty one takes work and makes nothing


class CodingError(ValueError):
    """The bytes are not what their coding says. The text is public."""


class Decoder(Protocol):
    """Of one body."""

    cut: bool
    """Something has begun and not ended: where the coded bytes end here, they are not all there."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """The plain bytes for more of the coded ones. Exhaust it before the next call. Raises CodingError."""
        ...


def decoder_for(coding: str) -> Decoder | None:
    """The decoder of a coding, by its name in lower case; None where there is none."""
    match coding:
        case "gzip" | "x-gzip":
            return _Zlib(16 + zlib.MAX_WBITS)
        case "deflate":
            return _Zlib(zlib.MAX_WBITS)
        case "zstd":
            return _Zstd()
        case "br":
            return _Brotli()
    return None


def split_pieces(made: Iterator[bytes], most: int) -> Iterator[bytes]:
    """The same bytes, `most` at a time at most."""
    for piece in made:
        if len(piece) <= most:
            yield piece
        else:
            yield from (piece[at : at + most] for at in range(0, len(piece), most))


class _Zlib:
    """gzip and deflate. A gzip body is one member or several, one behind the other (RFC 1952)."""

    def __init__(self, window_bits: int) -> None:
        self.cut = False
        self._bits = window_bits
        self._members = 1
        self._decoder = zlib.decompressobj(window_bits)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for slice_ in _slices(data, _SLICE):
            rest = bytes(slice_)
            while rest:
                if self._decoder.eof:
                    self._members = _one_more(self._members)
                    self._decoder = zlib.decompressobj(self._bits)
                try:
                    made = self._decoder.decompress(rest, _PIECE)
                except zlib.error as error:
                    raise CodingError(str(error)) from None
                self.cut = not self._decoder.eof
                rest = self._decoder.unconsumed_tail or self._decoder.unused_data
                if made:
                    yield made


class _Zstd:
    """Frames, one behind the other (RFC 8878); each is decoded by an object of its own."""

    def __init__(self) -> None:
        import zstandard

        self.cut = False
        self._frames = 0
        self._error = zstandard.ZstdError
        self._library = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frame: Any = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for slice_ in _slices(data, _ZSTD_SLICE):
            rest: bytes | memoryview = slice_
            while rest:
                if not self.cut:
                    self._frames = _one_more(self._frames)
                    self._frame = self._library.decompressobj()
                try:
                    made = self._frame.decompress(rest)
                except self._error as error:
                    raise CodingError(str(error)) from None
                self.cut = not self._frame.eof
                rest = self._frame.unused_data
                if made:
                    yield made


class _Brotli:
    """One stream (RFC 7932)."""

    def __init__(self) -> None:
        import brotli

        self.cut = False
        self._error = brotli.error
        self._stream = brotli.Decompressor()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for slice_ in _slices(data, _SLICE):
            rest = bytes(slice_)
            while True:
                try:
                    made = self._stream.process(rest, output_buffer_limit=_PIECE)
                except self._error as error:
                    raise CodingError(str(error)) from None
                rest = b""
                if made:
                    yield made
                if self._stream.is_finished() or not made:  # it may hold plain bytes back at each call
                    break
        self.cut = not self._stream.is_finished()


def _slices(data: bytes, size: int) -> Iterator[memoryview]:
    view = memoryview(data)
    return (view[at : at + size] for at in range(0, len(data), size))


def _one_more(members: int) -> int:
    if members >= _MAX_MEMBERS:
        raise CodingError(f"more than {_MAX_MEMBERS} members")
    return members + 1
