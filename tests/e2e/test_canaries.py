"""Canaries: no secret that the gateway knows appears in anything that it prints, logs or sends.

A gateway as a process, at log level debug, in every mode; it goes through whatever an upstream, a proxy and a
client may do, well and badly; then all that it printed, logged and answered is searched.
"""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from chat2response.compose.shown_settings import secrets
from chat2response.convert.dialects.chat.dialect import ChatDialect
from chat2response.server.logs import LineFormatter, SecretMask
from tests.e2e.conftest import Start
from tests.support.cli.process import Command, command
from tests.support.e2e.client_calls import Surface
from tests.support.e2e.dialect_pairs import PATH, body_for, post
from tests.support.e2e.scripted_model import PATHS, ModelReply, frames, stream, whole
from tests.support.outbound_proxy import LOGIN, SECRETS, OutboundProxy, StartProxy
from tests.support.scripted_upstream import PATIENCE, Answer, Received, Script, ScriptedUpstream

# Not of a shape that could be known by looking at it: what hides these, hides everything.
UPSTREAM_KEY = "canary.upstream.Key/0001"
ADMIN_TOKEN = "canary.admin.Token/0002"
CLIENT_BEARER = "canary.client.Bearer/0003"
SHAPED_KEY = "sk-test-canary-0123456789-upstream"

REPLY = ModelReply(text=("Hi", " there"))
JSON = {"content-type": "application/json"}


def echoes(status: int, shape: str) -> Callable[[Received], Script]:
    """An upstream whose error responses repeat the credentials of the request."""

    def answer(request: Received) -> Script:
        sent = " ".join(request.headers.get(name, "none") for name in ("authorization", "x-api-key"))
        body = shape.replace("%", f"Incorrect API key provided: {sent} {sent.removeprefix('Bearer ')}.")
        return Script(request.path, (body.encode(),), status=status)

    return answer


OBJECT = (
    '{"error": {"message": "%", "type": "invalid_request_error", "param": null, "code": "invalid_api_key"}}'
)


def misdeeds(dialect: str, key: str) -> list[Answer]:
    """Possible responses of an upstream that received `key`, from good to bad."""
    path, good = PATHS[dialect], stream(dialect, REPLY)
    error = b'data: {"error": {"message": "no such key: %b"}}\n\n' % key.encode()
    return [
        whole(dialect, REPLY),
        good,
        *(echoes(status, OBJECT) for status in (200, 400, 401, 403, 404, 422, 429, 500, 503)),
        *(
            echoes(status, shape)
            for status in (400, 502)
            for shape in ("%", "<b>%</b>", '{"detail": "%"}', '["%"]')
        ),
        Script(path, (b"",), status=302, headers=(("Location", f"http://h.example/?key={key}"),)),
        frames(dialect, error),
        good.but(steps=(*good.steps[:2], error)),
        good.but(steps=good.steps[:2], end="cut"),
        good.but(steps=good.steps[:2], end="reset"),
        good.but(steps=good.steps[:2], end="stall"),
        Script(path, (b"",), end="stall"),
        Script(path, (f"HTTP/9.9 {key}\r\n\r\n".encode(),), framing="raw"),
        Script(path, (b"no gzip",)).adding(("Content-Encoding", "gzip")),
        Script(path, (key.encode(),)),
    ]


class Ear:
    """Calls a gateway, and records all responses."""

    def __init__(self, url: str) -> None:
        self.received: list[bytes] = []
        self._http = httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE)

    async def __aenter__(self) -> "Ear":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def ask(self, method: str, path: str, **more: Any) -> httpx.Response | None:
        """Sends a request; None if the response was interrupted. The bytes that arrived are recorded."""
        try:
            async with self._http.stream(method, path, **more) as answer:
                self.received.append(f"{answer.status_code} {answer.headers!r}".encode())
                async for piece in answer.aiter_raw():
                    self.received.append(piece)
        except httpx.HTTPError:
            return None
        return answer

    async def call(self, surface: Surface, *, streamed: bool, **headers: str) -> None:
        await self.ask("POST", PATH[surface], json=body_for(surface, streamed=streamed), headers=headers)

    async def look_around(self, *tokens: str) -> None:
        """All other endpoints, with good credentials and with bad ones."""
        for token in ("", *tokens):
            headers = {"authorization": f"Bearer {token}"} if token else {}
            for path in (
                "/status",
                "/metrics",
                "/keys",
                "/usage",
                "/audit",
                "/readyz",
                "/openapi.json",
                "/docs",
            ):
                await self.ask("GET", path, headers=headers)
            await self.ask("POST", "/keys/revoke", headers=headers, json={"id": "x", "unknown": 1})
            await self.ask(
                "POST",
                "/keys/generate",
                headers=headers,
                content=b"{",
            )
            await self.ask("GET", "/v1/models", headers=headers)
            await self.ask("POST", "/v1/responses", headers={**headers, "x-api-key": "another"}, json={})


async def output_of(gateway: Command) -> bytes:
    """Everything that the gateway printed, after it has ended."""
    gateway.signal()
    assert await gateway.ended() == 0
    assert gateway.process.stdout is not None and gateway.process.stderr is not None
    rest = [await gateway.process.stdout.read(), await gateway.process.stderr.read()]
    return "".join(gateway.lines).encode() + b"".join(rest)


@asynccontextmanager
async def serving(folder: Path, **settings: str) -> AsyncIterator[tuple[Command, Ear]]:
    params = {
        "CHAT2RESPONSE_LOG_LEVEL": "debug",
        "CHAT2RESPONSE_HTTP_TIMEOUT_SECONDS": "0.2",
        "CHAT2RESPONSE_ADMIN_TOKEN": ADMIN_TOKEN,
        **settings,
    }
    async with (
        command(folder, "--bind", "127.0.0.1:0", "--keys-backend=memory", **params) as gateway,
        Ear(await gateway.url()) as ear,
    ):
        yield gateway, ear


def assert_silent(result: bytes, *canaries: str) -> None:
    for canary in canaries:
        at = result.find(canary.encode())
        assert at < 0, f"{canary} was told: ...{result[max(0, at - 300) : at + 60]!r}"


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as scripted:
        yield scripted


@pytest.mark.parametrize("dialect", ["chat", "responses"])
@pytest.mark.parametrize("mode", ["managed", "passthrough", "open"])
async def test_nothing_that_is_secret_is_ever_told(
    tmp_path: Path, upstream: ScriptedUpstream, locked_proxy: OutboundProxy, mode: str, dialect: str
) -> None:
    settings = {
        "OPENAI_BASE_URL": upstream.url,
        "OPENAI_API_KEY": UPSTREAM_KEY,
        "UPSTREAM_MODE": dialect,
        "CHAT2RESPONSE_AUTH_MODE": mode,
        "CHAT2RESPONSE_PROXY_URL": locked_proxy.url(LOGIN),
    }
    async with serving(tmp_path, **settings) as (gateway, ear):
        bearer, issued = CLIENT_BEARER, None
        if mode == "managed":
            result = await ear.ask("POST", "/keys/generate", json={}, headers={"x-admin-token": ADMIN_TOKEN})
            assert result is not None and result.status_code == 200
            issued = json.loads(ear.received.pop())["token"]  # told once, to who asked for it
            bearer = issued
        deeds = misdeeds(dialect, CLIENT_BEARER if mode == "passthrough" else UPSTREAM_KEY)
        for deed in deeds:
            if isinstance(deed, Script):
                upstream.play(deed)
            else:
                upstream.play_for(PATHS[dialect], deed)
            for surface in PATH:
                for streamed in (False, True):
                    await ear.call(surface, streamed=streamed, authorization=f"Bearer {bearer}")
        requests = len(upstream.requests)
        await ear.look_around(ADMIN_TOKEN, f"{ADMIN_TOKEN}x", bearer, f"{bearer}x")
        answer, printed = b"\n".join(ear.received), await output_of(gateway)
    assert requests > len(deeds) * 3 and b"Hi" in answer and b"WARNING" in printed, "it had much to tell"
    assert_silent(answer + printed, UPSTREAM_KEY, ADMIN_TOKEN, *SECRETS)
    assert_silent(printed, CLIENT_BEARER)
    if issued is not None:
        assert_silent(answer + printed, issued.partition(".")[2])


@pytest.mark.parametrize("proxy", ["refuses", "is down"])
async def test_not_when_a_proxy_fails_either(
    tmp_path: Path, upstream: ScriptedUpstream, start_proxy: StartProxy, proxy: str
) -> None:
    real = start_proxy("--basic-auth", "canary-user:another")
    if proxy == "is down":
        real.stop()
    settings = {
        "OPENAI_BASE_URL": upstream.url,
        "OPENAI_API_KEY": UPSTREAM_KEY,
        "UPSTREAM_MODE": "both",
        "CHAT2RESPONSE_AUTH_MODE": "open",
        "HTTP_PROXY": real.url(LOGIN),
    }
    async with serving(tmp_path, **settings) as (gateway, ear):
        for surface in PATH:
            for streamed in (False, True):
                await ear.call(surface, streamed=streamed)
        await ear.look_around(ADMIN_TOKEN)
        result = b"\n".join(ear.received) + await output_of(gateway)
    assert upstream.requests == []
    assert b"outbound proxy" in result
    assert_silent(result, UPSTREAM_KEY, ADMIN_TOKEN, *SECRETS, "canary-user:")


@pytest.mark.parametrize(
    "wrong",
    [
        {"OPENAI_BASE_URL": UPSTREAM_KEY},
        {"OPENAI_API_KEY": f"{UPSTREAM_KEY}\nx"},
        {"CHAT2RESPONSE_PROXY_URL": f"socks5://u:{UPSTREAM_KEY}@h:1"},
        {"CHAT2RESPONSE_REDIS_URL": f"http://:{UPSTREAM_KEY}@h"},
        {"CHAT2RESPONSE_AUTH_MODE": UPSTREAM_KEY},
        {"CHAT2RESPONSE_MAX_BODY_BYTES": UPSTREAM_KEY},
        {"CHAT2RESPONSE_SEAL_KEY": UPSTREAM_KEY},
    ],
    ids=lambda wrong: next(iter(wrong)),
)
async def test_not_when_the_start_fails_either(tmp_path: Path, wrong: dict[str, str]) -> None:
    async with command(tmp_path, **{"OPENAI_API_KEY": SHAPED_KEY, **wrong}) as gateway:
        stdout, stderr = await gateway.process.communicate()
    assert gateway.process.returncode == 2
    assert next(iter(wrong)).encode() in stderr
    assert_silent(stdout + stderr, UPSTREAM_KEY, SHAPED_KEY)


@pytest.mark.parametrize("streamed", [False, True])
async def test_not_in_a_traceback_either(
    start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, streamed: bool
) -> None:
    """An unexpected error is logged completely, except for secrets of the settings."""

    def fails(*_: Any) -> None:
        raise RuntimeError(f"unforeseen: {UPSTREAM_KEY} Bearer {CLIENT_BEARER}") from ValueError(LOGIN)

    gateway = await start(
        "chat",
        openai_api_key=SecretStr(UPSTREAM_KEY),
        chat2response_proxy_url=SecretStr(f"http://{LOGIN}@127.0.0.1:9"),
    )
    monkeypatch.setattr(ChatDialect, "peek", fails)
    answer = await post(gateway, "chat", streamed=streamed)
    text = "\n".join(map(LineFormatter().format, caplog.records))
    lines = SecretMask(secrets(gateway.services.settings))(text)
    assert answer.status_code == 500
    assert "RuntimeError: unforeseen" in lines
    assert_silent(answer.content + lines.encode(), UPSTREAM_KEY, CLIENT_BEARER, *SECRETS)
