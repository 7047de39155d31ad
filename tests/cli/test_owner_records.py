"""An id that a client received still belongs to it after `kill -9`.

Law 6 (persist, then announce) and law 7 (tenants never meet).
"""

import signal
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from tests.support.cli.process import command
from tests.support.e2e.scripted_model import RESPONSES
from tests.support.e2e.stateful_upstream import keeping
from tests.support.scripted_upstream import PATIENCE, Received, Script, ScriptedUpstream

KEY = "sk-test-0123456789"
ROUNDS = 2


def numbered(request: Received) -> Script:
    """The stateful upstream, with ids that carry the number in the request's metadata."""
    script = keeping(request)
    number = request.json()["metadata"]["round"].encode()
    steps = tuple(
        step.replace(b"resp_a", b"resp_a" + number) if isinstance(step, bytes) else step
        for step in script.steps
    )
    return script.but(steps=steps)


@pytest.mark.parametrize("store", ["sqlite", "redis"])
async def test_an_id_that_was_told_has_its_owner_after_kill_9(
    tmp_path: Path, store_address: Callable[[str], str], store: str
) -> None:
    """The gateway is killed at the frame that carries the id, in each round, on one store."""
    async with ScriptedUpstream() as upstream:
        upstream.play_for(RESPONSES, numbered)
        args = ("--bind", "127.0.0.1:0", f"--keys-backend={store_address(store)}")
        settings = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": upstream.url}
        keys: list[dict[str, str]] = []
        for number in range(ROUNDS + 1):
            async with (
                command(tmp_path, *args, **settings) as gateway,
                httpx.AsyncClient(base_url=await gateway.url(), trust_env=False, timeout=PATIENCE) as http,
            ):
                while len(keys) < 2:
                    token = (await http.post("/keys/generate", json={})).json()["token"]
                    keys.append({"authorization": f"Bearer {token}"})
                if number:
                    last = f"resp_a{number - 1}"
                    before = {"model": "m", "previous_response_id": last, "metadata": {"round": "y"}}
                    codes = [(await http.post(RESPONSES, json=before, headers=k)).status_code for k in keys]
                    assert codes == [200, 400], f"round {number}"
                if number == ROUNDS:
                    break
                request = {"model": "m", "input": "x", "stream": True, "metadata": {"round": str(number)}}
                received = b""
                async with http.stream("POST", RESPONSES, json=request, headers=keys[0]) as answer:
                    assert answer.status_code == 200
                    async for data in answer.aiter_bytes():
                        received += data
                        if b"resp_a" in received:
                            break
                    gateway.signal(signal.SIGKILL)
                    assert await gateway.ended() == -signal.SIGKILL
