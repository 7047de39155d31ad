"""Row 18: a WebSocket upgrade, over a real socket and the real server."""

import asyncio
import json
import logging
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.dialect_pairs import post
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import ModelReply, whole
from tests.support.scripted_upstream import PATIENCE, ScriptedUpstream

# As Codex 0.169 sends it.
HANDSHAKE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: YscibCJYCgo4eEUi9+zM0A==\r\nopenai-beta: responses_websockets=2026-02-06\r\n"
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
)
PATHS = ("/v1/responses", "/responses")


async def upgrade(
    gateway: Running, path: str, *, key: str | None, method: str = "GET"
) -> tuple[int, Any, Any]:
    """Requests an upgrade; returns status, headers and body."""
    login = "" if key is None else f"Authorization: Bearer {key}\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: x\r\n{HANDSHAKE}{login}\r\n".encode())
    async with asyncio.timeout(PATIENCE):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.strip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        if headers.get("connection") == "close":
            assert await reader.read() == b""
    writer.close()
    return int(first.split()[1]), headers, body


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("settings", [{}, {"managed": False}, {"chat2response_auth_mode": "open"}])
async def test_row_18_an_upgrade_is_426_and_says_that_http_works(
    start: Start, path: str, settings: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Row 18: after any other status a client would retry; the log has only the access line."""
    caplog.set_level(logging.INFO)
    gateway = await start("chat", **settings)
    caplog.clear()

    status, headers, body = await upgrade(gateway, path, key=gateway.key)

    assert status == 426
    assert (headers["upgrade"], headers["connection"]) == ("HTTP/1.1", "close")
    assert headers["content-type"] == "application/json"
    assert body["error"]["code"] == "websocket_not_supported"
    assert "POST" in body["error"]["message"]
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert [record.name for record in caplog.records] == ["chat2response.access"]


@pytest.mark.parametrize("key", ["no-key-of-ours", None])
async def test_row_18_a_bad_key_is_401_at_the_upgrade(start: Start, key: str | None) -> None:
    """Row 18: the key comes first."""
    gateway = await start("chat")
    for path in PATHS:
        status, headers, body = await upgrade(gateway, path, key=key)
        assert (status, body["error"]["code"]) == (401, "invalid_api_key")
        assert headers["www-authenticate"] == "Bearer"


async def test_row_18_the_same_turn_goes_over_http(start: Start, upstream: ScriptedUpstream) -> None:
    """Row 18: the client's fallback to HTTP works."""
    upstream.play(whole("chat", ModelReply(text=("Hi",))))
    gateway = await start("chat")
    assert (await upgrade(gateway, "/v1/responses", key=gateway.key))[0] == 426
    assert (await post(gateway, "responses")).status_code == 200


async def test_row_18_a_gateway_that_drains_says_that(start: Start) -> None:
    gateway = await start("chat")
    gateway.drain()
    assert (await upgrade(gateway, "/v1/responses", key=gateway.key))[0] == 503


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/proxy", "/v1/models"])
async def test_other_paths_know_of_no_upgrade(start: Start, path: str) -> None:
    """405 if the path has no GET; otherwise the header is ignored (RFC 9110, 7.8)."""
    gateway = await start("demo")
    status, _, _ = await upgrade(gateway, path, key=gateway.key)
    assert status == (200 if path == "/v1/models" else 405)
