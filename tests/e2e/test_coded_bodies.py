"""Row 17: compressed request bodies, zstd first (Codex's default), with every upstream."""

import gzip
import json
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any

import brotli
import pytest
import zstandard

from chat2response.keys import INVALID
from chat2response.wire import content_encoding
from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import PATH, assert_no_entry, body_for, error_of, every_way
from tests.support.e2e.scripted_model import CHAT, RESPONSES, ModelReply, whole
from tests.support.scripted_upstream import ScriptedUpstream

REPLY = ModelReply(text=("Hi",))
CAP = 64 * 1024
CODE: dict[str, Callable[[bytes], bytes]] = {
    "zstd": zstandard.ZstdCompressor(write_content_size=False).compress,
    "ZSTD": zstandard.ZstdCompressor().compress,
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": partial(brotli.compress, quality=3),
}


def coded(coding: str, body: bytes) -> dict[str, Any]:
    """The arguments of a post with this body."""
    return {"content": CODE[coding](body), "headers": {"content-encoding": coding}}


@pytest.mark.parametrize("coding", CODE)
@every_way
async def test_row_17_a_coded_body_is_read_and_goes_up_plain(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, coding: str
) -> None:
    """Row 17: the body is decoded first, the header is not passed on, a relay sends decoded bytes."""
    upstream.play(whole(dialect, REPLY))
    gateway = await start(dialect)
    body = json.dumps(body_for(surface), indent=1).encode()

    answer = await gateway.http.post(PATH[surface], **coded(coding, body))

    assert answer.status_code == 200
    assert "content-encoding" not in upstream.last.headers
    assert upstream.last.headers["content-length"] == str(len(upstream.last.body))
    if surface == dialect:
        assert upstream.last.body == body
    else:
        assert upstream.last.json()["model"] == body_for(surface)["model"]


@pytest.mark.parametrize("coding", CODE)
async def test_row_17_a_large_coded_body_arrives_whole(
    start: Start, upstream: ScriptedUpstream, coding: str
) -> None:
    """Row 17: more than a megabyte, which is decoded in a thread."""
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat")
    body = json.dumps(body_for("chat", user="x" * 5_000_000)).encode()

    answer = await gateway.http.post(CHAT, **coded(coding, body))

    assert answer.status_code == 200
    assert upstream.last.body == body


@pytest.mark.parametrize("coding", CODE)
async def test_row_17_the_cap_is_on_the_decoded_size(
    start: Start, upstream: ScriptedUpstream, coding: str
) -> None:
    """Row 17: a decoded body above the limit gets 413, however small the encoded one is."""
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat", chat2response_max_body_bytes=CAP)
    for size in (CAP + 1, 300_000_000 if coding == "zstd" else 5_000_000):
        answer = await gateway.http.post(CHAT, **coded(coding, b" " * size))
        assert answer.status_code == 413
        assert error_of(answer)["code"] == "request_too_large"
        assert str(CAP) in error_of(answer)["message"]
    assert upstream.requests == []

    plain = json.dumps(body_for("chat")).encode()
    exactly = plain[:-1] + b" " * (CAP - len(plain)) + b"}"
    assert (await gateway.http.post(CHAT, **coded(coding, exactly))).status_code == 200


@pytest.mark.parametrize("coding", CODE)
async def test_row_17_a_damaged_body_is_400(start: Start, upstream: ScriptedUpstream, coding: str) -> None:
    """Row 17: corrupt, truncated, with trailing bytes, or empty."""
    gateway = await start("chat")
    whole_body = CODE[coding](json.dumps(body_for("chat")).encode())
    for body in (b"{}", b"\xff" * 100, whole_body[:-1], whole_body[: len(whole_body) // 2], b""):
        answer = await gateway.http.post(CHAT, content=body, headers={"content-encoding": coding})
        assert answer.status_code == 400
        assert error_of(answer)["code"] == "invalid_content_encoding"
    assert upstream.requests == []


@pytest.mark.parametrize("coding", ["compress", "nonsense", "gzip, zstd"])
async def test_row_17_an_unknown_coding_is_415(start: Start, upstream: ScriptedUpstream, coding: str) -> None:
    """Row 17: the response names the encoding, and the supported ones."""
    gateway = await start("chat")

    answer = await gateway.post(CHAT, b"\x1f\x8b", headers={"content-encoding": coding})

    assert answer.status_code == 415
    assert coding in error_of(answer)["message"]
    assert answer.headers["accept-encoding"] == "zstd, gzip, deflate, br"
    assert upstream.requests == []


async def test_row_17_what_was_coded_is_judged_like_any_body(start: Start) -> None:
    """Row 17: bad JSON inside is an error about JSON."""
    gateway = await start("chat")
    for body in (b"{", b'{"model": "\xff"}', b"[" * 100_000):
        answer = await gateway.http.post(RESPONSES, **coded("zstd", body))
        assert (answer.status_code, error_of(answer)["code"]) == (400, "invalid_json")


async def test_row_46_the_key_is_checked_before_anything_is_unpacked(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 17 and 46: without a key the body is neither read nor decoded."""
    gateway = await start("chat")
    monkeypatch.setattr(content_encoding, "decoder_for", None)

    answer = await gateway.http.post(
        CHAT, content=b"x", headers={"content-encoding": "nonsense", "authorization": "Bearer no"}
    )

    assert_no_entry(answer, INVALID)


async def test_convert_reads_coded_bodies_too(start: Start) -> None:
    gateway = await start("chat")
    body = json.dumps(body_for("chat")).encode()
    plain = await gateway.post("/convert", body)
    packed = coded("zstd", body)
    packed["headers"]["content-type"] = "application/json"
    assert (await gateway.http.post("/convert", **packed)).json() == plain.json()
