"""Decodes content encodings (RFC 9110, 8.4.1) in pieces of bounded size.

A few kilobytes may decompress to gigabytes, so a decoder yields one piece at a time and the caller can stop
early. The decompression itself is done by zlib and by two libraries that are imported on first use.
"""

import zlib
from collections.abc import Iterator
from typing import Any, Protocol

ACCEPTED = ("zstd", "gzip", "deflate", "br")
"""The supported encodings, for the header `Accept-Encoding`."""

_PIECE = 1024 * 1024  # plain bytes per piece
_SLICE = 64 * 1024  # encoded bytes per step: each step copies what is left of them
_ZSTD_SLICE = 256  # the same for zstd, which has no output limit: 4 bytes can make 128 KiB, 256 bytes 8 MiB
_ZSTD_WINDOW = 8 * 1024 * 1024  # bytes; the maximum of RFC 9659
_MAX_MEMBERS = 1024  # gzip members or zstd frames: an empty one costs time and yields nothing


class CodingError(ValueError):
    """The bytes are not valid in their encoding. The message is public."""


class Decoder(Protocol):
    """Decodes one body."""

    incomplete: bool
    """Whether the encoded data so far is incomplete. If it stays so at the end, the body was cut off."""

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Decodes more bytes. Exhaust the iterator before the next call. Raises CodingError."""
        ...


def decoder_for(coding: str) -> Decoder | None:
    """The decoder for an encoding, by its lower-case name; None if it is not supported."""
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


def split_pieces(pieces: Iterator[bytes], max_size: int) -> Iterator[bytes]:
    """Splits pieces that are longer than `max_size`."""
    for piece in pieces:
        if len(piece) <= max_size:
            yield piece
        else:
            yield from (piece[at : at + max_size] for at in range(0, len(piece), max_size))


class _Zlib:
    """gzip and deflate. A gzip body is a sequence of members (RFC 1952)."""

    def __init__(self, window_bits: int) -> None:
        self.incomplete = False
        self._bits = window_bits
        self._members = 1
        self._decoder = zlib.decompressobj(window_bits)

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for slice_ in _slices(data, _SLICE):
            pending = bytes(slice_)
            while pending:
                if self._decoder.eof:
                    self._members = _count_member(self._members)
                    self._decoder = zlib.decompressobj(self._bits)
                try:
                    plain = self._decoder.decompress(pending, _PIECE)
                except zlib.error as error:
                    raise CodingError(str(error)) from None
                self.incomplete = not self._decoder.eof
                pending = self._decoder.unconsumed_tail or self._decoder.unused_data
                if plain:
                    yield plain


class _Zstd:
    """zstd: a sequence of frames (RFC 8878), each decoded by its own object."""

    def __init__(self) -> None:
        import zstandard

        self.incomplete = False
        self._frames = 0
        self._error = zstandard.ZstdError
        self._library = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
        self._frame: Any = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for slice_ in _slices(data, _ZSTD_SLICE):
            pending: bytes | memoryview = slice_
            while pending:
                if not self.incomplete:
                    self._frames = _count_member(self._frames)
                    self._frame = self._library.decompressobj()
                try:
                    plain = self._frame.decompress(pending)
                except self._error as error:
                    raise CodingError(str(error)) from None
                self.incomplete = not self._frame.eof
                pending = self._frame.unused_data
                if plain:
                    yield plain


class _Brotli:
    """Brotli: one stream (RFC 7932)."""

    def __init__(self) -> None:
        import brotli

        self.incomplete = False
        self._error = brotli.error
        self._stream = brotli.Decompressor()

    def pieces(self, data: bytes) -> Iterator[bytes]:
        for slice_ in _slices(data, _SLICE):
            pending = bytes(slice_)
            while True:
                try:
                    plain = self._stream.process(pending, output_buffer_limit=_PIECE)
                except self._error as error:
                    raise CodingError(str(error)) from None
                pending = b""
                if plain:
                    yield plain
                if self._stream.is_finished() or not plain:  # each call may leave plain bytes in its buffer
                    break
        self.incomplete = not self._stream.is_finished()


def _slices(data: bytes, size: int) -> Iterator[memoryview]:
    view = memoryview(data)
    return (view[at : at + size] for at in range(0, len(data), size))


def _count_member(members: int) -> int:
    if members >= _MAX_MEMBERS:
        raise CodingError(f"more than {_MAX_MEMBERS} members")
    return members + 1
