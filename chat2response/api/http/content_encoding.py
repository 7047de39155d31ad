"""Coded request bodies (`Content-Encoding`): undone within the bound of any other body, on the plain size.

Codex sends zstd. A body that says little costs nothing beside the loop: what makes more than a megabyte is
unpacked in threads, of which there are few, and room for the plain bytes is taken while they are made.
"""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from chat2response.api.http.body_buffers import Hold
from chat2response.errors import InvalidRequest, PayloadTooLarge, UnsupportedMedia
from chat2response.wire.content_encoding import ACCEPTED, CodingError, Decoder, decoder_for

_AT_ONCE = 1024 * 1024  # plain bytes made in the loop
_IN_THREAD = 4 * 1024 * 1024  # plain bytes made before room is taken for them
_THREADS = 2
_ACCEPT = ", ".join(ACCEPTED)


def decoder_of(coding: bytes) -> Decoder | None:
    """The decoder for a `Content-Encoding`; None where the body is as it is. Raises UnsupportedMedia."""
    name = coding.decode("latin-1").strip().lower()
    if name in ("identity", ""):
        return None
    decoder = decoder_for(name)
    if decoder is None:
        raise UnsupportedMedia(
            f"Content-Encoding '{name[:40]}' is not read: send one of {_ACCEPT}, or the body as it is.",
            code="unsupported_content_encoding",
            headers={"accept-encoding": _ACCEPT},  # RFC 9110, 12.5.3: what would have been taken
        )
    return decoder


async def unpacked(coded: bytes, decoder: Decoder, limit: int, hold: Hold | None = None) -> bytes:
    """The plain body, `limit` bytes at most; `hold` gives back the room of the coded one.

    Raises PayloadTooLarge, InvalidRequest where it is damaged, Unavailable where there is no room.
    """
    pieces = _bounded(decoder.pieces(coded), limit)
    made: list[bytes] = []
    loop = asyncio.get_running_loop()
    try:
        size = _take(pieces, made, _AT_ONCE)
        _count(hold, size)
        while size >= _AT_ONCE:
            size = await loop.run_in_executor(_threads(), _take, pieces, made, _IN_THREAD)
            _count(hold, size)
    except CodingError as error:
        raise _damaged(str(error)) from None
    if decoder.incomplete or not coded:
        raise _damaged("it ends too early")
    if hold is not None:
        hold.release(len(coded))
    return made[0] if len(made) == 1 else b"".join(made)


def _count(hold: Hold | None, size: int) -> None:
    if hold is not None:
        hold.add(size)


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    """Made when they are first needed, which is after a worker's fork."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix="unpack")


def too_large(limit: int) -> PayloadTooLarge:
    """413; what is still to come is not read."""
    return PayloadTooLarge(f"The request body is larger than {limit} bytes.", headers={"connection": "close"})


def _bounded(pieces: Iterator[bytes], limit: int) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        yield piece


def _take(pieces: Iterator[bytes], made: list[bytes], enough: int) -> int:
    """Adds pieces until there is enough. Returns how many bytes that was: less than enough at the end."""
    size = 0
    for piece in pieces:
        made.append(piece)
        size += len(piece)
        if size >= enough:
            break
    return size


def _damaged(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The request body is not what its Content-Encoding says: {why}.", code="invalid_content_encoding"
    )
