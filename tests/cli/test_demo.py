"""`chat2response demo` (`make run`): what a newcomer sees."""

import re
import signal
from pathlib import Path

import httpx
import pytest

from chat2response.wire.sse import payloads
from tests.support.cli.process import command
from tests.support.scripted_upstream import PATIENCE

TOKEN = r"sk_[0-9a-f]{32}\.[0-9a-f]{64}"
LOCAL = ("demo", "--bind", "127.0.0.1:0")


@pytest.fixture
def client() -> httpx.AsyncClient:
    return httpx.AsyncClient(trust_env=False, timeout=PATIENCE)


async def test_it_shows_a_key_and_a_stream_and_stays_up(tmp_path: Path, client: httpx.AsyncClient):
    async with command(tmp_path, *LOCAL) as gateway, client:
        url = await gateway.url()
        token = (await gateway.until(rf'"token": "({TOKEN})"'))[1]
        await gateway.until(rf"curl -N {url}/proxy -H 'Authorization: Bearer {token}'")
        await gateway.until(r"response\.created")
        await gateway.until(r"response\.reasoning_summary_text\.delta +The user wrote 2 words")
        await gateway.until(r'response\.output_text\.delta +You said: "Hello, bridge!" .* all I do\.')
        await gateway.until(r"response\.completed +2 tokens in, \d+ out")
        again = await gateway.until(rf"curl -N ({url}\S+) -H 'Authorization: (Bearer {token})' -d '(.+)'")
        await gateway.until(r"Press Ctrl-C to stop")

        assert (await client.get(f"{url}/healthz")).status_code == 200
        shown, bearer, body = again.groups()
        answer = await client.post(shown, content=body, headers={"authorization": bearer})
        assert answer.status_code == 200
        assert b"response.completed" in payloads(answer.content)[-2]
        stranger = await client.post(shown, content=body, headers={"authorization": "Bearer sk_x"})
        assert stranger.status_code == 401
        first = (await gateway.logged("chat2response.access")).string
        assert " POST /v1/responses " in first  # the access log has no line for the call that the demo shows
        assert (tmp_path / "data" / "keys.db").is_file()

        gateway.signal(signal.SIGTERM)
        assert await gateway.ended() == 0


async def test_ctrl_c_in_the_middle_lets_the_call_end(tmp_path: Path):
    async with command(tmp_path, *LOCAL, "--keys-backend", "memory") as gateway:
        await gateway.until(r"response\.created")
        gateway.signal(signal.SIGINT)
        assert await gateway.ended() == 0
        assert gateway.process.stderr is not None
        assert b"Traceback" not in await gateway.process.stderr.read()
        assert not (tmp_path / "data").exists()


async def test_it_knows_the_operators_admin_token(tmp_path: Path):
    async with command(tmp_path, *LOCAL, CHAT2RESPONSE_ADMIN_TOKEN="operators-own-secret") as gateway:
        await gateway.until(TOKEN)
        assert not any("operators-own-secret" in line for line in gateway.lines)
        gateway.signal(signal.SIGINT)
        assert await gateway.ended() == 0


async def test_a_step_that_fails_is_said_and_ends_it(tmp_path: Path):
    async with command(tmp_path, *LOCAL, CHAT2RESPONSE_KEYS_DEFAULT_TTL_SECONDS="0") as gateway:
        await gateway.logged(r"^Error: The gateway issued no key: 400 .*Expiration required")
        assert await gateway.ended() == 1
        assert not any(re.search(TOKEN, line) for line in gateway.lines)


async def test_its_upstream_is_the_demo_whatever_the_settings_say(tmp_path: Path):
    settings = {
        "UPSTREAM_MODE": "chat",
        "OPENAI_BASE_URL": "http://127.0.0.1:1/v1",
        "OPENAI_API_KEY": "sk-test",
    }
    async with command(tmp_path, *LOCAL, **settings) as gateway:
        await gateway.until(r"upstream +demo, built in")
        await gateway.until(r"response\.completed")
