"""Content encodings: decoding restores the bytes, in bounded pieces, however the input is cut."""

import gzip
import os
import zlib
from collections.abc import Callable
from functools import partial

import brotli
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from chat2response.wire.content_encoding import ACCEPTED, CodingError, decoder_for

CODE: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
    "br": partial(brotli.compress, quality=3),
}
LARGEST = 8 * 1024 * 1024 + 128 * 1024  # what 256 bytes of zstd may make at once; the others are kept to 2 MB
every_coding = pytest.mark.parametrize("coding", ACCEPTED)


def plain(coding: str, *coded: bytes) -> tuple[bytes, bool]:
    """The decoded bytes of the reads `coded`, and whether they are incomplete."""
    decoder = decoder_for(coding)
    assert decoder is not None
    decoded = b"".join([piece for data in coded for piece in decoder.pieces(data)])
    return decoded, decoder.incomplete


@every_coding
@given(text=st.binary(max_size=2000), size=st.integers(1, 500))
def test_what_was_coded_comes_back_whatever_the_reads(coding: str, text: bytes, size: int) -> None:
    coded = CODE[coding](text)
    reads = [coded[at : at + size] for at in range(0, len(coded), size)]
    assert plain(coding, *reads) == (text, False)


@every_coding
def test_a_large_body_comes_back(coding: str) -> None:
    text = os.urandom(3_000_000) + b"0" * 3_000_000
    assert plain(coding, CODE[coding](text)) == (text, False)


@every_coding
def test_a_cut_is_seen_at_every_byte(coding: str) -> None:
    coded = CODE[coding](b'{"model": "m", "input": "a few words, a few words"}')
    for length in range(1, len(coded)):
        assert plain(coding, coded[:length])[1]


@every_coding
def test_a_small_body_that_stands_for_a_huge_one_is_made_piece_by_piece(coding: str) -> None:
    bomb = CODE[coding](b"\0" * 100_000_000)
    assert len(bomb) < 200_000
    decoder = decoder_for(coding)
    assert decoder is not None
    sizes = [len(piece) for piece in decoder.pieces(bomb)]
    assert sum(sizes) == 100_000_000
    assert max(sizes) <= LARGEST


@pytest.mark.parametrize("declared", [True, False])
def test_a_zstd_frame_that_tells_its_size_is_bounded_all_the_same(declared: bool) -> None:
    bomb = zstandard.ZstdCompressor(write_content_size=declared).compress(b"\0" * 100_000_000)
    decoder = decoder_for("zstd")
    assert decoder is not None
    assert len(next(decoder.pieces(bomb))) <= LARGEST


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_several_members_are_one_body(coding: str) -> None:
    coded = CODE[coding](b"first ") + CODE[coding](b"") + CODE[coding](b"second")
    assert plain(coding, coded) == (b"first second", False)
    assert plain(coding, coded[:-1])[1]


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_members_that_hold_nothing_are_bounded(coding: str) -> None:
    empty = CODE[coding](b"")
    assert plain(coding, empty * 1024) == (b"", False)
    with pytest.raises(CodingError, match="more than 1024"):
        plain(coding, empty * 1025)


def test_a_zstd_frame_may_be_skipped() -> None:
    skipped = b"\x50\x2a\x4d\x18\x04\x00\x00\x00junk"
    assert plain("zstd", skipped + CODE["zstd"](b"text")) == (b"text", False)


def test_a_zstd_window_over_eight_megabytes_is_refused() -> None:
    wide = zstandard.ZstdCompressionParameters(window_log=24, write_content_size=False)
    sender = zstandard.ZstdCompressor(compression_params=wide).compressobj()
    coded = sender.compress(b"x" * 100) + sender.flush()
    with pytest.raises(CodingError, match="memory"):
        plain("zstd", coded)


@every_coding
@pytest.mark.parametrize("damage", [lambda coded: b"no such thing at all", lambda coded: coded + b"and more"])
def test_what_is_not_so_coded_is_an_error(coding: str, damage: Callable[[bytes], bytes]) -> None:
    decoder = decoder_for(coding)
    assert decoder is not None
    with pytest.raises(CodingError):
        list(decoder.pieces(damage(CODE[coding](b"text"))))


def test_other_names_have_no_decoder() -> None:
    for name in ("", "identity", "compress", "gzip, gzip", "ZSTD"):
        assert decoder_for(name) is None
    assert decoder_for("x-gzip") is not None
