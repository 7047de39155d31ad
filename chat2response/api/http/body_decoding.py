"""Decodes compressed request bodies (`Content-Encoding`); the usual size limit applies to the decoded body.

Codex sends zstd. The first megabyte is decoded in the event loop, the rest in a small pool of threads. Memory
for the decoded bytes is allocated while they are produced.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from chat2response.api.http.body_buffers import Allocation
from chat2response.errors import InvalidRequest, PayloadTooLarge, UnsupportedMedia
from chat2response.wire.content_encoding import ACCEPTED, CodingError, Decoder, decoder_for

_IN_LOOP = 1024 * 1024  # decoded bytes produced in the event loop
_IN_THREAD = 4 * 1024 * 1024  # decoded bytes produced in a thread before memory is allocated for them
_THREADS = 2
_ACCEPT = ", ".join(ACCEPTED)


def decoder_of(coding: bytes) -> Decoder | None:
    """The decoder for a `Content-Encoding`; None for a plain body. Raises UnsupportedMedia."""
    name = coding.decode("latin-1").strip().lower()
    if name in ("identity", ""):
        return None
    decoder = decoder_for(name)
    if decoder is None:
        raise UnsupportedMedia(
            f"Content-Encoding '{name[:40]}' is not supported. Use one of {_ACCEPT}, or send a plain body.",
            code="unsupported_content_encoding",
            headers={"accept-encoding": _ACCEPT},  # RFC 9110, 12.5.3: the encodings that are accepted
        )
    return decoder


async def decode(encoded: bytes, decoder: Decoder, limit: int, allocation: Allocation | None = None) -> bytes:
    """Decodes a body of at most `limit` decoded bytes; frees the memory of the encoded one.

    Raises PayloadTooLarge, InvalidRequest if the body is damaged, Unavailable if there is no memory for it.
    """
    pieces = _bounded(decoder.pieces(encoded), limit)
    decoded: list[bytes] = []
    loop = asyncio.get_running_loop()
    try:
        size = _take(pieces, decoded, _IN_LOOP)
        _count(allocation, size)
        while size >= _IN_LOOP:
            size = await loop.run_in_executor(_threads(), _take, pieces, decoded, _IN_THREAD)
            _count(allocation, size)
    except CodingError as error:
        raise _damaged(str(error)) from None
    if decoder.incomplete or not encoded:
        raise _damaged("it ends too early")
    if allocation is not None:
        allocation.release(len(encoded))
    return decoded[0] if len(decoded) == 1 else b"".join(decoded)


def _count(allocation: Allocation | None, size: int) -> None:
    if allocation is not None:
        allocation.add(size)


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    """The thread pool, created at the first use, which is after a worker forks."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="unpack")


def too_large(limit: int) -> PayloadTooLarge:
    """A 413. The rest of the body is not read."""
    return PayloadTooLarge(f"The request body is larger than {limit} bytes.", headers={"connection": "close"})


def _bounded(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        yield piece


def _take(pieces: Iterator[bytes], decoded: list[bytes], enough: int) -> int:
    """Appends pieces until they have `enough` bytes. Returns their size: less than `enough` at the end."""
    size = 0
    for piece in pieces:
        decoded.append(piece)
        size += len(piece)
        if size >= enough:
            break
    return size


def _damaged(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The request body does not match its Content-Encoding: {why}.", code="invalid_content_encoding"
    )
