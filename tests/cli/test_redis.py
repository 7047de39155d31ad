"""`chat2response` with a Redis: it starts while Redis is down, recovers, and hides the password."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import httpx

from tests.support.cli.process import command
from tests.support.redis_server import PASSWORD, RedisServer
from tests.support.scripted_upstream import PATIENCE

LOCAL = ("--bind", "127.0.0.1:0")
KEY = "sk-test-0123456789"


async def test_it_starts_red_and_recovers_and_never_tells_the_password(
    tmp_path: Path, own_redis: Callable[..., RedisServer]
) -> None:
    server = own_redis(PASSWORD)
    server.kill()
    login = quote(PASSWORD, safe="")
    url = server.url.replace("://", f"://:{login}@")
    async with (
        command(tmp_path, *LOCAL, OPENAI_API_KEY=KEY, CHAT2RESPONSE_REDIS_URL=url) as gateway,
        httpx.AsyncClient(base_url=await gateway.url(), trust_env=False, timeout=PATIENCE) as client,
    ):
        await gateway.until(f"stored in {server.url}$")
        warning = (await gateway.logged(f"the store at {server.url} is down")).string
        assert (await client.get("/readyz")).status_code == 503
        server.start()
        assert (await client.get("/readyz")).status_code == 200
        token = (await client.post("/keys/generate", json={})).json()["token"]
        with server.client() as inside:
            assert inside.exists(f"chat2response:keys:{token[3:35]}")
        gateway.signal()
        assert await gateway.ended() == 0
        assert gateway.process.stdout is not None
        assert gateway.process.stderr is not None
        output = warning.encode() + "".join(gateway.lines).encode() + await gateway.process.stdout.read()
        output += await gateway.process.stderr.read()
    assert PASSWORD.encode() not in output
    assert login.encode() not in output
    assert not (tmp_path / "data").exists()


async def test_the_command_line_wins_over_the_variable(tmp_path: Path) -> None:
    unused = "redis://127.0.0.1:9"
    settings = {"OPENAI_API_KEY": KEY, "CHAT2RESPONSE_REDIS_URL": unused}
    async with command(tmp_path, *LOCAL, "--keys-backend=sqlite:own.db", **settings) as gateway:
        await gateway.until(f"stored in sqlite:{re.escape(str(tmp_path))}/own.db$")
    assert (tmp_path / "own.db").exists()
