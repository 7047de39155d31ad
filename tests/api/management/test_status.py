"""`/status`, unknown paths and methods, and the management application on a real socket."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI

from chat2response.api.admin.rules import AdminRules
from chat2response.api.management.application import build_management
from chat2response.api.management.status import About
from chat2response.app import Gateway
from chat2response.compose import compose
from chat2response.errors import Unavailable
from chat2response.keys import KeyRepository
from chat2response.stores import Entry, MemoryStore
from tests.support.clock_and_ids import Clock
from tests.support.management_client import ELSEWHERE, Parts, client, client_of, settings

DEADLINE = 10.0


async def test_the_status_tells_names_and_states():
    parts = Parts.plain(about=About("1.2.3", "both", "managed", {"api_keys": "on", "losses": "warn"}))
    parts.clock.advance(90.7)
    parts.metrics.in_flight = lambda: 3
    async with client(parts, None) as http:
        answer = await http.get("/status")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    body = answer.json()
    routes = body.pop("routes")
    assert body == {
        "name": "chat2response",
        "version": "1.2.3",
        "proxy_enabled": True,
        "upstream_mode": "both",
        "auth_mode": "managed",
        "uptime_seconds": 90,
        "in_flight": 3,
        "store": "ok",
        "features": {"api_keys": "on", "losses": "warn"},
    }
    assert {"/proxy", "/convert", "/chat/completions", "/keys", "/status", "/docs", "/livez"} <= set(routes)
    assert len(routes) == len(set(routes))


@pytest.mark.parametrize(
    ("params", "modes", "features"),
    [
        (
            {"upstream_mode": "chat", "openai_api_key": "sk-upstream-0123456789"},
            ("chat", "managed"),
            {
                "api_keys": "on",
                "stored_responses": "off",
                "losses": "warn",
                "reasoning": "auto",
                "upstream_profile": "openai",
                "outbound_proxy": "off",
            },
        ),
        (
            {"upstream_mode": "both", "openai_base_url": "http://private.example/v1"},
            ("both", "passthrough"),
            {
                "api_keys": "off",
                "stored_responses": "upstream",
                "losses": "warn",
                "reasoning": "auto",
                "upstream_profile": "generic",
                "outbound_proxy": "off",
            },
        ),
    ],
)
async def test_the_gateways_status_has_no_secrets_and_no_addresses(params, modes, features):
    params |= {
        "chat2response_admin_token": "an-admins-token-1",
        "chat2response_trusted_proxies": "192.0.2.99",
    }
    services = compose(settings(**params), store_url="memory")
    async with client_of(Gateway(services), None) as http:
        answer = await http.get("/status")
    await services.close()
    body = answer.json()
    assert (body["upstream_mode"], body["auth_mode"]) == modes
    assert body["features"] == features
    assert body["store"] == ("ok" if modes[1] == "managed" else "off")
    for private in (
        "sk-upstream",
        "an-admins-token-1",
        "private.example",
        "memory",
        "data",
        "8088",
        "192.0.2",
    ):
        assert private not in answer.text


def about(**more: Any) -> About:
    return About("1", "chat", "managed", details={"upstream": "http://private.example/v1"}, **more)


class Down(MemoryStore):
    """A store that cannot be reached, with an error message that must stay internal."""

    async def get(self, kind: str, key: str) -> Entry | None:
        raise Unavailable("down", internal="no route to redis://10.0.0.5; Bearer 0123456789abcdef")


async def test_texts_are_for_the_admin_plane_only():
    parts = Parts.over(Down(), Clock(), about=about())
    async with client(parts) as here, client(parts, ELSEWHERE) as there:
        inside, outside = (await here.get("/status")).json(), (await there.get("/status")).json()
        crossing = (await here.get("/status", headers={"origin": "https://evil.example"})).json()
        proxied = (await here.get("/status", headers={"x-forwarded-for": "127.0.0.1"})).json()
        rebound = (await here.get("/status", headers={"host": "evil.example"})).json()
    assert inside.pop("details") == {
        "upstream": "http://private.example/v1",
        "store_error": "no route to redis://10.0.0.5; Bearer [key]",
    }
    assert inside == outside == crossing == proxied == rebound
    assert inside["store"] == "unavailable"


async def test_the_token_shows_the_texts_too():
    parts = Parts.plain(admin=AdminRules("t" * 20, always_require_token=True), about=about())
    async with client(parts, ELSEWHERE) as http:
        assert "details" not in (await http.get("/status")).json()
        body = (await http.get("/status", headers={"x-admin-token": "t" * 20})).json()
    assert body["details"]["store_error"] is None


async def test_a_store_that_nobody_needs_is_not_asked():
    async with client(Parts.over(Down(), Clock(), about=about(needs_store=False))) as http:
        assert (await http.get("/status")).json()["store"] == "off"


async def test_the_gateways_own_texts_tell_no_password():
    params = {"openai_base_url": "http://me:pw-1@private.example/v1", "openai_api_key": "sk-upstream-12345"}
    services = compose(settings(**params), store_url="redis://:pw-3@127.0.0.1:1/2")
    async with client_of(Gateway(services)) as http:
        answer = await http.get("/status")
    await services.close()
    body = answer.json()
    assert (body["store"], body["details"]["store"]) == ("unavailable", "redis://127.0.0.1:1/2")
    assert body["details"]["upstream"] == "http://private.example/v1"
    assert body["details"]["store_error"]
    assert not any(secret in answer.text for secret in ("pw-", "sk-upstream"))


async def test_a_clock_that_was_set_back_makes_no_negative_time():
    parts = Parts.plain()
    parts.clock.advance(-60)
    async with client(parts) as http:
        assert (await http.get("/status")).json()["uptime_seconds"] == 0


@pytest.mark.parametrize(
    ("path", "near"),
    [("/v1/response", "/v1/responses"), ("/keys/", "/keys"), ("/v1/chat/completion", "/v1/chat/completions")],
)
async def test_an_unknown_path_is_told_what_is_near(path, near):
    async with client(Parts.plain()) as http:
        answer = await http.get(path)
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert f"Did you mean {near}?" in error["message"]
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "unknown_url", None)


@pytest.mark.parametrize("path", ["/v1/messages", "/chat", "/login", "/v1/embeddings", "/api/tags"])
async def test_a_path_of_another_program_is_told_no_other(path):
    async with client(Parts.plain()) as http:
        answer = await http.get(path)
    assert answer.json()["error"]["message"] == f"No such endpoint: {path}. See /docs for all endpoints."


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
async def test_an_unknown_path_points_to_the_documents(method):
    async with client(Parts.plain()) as http:
        answer = await http.request(method, "/v1/embeddings")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert "/docs" in answer.text


async def test_a_long_path_with_a_key_in_it_is_not_repeated():
    key = "sk_" + "0123456789abcdef" * 2 + "." + "0123456789abcdef" * 4
    async with client(Parts.plain()) as http:
        answer = await http.get(f"/{key}/" + "v1/responses" * 2000)
    assert answer.status_code == 404
    assert len(answer.content) < 600
    assert "0123456789abcdef" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/keys", "GET, HEAD"),
        ("POST", "/status", "GET, HEAD"),
        ("GET", "/keys/revoke", "POST"),
        ("OPTIONS", "/metrics", "GET, HEAD"),
    ],
)
async def test_another_method_is_told_the_right_one(method, path, allowed):
    async with client(Parts.plain()) as http:
        answer = await http.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allowed
    error = answer.json()["error"]
    assert error["code"] == "method_not_allowed"
    assert error["message"] == f"{path} does not support {method}. Use {allowed}."


async def test_head_of_what_is_only_posted_is_refused():
    async with client(Parts.plain()) as http:
        answer = await http.head("/keys/generate")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("path", ["/status", "/keys", "/metrics", "/docs", "/openapi.json"])
async def test_head_is_answered_like_get(path):
    async with client(Parts.plain()) as http:
        got, request = await http.get(path), await http.head(path)
    assert request.status_code == 200
    assert request.headers["content-type"] == got.headers["content-type"]


@asynccontextmanager
async def served(app: FastAPI) -> AsyncIterator[int]:
    """Serves the application on a real socket; yields the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        await serving
        listener.close()


class Wire:
    """One connection, and the bytes that it received."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, head: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
        """Sends a request; returns status, headers and body of the response."""
        lines = f"{head}\r\nhost: localhost\r\ncontent-length: {len(body)}\r\n\r\n"
        self.writer.write(lines.encode() + body)
        async with asyncio.timeout(DEADLINE):
            first, *rest = (await self.reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in rest)
            size = 0 if head.startswith("HEAD") else int(headers["content-length"])
            return int(first.split()[1]), headers, await self.reader.readexactly(size)


@asynccontextmanager
async def wire(app: FastAPI) -> AsyncIterator[Wire]:
    """One connection to the application."""
    async with served(app) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            yield Wire(reader, writer)
        finally:
            writer.close()
            await writer.wait_closed()


async def test_one_connection_outlives_every_kind_of_refusal(monkeypatch):
    async def fails(_: KeyRepository) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(KeyRepository, "list", fails)
    async with wire(build_management(Parts.plain())) as connection:
        for head, body, expected in (
            ("GET /status HTTP/1.1", b"", 200),
            ("GET /keys HTTP/1.1", b"", 500),
            ("GET /keys HTTP/1.1\r\nx-forwarded-for: 192.0.2.7", b"", 403),
            ("GET /keys HTTP/1.1\r\norigin: https://evil.example", b"", 403),
            ("GET /nowhere HTTP/1.1", b"", 404),
            ("DELETE /keys HTTP/1.1", b"", 405),
            ("POST /keys/generate HTTP/1.1", b"{}", 415),
            ("POST /keys/generate HTTP/1.1\r\ncontent-type: application/json", b"{", 400),
            ("POST /keys/generate HTTP/1.1\r\ncontent-type: application/json", b"{}", 200),
            ("HEAD /status HTTP/1.1", b"", 200),
            ("GET /metrics HTTP/1.1", b"", 200),
        ):
            status, headers, _ = await connection.ask(head, body)
            assert status == expected, head
            assert headers["x-request-id"]
