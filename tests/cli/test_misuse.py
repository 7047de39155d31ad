"""How a gateway handles misuse, deliberate or not."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from chat2response.server.error_answers import MAX_HEAD
from tests.support.cli.process import command
from tests.support.free_ports import free_port
from tests.support.scripted_upstream import PATIENCE


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions", "/proxy"])
async def test_a_gateway_that_is_its_own_upstream_says_so(tmp_path: Path, path: str):
    url = f"http://127.0.0.1:{free_port()}"
    fields = {"input": "x"} if path == "/v1/responses" else {"messages": [{"role": "user", "content": "x"}]}
    body = {"model": "m", **fields}
    options = ("--bind", url.removeprefix("http://"), "--keys-backend=memory")
    async with command(tmp_path, *options, OPENAI_BASE_URL=f"{url}/v1", UPSTREAM_MODE="both") as gateway:
        assert await gateway.url() == url
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
            answer = await client.post(path, json=body)
            listed = await client.get("/v1/models")
    assert answer.status_code == 508
    assert answer.json()["error"]["code"] == "loop_detected"
    assert (listed.status_code, listed.json()["data"]) == (200, [])  # never an error, and the loop ended


@pytest.mark.parametrize("piece", [1024, 40 * 1024])
async def test_a_head_without_end_is_refused(tmp_path: Path, piece: int):
    async with command(tmp_path, "demo", "--bind", "127.0.0.1:0") as gateway:
        host, port = (await gateway.url()).removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ")
        sent = 0
        async with asyncio.timeout(PATIENCE):
            reading = asyncio.ensure_future(reader.read())
            while not reading.done() and sent < 4 * MAX_HEAD:
                writer.write(b"a" * piece)
                await writer.drain()
                sent += piece
                await asyncio.sleep(0.001)
            answer = await reading
        writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ") and b"connection: close" in head
    assert json.loads(body)["error"]["code"] == "request_head_too_large"


async def test_a_large_body_is_no_head(tmp_path: Path):
    body = {"model": "demo", "messages": [{"role": "user", "content": "x" * (3 * MAX_HEAD)}]}
    async with command(tmp_path, "demo", "--bind", "127.0.0.1:0") as gateway:
        url = await gateway.url()
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as client:
            for _ in range(2):  # on one connection
                answer = await client.post("/convert", json=body)
                assert answer.status_code == 200
