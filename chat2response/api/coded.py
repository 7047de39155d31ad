"""Coded request bodies (`Content-Encoding`): undone within the bound of any other body, on the plain size.

Codex sends zstd. A body that says little costs nothing beside the loop: what makes more than a megabyte is
unpacked in a thread.
"""

import asyncio
from collections.abc import Iterator

from chat2response.errors import InvalidRequest, PayloadTooLarge, UnsupportedMedia
from chat2response.wire.codings import ACCEPTED, CodingError, Decoder, decoder_for

_AT_ONCE = 1024 * 1024  # plain bytes made in the loop
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


async def unpacked(coded: bytes, decoder: Decoder, limit: int) -> bytes:
    """The plain body, `limit` bytes at most. Raises PayloadTooLarge, InvalidRequest where it is damaged."""
    pieces = _bounded(decoder.pieces(coded), limit)
    made: list[bytes] = []
    try:
        if not _take(pieces, made, _AT_ONCE):
            await asyncio.to_thread(_take, pieces, made, limit + 1)
    except CodingError as error:
        raise _damaged(str(error)) from None
    if decoder.cut or not coded:
        raise _damaged("it ends too early")
    return made[0] if len(made) == 1 else b"".join(made)


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


def _take(pieces: Iterator[bytes], made: list[bytes], enough: int) -> bool:
    """Adds pieces until there is enough; whether that was all."""
    for piece in pieces:
        made.append(piece)
        enough -= len(piece)
        if enough <= 0:
            return False
    return True


def _damaged(why: str) -> InvalidRequest:
    return InvalidRequest(
        f"The request body is not what its Content-Encoding says: {why}.", code="invalid_content_encoding"
    )
