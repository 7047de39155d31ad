"""Large bodies: what they hold is bounded before it is decoded, all of them share a bounded room, and what is
large goes through every way as what is small does."""

import asyncio
import gzip
import json
import time
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import PATH, body_for, error_of, every_way, json_or_stream
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, PATHS, RESPONSES, ModelReply, stream, whole
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream

REPLY = ModelReply(text=("Hi",))
GZIP = {"content-encoding": "gzip"}
MANY = 65_537
CAP = 1024 * 1024  # of a body, in the tests of the room
LEAST_ROOM = 8 * CAP


def _with(surface: Surface, field: bytes, *, streamed: bool = False) -> bytes:
    """A request as JSON, with one more field."""
    return json.dumps(body_for(surface, streamed=streamed)).encode()[:-1] + b"," + field + b"}"


def _asking(surface: Surface, text: str, *, streamed: bool = False) -> dict[str, Any]:
    """A request with this prompt."""
    if surface == "responses":
        return body_for(surface, streamed=streamed, input=text)
    return body_for(surface, streamed=streamed, messages=[{"role": "user", "content": text}])


# -- what they hold --------------------------------------------------------------------------------------

TOO_MUCH = {
    "containers": (b'"x":[' + b",".join([b"[]"] * MANY) + b"]", "too_many_containers", "65536"),
    "nested containers": (b'"x":' + b"[" * MANY + b"]" * MANY, "too_many_containers", "65536"),
    "values": (b'"x":[' + b",".join([b"1"] * (4 * MANY)) + b"]", "too_many_values", "262144"),
}


@pytest.mark.parametrize("kind", TOO_MUCH)
@every_way
async def test_too_many_containers_are_400_on_every_way(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, kind: str
) -> None:
    field, code, number = TOO_MUCH[kind]
    gateway = await start(dialect)

    answer = await gateway.post(PATH[surface], _with(surface, field))

    assert answer.status_code == 400
    assert error_of(answer)["code"] == code
    assert number in error_of(answer)["message"]
    assert "inside strings do not count" in error_of(answer)["message"]
    assert upstream.requests == []


def _packed(containers: int) -> bytes:
    body = b'{"model":"m","store":false,"input":"a","x":[' + b"[]," * containers + b"[]]}"
    packed = gzip.compress(body, 9)
    assert len(packed) < 250 * 1024
    return packed


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [("/convert", False, 413), ("/convert", True, 413), (RESPONSES, True, 400), ("/proxy", True, 400)],
)
@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_a_quarter_megabyte_does_not_stop_the_gateway(
    start: Start, upstream: ScriptedUpstream, dialect: str, path: str, key: bool, status: int
) -> None:
    """It stands for tens of megabytes of containers: a minute and 3 GB, once. Now it is counted, not decoded.

    (A second of CPU, at most, of client and gateway together.)
    """
    gateway = await start(dialect)
    if not key:
        gateway.http.headers.pop("authorization")
    packed = _packed(10_000_000)

    began = time.process_time()
    answer = await gateway.post(path, packed, headers=GZIP)

    assert time.process_time() - began < 5.0
    assert answer.status_code == status
    assert upstream.requests == []


@every_way
async def test_code_in_a_prompt_may_have_any_number_of_brackets(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(whole(dialect, REPLY))
    gateway = await start(dialect)
    code = 'x = {"a": [1, 2, {"b": "\\\\"}]},\n' * 40_000

    answer = await gateway.post(PATH[surface], _asking(surface, code))

    assert answer.status_code == 200
    assert _holds(upstream.last.json(), code)


def _holds(value: Any, text: str) -> bool:
    if type(value) is str:
        return value == text
    inner = value.values() if type(value) is dict else value if type(value) is list else ()
    return any(_holds(each, text) for each in inner)


@json_or_stream
@every_way
async def test_a_large_request_is_answered_as_a_small_one(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    """A body that is processed in a thread is sent upstream like any other."""
    upstream.play(*[(stream if streamed else whole)(dialect, REPLY)] * 2)
    gateway = await start(dialect)

    small = await gateway.post(PATH[surface], body_for(surface, streamed=streamed))
    sent = upstream.last.json()
    padding = b" " * 200_000
    large = await gateway.post(
        PATH[surface], json.dumps(body_for(surface, streamed=streamed)).encode() + padding
    )

    assert small.status_code == large.status_code == 200
    assert upstream.last.json() == sent


@every_way
async def test_a_large_answer_is_answered_as_a_small_one(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    text = "word [{, " * 60_000
    upstream.play(whole(dialect, ModelReply(text=(text,))))
    gateway = await start(dialect)

    answer = await gateway.post(PATH[surface], body_for(surface))

    assert answer.status_code == 200
    assert _holds(answer.json(), text)


@every_way
async def test_an_answer_with_too_many_containers_is_an_error_of_the_upstreams(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    lists = b"[" + b",".join([b"[]"] * (4 * MANY)) + b"]"
    upstream.play(Script(PATHS[dialect], (b'{"object":"response","id":"r","x":%b}' % lists,)))
    gateway = await start(dialect)

    answer = await gateway.post(PATH[surface], body_for(surface))

    assert answer.status_code == 502
    assert error_of(answer)["code"] == "upstream_too_large"


async def test_more_references_than_anybody_looks_up_are_400(
    start: Start, upstream: ScriptedUpstream
) -> None:
    gateway = await start("responses")
    items = [{"type": "item_reference", "id": f"msg_{number}"} for number in range(10_001)]

    answer = await gateway.post(RESPONSES, {"model": "m", "input": items})

    assert answer.status_code == 400
    assert error_of(answer)["code"] == "too_many_references"
    assert upstream.requests == []


# -- /convert --------------------------------------------------------------------------------------------


async def test_convert_takes_more_of_who_has_a_key(start: Start) -> None:
    gateway = await start("chat")
    text = {"model": "m", "messages": [{"role": "user", "content": "a" * 300_000}]}
    for key in ("", "Bearer sk-nobody", "Basic abc"):
        refused = await gateway.post("/convert", text, headers={"authorization": key})
        assert refused.status_code == 413
        assert "262144" in error_of(refused)["message"]
        assert "API key" in error_of(refused)["message"]

    assert (await gateway.post("/convert", text)).status_code == 200
    assert (await gateway.post("/convert", text, headers={"x-api-key": gateway.key})).status_code == 200
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = f"POST /convert HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {gateway.key}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 4194305\r\n\r\n".encode())
    answered = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()
    assert answered.startswith(b"HTTP/1.1 413")
    assert b"4194304" in answered


async def test_convert_is_open_without_a_key(start: Start) -> None:
    gateway = await start("chat")
    gateway.http.headers.pop("authorization")
    assert (await gateway.post("/convert", body_for("chat"))).status_code == 200


@pytest.mark.parametrize("media_type", ["text/plain", "", "application/x-www-form-urlencoded"])
async def test_convert_wants_json(start: Start, media_type: str) -> None:
    """A web page can send other types without a preflight."""
    gateway = await start("chat")
    answer = await gateway.post("/convert", body_for("chat"), headers={"content-type": media_type})
    assert answer.status_code == 415
    assert "application/json" in error_of(answer)["message"]


@pytest.mark.parametrize(
    ("origins", "origin", "status"),
    [
        (None, "https://app.example", 403),
        (None, "null", 403),
        ("*", "https://app.example", 200),
        ("https://app.example", "https://app.example", 200),
        ("https://app.example", "https://elsewhere.example", 403),
        (None, "own", 200),
    ],
)
async def test_convert_answers_other_origins_where_the_operator_names_them(
    start: Start, origins: str | None, origin: str, status: int
) -> None:
    more = {} if origins is None else {"cors_allowed_origins": origins}
    gateway = await start("chat", **more)
    origin = gateway.url if origin == "own" else origin

    answer = await gateway.post("/convert", body_for("chat"), headers={"origin": origin})
    body = {"origin": origin, "access-control-request-method": "POST"}
    preflight = await gateway.http.request("OPTIONS", "/convert", headers=body)

    assert answer.status_code == status
    named = origin != gateway.url and status == 200
    assert ("access-control-allow-origin" in answer.headers) == named
    assert ("access-control-allow-origin" in preflight.headers) == named


# -- the room that they share ----------------------------------------------------------------------------


async def _send_half(gateway: Running, size: int, key: str | None = None) -> asyncio.StreamWriter:
    """A request whose body stops after `size` bytes."""
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = f"POST {CHAT} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key or gateway.key}\r\n"
    writer.write(f"{head}Content-Length: {size + 1}\r\n\r\n".encode() + b" " * size)
    await writer.drain()
    return writer


async def _holds_room(gateway: Running, size: int) -> None:
    """Waits until the bodies use exactly `size` bytes."""
    async with asyncio.timeout(PATIENCE):
        while gateway.buffers.size != size:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_a_newcomer_is_told_that_the_gateway_is_busy(start: Start, upstream: ScriptedUpstream) -> None:
    """Four keys fill the room with halves of bodies; a fifth gets 503 at once, and is served once they are
    gone."""
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat", chat2response_max_body_bytes=CAP)
    assert gateway.buffers.limit >= LEAST_ROOM
    gateway.buffers.limit, gateway.buffers.share = LEAST_ROOM, LEAST_ROOM // 4
    keys = [await gateway.issue() for _ in range(4)]
    slow = [await _send_half(gateway, CAP - 1, key) for key in keys for _ in range(2)]
    await _holds_room(gateway, 8 * (CAP - 1))

    refused = await gateway.post(CHAT, _asking("chat", "a" * 1000))

    assert refused.status_code == 503
    assert error_of(refused)["code"] == "server_busy"
    assert int(refused.headers["retry-after"]) >= 1
    for writer in slow:
        writer.close()
    await _holds_room(gateway, 0)
    assert (await gateway.post(CHAT, _asking("chat", "a" * 1000))).status_code == 200


async def test_one_key_cannot_take_the_room_of_others(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", REPLY))
    gateway = await start("chat", chat2response_max_body_bytes=CAP)
    gateway.buffers.limit, gateway.buffers.share = LEAST_ROOM, LEAST_ROOM // 4
    slow = [await _send_half(gateway, CAP - 1) for _ in range(2)]
    await _holds_room(gateway, 2 * (CAP - 1))

    own = await gateway.post(CHAT, _asking("chat", "a" * 1000))
    another = await gateway.post(
        CHAT, body_for("chat"), headers={"authorization": f"Bearer {await gateway.issue()}"}
    )

    assert (own.status_code, error_of(own)["code"]) == (503, "server_busy")
    assert another.status_code == 200
    for writer in slow:
        writer.close()


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_what_is_unpacked_counts(start: Start, coding: str) -> None:
    """A few compressed kilobytes count with their decoded megabytes."""
    gateway = await start("chat", chat2response_max_body_bytes=CAP)
    gateway.buffers.limit, gateway.buffers.share = 4 * CAP, CAP // 2
    plain = json.dumps(_asking("chat", "a" * (CAP * 3 // 4))).encode()
    if coding == "gzip":
        packed = gzip.compress(plain)
    else:
        import zstandard

        packed = zstandard.ZstdCompressor().compress(plain)
    assert len(packed) < 64 * 1024

    answer = await gateway.post(CHAT, packed, headers={"content-encoding": coding})

    assert (answer.status_code, error_of(answer)["code"]) == (503, "server_busy")
    assert gateway.buffers.size == 0


async def test_a_body_takes_room_until_the_upstream_begins_to_answer(
    start: Start, upstream: ScriptedUpstream
) -> None:
    """A long stream does not keep its request's body in memory."""
    upstream.play(
        Script(PATHS["chat"], (), framing="raw", end="stall"), stream("chat", REPLY).but(end="stall")
    )
    gateway = await start("chat", hold=0.01)
    body = json.dumps(_asking("chat", "a" * 300_000, streamed=True)).encode()

    waiting = asyncio.ensure_future(gateway.post(CHAT, body))
    await upstream.wait_for_request()
    assert gateway.buffers.size == len(body)
    waiting.cancel()
    await gateway.idle()
    assert gateway.buffers.size == 0

    async with gateway.http.stream("POST", CHAT, content=body) as answer:
        assert answer.status_code == 200
        assert gateway.buffers.size == 0


BAD_ENDS = {
    "too large": (b" " * (CAP + 1), {}, 413),
    "no JSON": (b"{" + b" " * 200_000, {}, 400),
    "a damaged coding": (gzip.compress(b" " * 200_000)[:-8], GZIP, 400),
    "too deep": (b'{"model":"m","messages":[],"x":' + b"[" * 300 + b"]" * 300 + b"}", {}, 400),
}


@pytest.mark.parametrize("kind", BAD_ENDS)
@pytest.mark.parametrize("path", [CHAT, RESPONSES, "/proxy", "/convert"])
async def test_a_refused_body_gives_its_room_back(start: Start, kind: str, path: str) -> None:
    body, headers, status = BAD_ENDS[kind]
    gateway = await start("responses" if path == CHAT else "chat", chat2response_max_body_bytes=CAP)

    answer = await gateway.post(path, body, headers=headers)

    assert answer.status_code == status
    assert gateway.buffers.size == 0


# -- refused while it is sent ----------------------------------------------------------------------------


@pytest.mark.parametrize("sent", [16 * CAP, CAP + 1], ids=["much too large", "just too large"])
async def test_who_sends_a_body_that_is_refused_reads_why(
    start: Start, upstream: ScriptedUpstream, sent: int
) -> None:
    """Sends everything before it reads, like many clients: closing the connection earlier resets them."""
    gateway = await start("responses", chat2response_max_body_bytes=CAP)
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    lines = f"Host: h\r\nAuthorization: Bearer {gateway.key}\r\nContent-Length: {sent}\r\n\r\n"
    writer.write(b"POST /v1/responses HTTP/1.1\r\n" + lines.encode())
    for _ in range(0, sent, 64 * 1024):
        writer.write(b" " * min(sent, 64 * 1024))
        await writer.drain()
        sent -= min(sent, 64 * 1024)

    answer = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()

    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"larger than 1048576 bytes" in answer
