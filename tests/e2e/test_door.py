"""The door, in its order: the key, then the size, then the body (laws 8 and 10)."""

import asyncio
import json
from typing import Any

import openai
import pytest

from chat2response.keys.token import parse
from chat2response.stores import StoreDown
from tests.doubles import Clock
from tests.e2e.conftest import Start
from tests.e2e.gateway import CLIENT_BEARER, OPERATOR_KEY, Running
from tests.e2e.listen import Surface
from tests.e2e.pairs import PATH, body_for, error_of, every_way, post, sdk_call
from tests.e2e.said import CHAT, PATHS, RESPONSES, Said, whole
from tests.upstream import PATIENCE, ScriptedUpstream

SAID = Said(text=("Hi",))
GUARDED = [
    ("POST", "/proxy"),
    ("POST", "/v1/responses"),
    ("POST", "/responses"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/chat/completions"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/any"),
    ("GET", "/models"),
]
guarded = pytest.mark.parametrize(("method", "path"), GUARDED, ids=[f"{m} {p}" for m, p in GUARDED])


def _refused(answer: Any, message: str) -> None:
    assert answer.status_code == 401
    assert error_of(answer) == {
        "message": message,
        "type": "invalid_request_error",
        "param": None,
        "code": "invalid_api_key",
    }
    assert answer.headers["www-authenticate"] == "Bearer"


NO_KEYS: list[tuple[Any, str]] = [
    (None, "Missing Authorization bearer"),
    ("Basic abc", "Missing Authorization bearer"),
    ("Bearer", "Invalid API key"),
    ("Bearer nonsense", "Invalid API key"),
    (f"Bearer {OPERATOR_KEY}", "Invalid API key"),
    (f"Bearer sk_{'0' * 32}.{'0' * 64}", "Invalid API key"),
    (f"Bearer sk_{'0' * 32}.{'é' * 64}".encode(), "Invalid API key"),
]


@guarded
async def test_no_key_no_entry(start: Start, upstream: ScriptedUpstream, method: str, path: str) -> None:
    gateway = await start("chat")
    del gateway.http.headers["authorization"]

    for authorization, message in NO_KEYS:
        headers = {"authorization": authorization} if authorization else {}
        answer = await gateway.http.request(method, path, headers=headers, content=b"{}")
        _refused(answer, message)
    assert upstream.requests == []


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_a_key_lives_until_it_is_revoked_or_expires(
    start: Start, upstream: ScriptedUpstream, store: str
) -> None:
    upstream.play(whole("chat", SAID))
    clock = Clock()
    gateway = await start("chat", store=store, clock=clock)
    mortal = await gateway.issue(ttl_seconds=60)
    doomed = await gateway.issue()
    wrong = doomed[:-1] + ("0" if doomed[-1] != "0" else "1")

    async def ask(token: str) -> Any:
        headers = {"authorization": f"Bearer {token}"}
        return await gateway.post(CHAT, body_for("chat"), headers=headers)

    assert (await ask(mortal)).status_code == (await ask(doomed)).status_code == 200
    _refused(await ask(wrong), "Invalid API key")

    parsed = parse(doomed)
    assert parsed is not None and await gateway.services.keys.revoke(parsed.id)
    _refused(await ask(doomed), "API key revoked")
    _refused(await ask(wrong), "Invalid API key")

    clock.advance(60)
    _refused(await ask(mortal), "API key expired")
    assert (await ask(gateway.key)).status_code == 200


async def test_a_key_outlives_the_process(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", SAID))
    first = await start("chat", store="sqlite")
    second = await start("chat", store="sqlite")  # the same file

    answer = await second.post(CHAT, body_for("chat"), headers={"authorization": f"Bearer {first.key}"})

    assert answer.status_code == 200


async def test_the_scheme_is_read_in_any_case(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", SAID))
    gateway = await start("chat")

    for form in (f"bearer {gateway.key}", f"BEARER   {gateway.key}"):
        answer = await gateway.post(CHAT, body_for("chat"), headers={"authorization": form})
        assert answer.status_code == 200


async def test_the_sdk_raises_what_it_should(start: Start) -> None:
    gateway = await start("chat")
    client = gateway.sdk("sk-wrong")
    with pytest.raises(openai.AuthenticationError):
        await client.models.list()
    with pytest.raises(openai.BadRequestError):
        await gateway.sdk().responses.create(model="m", input="x", previous_response_id="resp_1")


@every_way
async def test_the_clients_key_never_goes_up(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(whole(dialect, SAID))
    gateway = await start(dialect)

    await post(gateway, surface)

    assert upstream.last.headers["authorization"] == f"Bearer {OPERATOR_KEY}"
    assert gateway.key not in str(upstream.last.order) + upstream.last.body.decode()


@every_way
async def test_in_passthrough_the_clients_bearer_goes_up_unchanged(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    upstream.play(whole(dialect, SAID))
    gateway = await start(dialect, managed=False)

    await post(gateway, surface)
    assert upstream.last.headers["authorization"] == f"Bearer {CLIENT_BEARER}"

    odd = "bearer  x~y+z/=="
    await gateway.post(PATH[surface], body_for(surface), headers={"authorization": odd})
    assert upstream.last.headers["authorization"] == odd

    del gateway.http.headers["authorization"]
    await post(gateway, surface)
    assert "authorization" not in upstream.last.headers


async def test_passthrough_serves_the_sdk(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("responses", SAID))
    gateway = await start("responses", managed=False)
    made = await sdk_call(gateway, "chat", streamed=False)
    assert made.choices[0].message.content == "Hi"


# -- fail closed --------------------------------------------------------------------------------------


async def test_without_its_store_nobody_enters(
    start: Start, upstream: ScriptedUpstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    upstream.play(whole("chat", SAID))
    clock = Clock()
    gateway = await start("chat", clock=clock)
    assert (await post(gateway, "chat")).status_code == 200
    clock.advance(5)  # what was checked is remembered for a second

    async def down(*_: Any, **__: Any) -> Any:
        raise StoreDown("it is gone")

    monkeypatch.setattr(gateway.services.store, "get", down)
    for surface in ("chat", "responses", "proxy"):
        answer = await post(gateway, surface)
        assert answer.status_code == 503
        assert error_of(answer)["code"] == "store_unavailable"
        assert "it is gone" not in answer.text
    with pytest.raises(openai.InternalServerError):
        await gateway.sdk().models.list()
    assert len(upstream.requests) == 1

    monkeypatch.undo()
    assert (await post(gateway, "chat")).status_code == 200


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_a_closed_store_is_down(start: Start, upstream: ScriptedUpstream, store: str) -> None:
    gateway = await start("chat", store=store)
    await gateway.services.store.close()

    answer = await post(gateway, "chat")

    assert answer.status_code == 503
    assert upstream.requests == []


# -- the body ------------------------------------------------------------------------------------------

CAP = 4096


async def test_the_key_is_checked_before_the_size(start: Start) -> None:
    gateway = await start("chat", chat2response_max_body_bytes=CAP)

    answer = await gateway.post(CHAT, b"x" * (CAP + 1), headers={"authorization": "Bearer no"})

    _refused(answer, "Invalid API key")


async def test_a_refusal_does_not_wait_for_the_body(start: Start) -> None:
    """With a bad key, or a body that says it is too large, the answer is there before the body is."""
    gateway = await start("chat", chat2response_max_body_bytes=CAP)
    for token, status in (("nobody", b"401"), (gateway.key, b"413")):
        answer = await _head_only(gateway, f"Authorization: Bearer {token}\r\nContent-Length: {CAP + 1}")
        assert answer.startswith(b"HTTP/1.1 " + status)


async def test_a_body_over_the_cap_is_413(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", SAID), whole("responses", SAID))
    gateway = await start("chat", chat2response_max_body_bytes=CAP)

    async def pieces(count: int) -> Any:
        for _ in range(count):
            yield b" " * 1024

    for path in (*PATHS.values(), "/proxy", "/convert"):
        known = await gateway.post(path, b" " * (CAP + 1))
        chunked = await gateway.http.post(path, content=pieces(5))
        for answer in (known, chunked):
            assert answer.status_code == 413
            assert error_of(answer)["code"] == "request_too_large"
            assert str(CAP) in error_of(answer)["message"]
    assert upstream.requests == []

    exactly = b'{"model":"m","messages":[]' + b" " * (CAP - 27) + b"}"
    assert len(exactly) == CAP
    assert (await gateway.post(CHAT, exactly)).status_code == 200


BAD = (
    (b"", "could not parse"),
    (b'{"model":', "could not parse"),
    (b'{"model": "\xff"}', "could not parse"),
    (b'{"model": "\\ud800"}', "could not parse"),
    (b'{"model": NaN}', "could not parse"),
    (b"{} {}", "could not parse"),
    (b"[1]", "must be a JSON object"),
    (b'"hi"', "must be a JSON object"),
    (b"null", "must be a JSON object"),
)


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_what_is_no_json_object_is_400(start: Start, upstream: ScriptedUpstream, dialect: str) -> None:
    gateway = await start(dialect)
    for path in (CHAT, RESPONSES, "/proxy", "/convert"):
        for body, words in BAD:
            answer = await gateway.post(path, body)
            assert answer.status_code == 400, (path, body)
            assert words in error_of(answer)["message"]
            assert error_of(answer)["type"] == "invalid_request_error"
    assert upstream.requests == []


@pytest.mark.parametrize("depth", [200, 300, 100_000])
@pytest.mark.parametrize(
    ("surface", "dialect"),
    [("chat", "responses"), ("responses", "chat"), ("proxy", "chat"), ("proxy", "responses")],
)
async def test_a_body_that_nests_too_deeply_is_400(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, depth: int
) -> None:
    gateway = await start(dialect)

    plain = json.dumps(body_for(surface)).encode()
    deep = plain[:-1] + b', "x-deep":' + b"[" * depth + b"]" * depth + b"}"
    answer = await gateway.post(PATH[surface], deep)

    assert answer.status_code == 400
    assert error_of(answer)["code"] == "invalid_json"
    assert upstream.requests == []


@pytest.mark.parametrize("coding", ["gzip", "zstd", "br", "nonsense"])
async def test_a_coded_body_is_415(start: Start, upstream: ScriptedUpstream, coding: str) -> None:
    gateway = await start("chat")

    answer = await gateway.post(CHAT, b"\x1f\x8b", headers={"content-encoding": coding})

    assert answer.status_code == 415
    assert coding in error_of(answer)["message"]
    assert upstream.requests == []


async def test_identity_is_no_coding(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", SAID))
    gateway = await start("chat")
    answer = await gateway.post(CHAT, body_for("chat"), headers={"content-encoding": "Identity"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *((method, path, "POST") for _, path in GUARDED[:5] for method in ("GET", "PUT", "DELETE")),
        ("POST", "/v1/models", "GET, HEAD"),
        ("DELETE", "/v1/models/any", "GET, HEAD"),
        ("POST", "/livez", "GET, HEAD"),
        ("GET", "/convert", "POST"),
    ],
)
async def test_a_wrong_method_is_405(start: Start, method: str, path: str, allowed: str) -> None:
    gateway = await start("chat")

    answer = await gateway.http.request(method, path)

    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    assert error_of(answer)["code"] == "method_not_allowed"


async def _head_only(gateway: Running, headers: str) -> bytes:
    """What a request gets of which only the head was sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        writer.write(f"POST {CHAT} HTTP/1.1\r\nHost: x\r\n{headers}\r\n\r\n".encode())
        async with asyncio.timeout(PATIENCE):
            return await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
