"""The commands of the original's manual, against a gateway on each store: each answers as the original did,
or says what to write instead.
"""

import asyncio
import json
import shlex
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from chat2response.keys import INVALID, MISSING
from tests.support.cli.curl import curl
from tests.support.cli.process import PATIENCE, command
from tests.support.e2e.scripted_model import CHAT, RESPONSES, ModelReply, speaking
from tests.support.e2e.sse_streams import chunks_of, events_of
from tests.support.scripted_upstream import ScriptedUpstream

UPSTREAM_KEY = "sk-operator-0123456789"
FAR = 4_102_444_800  # 2100-01-01
STORES = pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
SHAPE = {"id", "token", "created_at", "expires_at", "label", "scopes"}
ASK = '\'{"model":"m","messages":[{"role":"user","content":"Hi"}]}\''
STREAMED = '\'{"model":"m","stream":true,"messages":[{"role":"user","content":"Hi"}]}\''
JSON = "-H 'Content-Type: application/json'"
BEARER = '-H "Authorization: Bearer $TOKEN"'


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream() as scripted:
        for path, dialect in ((RESPONSES, "responses"), (CHAT, "chat")):
            scripted.play_for(path, speaking(dialect, ModelReply(text=("Hello",))))
        yield scripted


class Manual:
    """Runs commands of the manual, with values for its placeholders `$URL` and `$TOKEN`."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self.variables = {"URL": url, "TOKEN": "none"}
        self._http = http

    async def run(self, line: str, status: int = 200) -> httpx.Response:
        """Sends the command, and returns the answer after checking its status."""
        answer = await curl(line, self._http, **self.variables)
        assert answer.status_code == status, f"{line}\n{answer.text}"
        return answer

    async def post(self, path: str, body: Any, status: int = 200) -> Any:
        """Posts a JSON document with the manual's curl command; returns the answer's JSON."""
        line = f"curl -s -X POST $URL{path} {JSON} -d {shlex.quote(json.dumps(body))}"
        return (await self.run(line, status)).json()


async def check_calls(manual: Manual, dialect: str) -> None:
    """Runs the manual's sections on status, conversion, proxy and passthrough."""
    shown = (await manual.run("curl -s $URL/status")).json()
    assert (shown["name"], shown["proxy_enabled"]) == ("chat2response", True)
    assert {"/convert", "/proxy", "/chat/completions", "/keys"} <= set(" ".join(shown["routes"]).split())

    convert = await manual.run(f'curl -s -X POST "$URL/convert?conversation_id=conv-1" {JSON} -d {ASK}')
    assert convert.json()["conversation"] == "conv-1"
    assert convert.json()["input"][0]["role"] == "user"

    answer = (await manual.run(f"curl -s -X POST $URL/proxy {BEARER} {JSON} -d {ASK}")).json()
    assert answer["object"] == "response"
    assert answer["output"][0]["content"][0]["text"] == "Hello"
    streamed = await manual.run(f"curl -N -X POST $URL/proxy {BEARER} {JSON} -d {STREAMED}")
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert events_of(streamed.content)[-1]["type"] == "response.completed"

    completion = (await manual.run(f"curl -s $URL/chat/completions {BEARER} {JSON} -d {ASK}")).json()
    assert completion["choices"][0]["message"]["content"] == "Hello"
    chat_stream = await manual.run(f"curl -N $URL/v1/chat/completions {BEARER} {JSON} -d {STREAMED}")
    assert chunks_of(chat_stream.content)


async def check_key_lifecycle(manual: Manual) -> None:
    """Generates, uses, lists, expires and revokes keys, and checks what is refused."""
    created = await manual.post("/keys/generate", {"label": "svc", "ttl_seconds": 86400})
    assert set(created) == SHAPE and created["label"] == "svc"
    assert created["expires_at"] == created["created_at"] + 86400
    manual.variables["TOKEN"] = created["token"]
    await manual.run(f"curl -s $URL/chat/completions {BEARER} {JSON} -d {ASK}")

    plain = await manual.post("/keys/generate", {})
    assert plain["expires_at"] == plain["created_at"] + 86400, "the default"
    dated = await manual.post("/keys/generate", {"expires_at": FAR, "scopes": ["team-a"]})
    assert (dated["expires_at"], dated["scopes"]) == (FAR, ["team-a"])
    for refused in ({"expires_at": 1}, {"expires_at": None}, {"ttl_seconds": 0}, {"ttl_seconds": -1}):
        await manual.post("/keys/generate", refused, 400)
    listed = (await manual.run("curl -s $URL/keys")).json()
    assert {created["id"], plain["id"], dated["id"]} <= {each["id"] for each in listed}
    assert created["token"] not in json.dumps(listed)

    nobody = "0" * 32
    set_to = {"id": plain["id"], "expires_at": FAR}
    assert await manual.post("/keys/set_expiration", set_to) == {"updated": True, **set_to}
    later = await manual.post("/keys/set_expiration", {"id": plain["id"], "ttl_seconds": 60})
    assert later["updated"] and later["expires_at"] < FAR
    await manual.post("/keys/set_expiration", {"id": plain["id"]}, 400)
    unknown = await manual.post("/keys/set_expiration", {"id": nobody, "expires_at": FAR})
    assert (unknown["updated"], unknown["id"]) == (False, nobody)

    revoke = {"id": created["id"]}
    assert await manual.post("/keys/revoke", revoke) == {"revoked": True, **revoke}
    again = await manual.post("/keys/revoke", revoke)
    assert again == {"revoked": False, **revoke, "reason": "already_revoked"}
    unknown = await manual.post("/keys/revoke", {"id": nobody})
    assert unknown == {"revoked": False, "id": nobody, "reason": "unknown_key"}
    await check_refusals(manual, expired=plain)
    manual.variables["TOKEN"] = dated["token"]


async def check_refusals(manual: Manual, *, expired: dict[str, Any]) -> None:
    """Checks the four error messages. `$TOKEN` belongs to a revoked key."""
    line = f"curl -s $URL/chat/completions {BEARER} {JSON} -d {ASK}"

    async def refusal(line: str) -> Any:
        answer = await manual.run(line, 401)
        assert answer.headers["www-authenticate"].startswith("Bearer")
        return answer.json()["error"]["message"]

    assert await refusal(line) == "API key revoked"
    assert await refusal(line.replace(BEARER, "")) == MISSING
    assert await refusal(line.replace("$TOKEN", "sk_wrong")) == INVALID
    await manual.post("/keys/set_expiration", {"id": expired["id"], "expires_at": 1})
    manual.variables["TOKEN"] = expired["token"]
    assert await refusal(line) == "API key expired"


@STORES
@pytest.mark.parametrize("mode", ["responses", "chat"])
async def test_every_call_of_the_manual(
    tmp_path: Path, upstream: ScriptedUpstream, store_address: Callable[[str], str], store: str, mode: str
) -> None:
    settings = {
        "OPENAI_BASE_URL": upstream.url,
        "OPENAI_API_KEY": UPSTREAM_KEY,
        "UPSTREAM_MODE": mode,
        "BIND_ADDR": "127.0.0.1:0",
    }
    async with (
        command(tmp_path, f"--keys-backend={store_address(store)}", **settings) as gateway,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http,
    ):
        manual = Manual(await gateway.url(), http)
        await check_key_lifecycle(manual)
        await check_calls(manual, mode)
        assert all(each.headers["authorization"] == f"Bearer {UPSTREAM_KEY}" for each in upstream.requests)
        gateway.signal()
        assert await gateway.ended() == 0


async def test_without_an_upstream_key_the_clients_own_bearer_goes_up(
    tmp_path: Path, upstream: ScriptedUpstream
) -> None:
    """The manual's passthrough mode: the client's own key reaches the upstream."""
    settings = {"OPENAI_BASE_URL": upstream.url, "BIND_ADDR": "127.0.0.1:0"}
    async with (
        command(tmp_path, **settings) as gateway,
        httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as http,
    ):
        manual = Manual(await gateway.url(), http)
        manual.variables["TOKEN"] = "sk-clients-own"
        await check_calls(manual, "responses")
        assert {each.headers["authorization"] for each in upstream.requests} == {"Bearer sk-clients-own"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("chat2response mcp.json", "MCP"),
        ("chat2response mcp.json --keys-backend=memory", "MCP"),
        ("chat2response --keys-backend=sled:./data/keys.db", "Write `sqlite:"),
        ("chat2response --keys-backend=nonsense", "--keys-backend"),
    ],
)
async def test_what_the_manual_starts_otherwise_says_what_to_write(
    tmp_path: Path, line: str, expected: str
) -> None:
    (tmp_path / "mcp.json").write_text('{"mcpServers": {}}')
    _, *args = shlex.split(line)
    async with command(tmp_path, *args, BIND_ADDR="127.0.0.1:0") as run:
        async with asyncio.timeout(PATIENCE):
            _, stderr = await run.process.communicate()
    assert run.process.returncode not in (0, None)
    assert expected in stderr.decode()
