"""Upstreams behind a real proxy: every kind of call, and the messages when it fails."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.e2e.conftest import Start
from tests.support.cli.process import command
from tests.support.e2e.client_calls import Surface, ask, expected
from tests.support.e2e.dialect_pairs import (
    PATH,
    Reading,
    body_for,
    error_of,
    every_way,
    failure_of,
    json_or_stream,
    post,
)
from tests.support.e2e.scripted_model import ModelReply, stream, whole
from tests.support.outbound_proxy import LOGIN, SECRETS, Certificates, OutboundProxy, StartProxy
from tests.support.scripted_upstream import ScriptedUpstream

REPLY = ModelReply(text=("Through", " it."))


@pytest.fixture
async def tls_upstream(certificates: Certificates) -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream(certificates.server()) as scripted:
        yield scripted


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@json_or_stream
@every_way
async def test_every_call_comes_through(
    start: Start,
    upstream: ScriptedUpstream,
    tls_upstream: ScriptedUpstream,
    certificates: Certificates,
    locked_proxy: OutboundProxy,
    surface: Surface,
    dialect: str,
    streamed: bool,
    tls: bool,
) -> None:
    behind = tls_upstream if tls else upstream
    behind.play((stream if streamed else whole)(dialect, REPLY))
    gateway = await start(
        dialect,
        openai_base_url=behind.url,
        chat2response_proxy_url=SecretStr(locked_proxy.url(LOGIN)),
        chat2response_ca_file=certificates.ca,
    )

    answer = await ask(gateway, surface, streamed=streamed)

    relayed = dialect == ("chat" if surface == "chat" else "responses")
    assert answer == expected(REPLY, relayed=relayed)
    locked_proxy.saw(f"Connecting to upstream 127\\.0\\.0\\.1:{behind.port}")
    assert not any(secret in str(behind.last.order) for secret in SECRETS)


@json_or_stream
@pytest.mark.parametrize("surface", ["chat", "responses"])
async def test_a_refused_login_is_told_without_it(
    start: Start,
    upstream: ScriptedUpstream,
    locked_proxy: OutboundProxy,
    caplog: pytest.LogCaptureFixture,
    surface: Surface,
    streamed: bool,
) -> None:
    wrong = locked_proxy.url("canary-user:wrong-canary")
    gateway = await start("chat", chat2response_proxy_url=SecretStr(wrong))

    answer = await post(gateway, surface, streamed=streamed)

    assert (answer.status_code, error_of(answer)["code"]) == (502, "proxy_authentication_required")
    status = (await gateway.http.get("/status")).text
    assert f"http://127.0.0.1:{locked_proxy.port}" in status
    assert not any("canary" in output for output in (answer.text, status, caplog.text))
    assert upstream.requests == []


@pytest.mark.parametrize("surface", ["chat", "responses"])
async def test_a_proxy_that_goes_ends_the_stream_with_its_terminal_event(
    start: Start, upstream: ScriptedUpstream, start_proxy: StartProxy, surface: Surface
) -> None:
    proxy = start_proxy()
    script = stream("chat", REPLY)
    upstream.play(script.but(steps=script.steps[:2], end="stall"))
    gateway = await start("chat", chat2response_proxy_url=SecretStr(proxy.url()))

    async with gateway.http.stream("POST", PATH[surface], json=body_for(surface, streamed=True)) as answer:
        reading = Reading(answer)
        await reading.until(b"Through")
        proxy.stop()
        rest = await reading.rest()
    failure_of(surface, rest)


async def test_the_standard_variables_and_their_exceptions_count(
    tmp_path: Path, upstream: ScriptedUpstream, start_proxy: StartProxy
) -> None:
    proxy = start_proxy()
    local = ("--bind", "127.0.0.1:0", "--keys-backend=memory")
    params = {"OPENAI_BASE_URL": upstream.url, "http_proxy": proxy.url(LOGIN)}
    async with command(tmp_path, *local, **params) as gateway:
        line = (await gateway.until("upstream  ")).string
        assert f"through the proxy http://127.0.0.1:{proxy.port}" in line
        assert not any(secret in line for secret in SECRETS)
    for direct in ({"NO_PROXY": "localhost,127.0.0.1"}, {"CHAT2RESPONSE_NO_PROXY": "1"}):
        async with command(tmp_path, *local, **params, **direct) as gateway:
            assert "through the proxy" not in (await gateway.until("upstream  ")).string


@pytest.mark.parametrize("name", ["CHAT2RESPONSE_PROXY_URL", "HTTPS_PROXY", "all_proxy"])
async def test_a_socks_proxy_stops_the_start(tmp_path: Path, name: str) -> None:
    async with command(tmp_path, **{name: "socks5://me:canary@127.0.0.1:1080"}) as gateway:
        assert await gateway.ended() == 2
        assert gateway.process.stderr is not None
        output = (await gateway.process.stderr.read()).decode()
    assert f"{name.upper()}: SOCKS proxies are not supported" in output
    assert "canary" not in output and "Traceback" not in output
