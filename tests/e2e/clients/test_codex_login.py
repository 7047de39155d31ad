"""Codex CLI 0.169 with a ChatGPT login: it requests the models, and compresses its requests."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.support.clients.codex import CHATGPT, MODEL, OPENAI, PROVIDER, Codex
from tests.support.clients.recording_port import RecordingProxy
from tests.support.clients.scripted_session import COMMAND, DONE, Session, calling, last_output
from tests.support.e2e.scripted_model import CHAT, MODELS
from tests.support.scripted_upstream import Script, ScriptedUpstream

pytestmark = pytest.mark.clients

SHELL = calling("exec_command", {"cmd": COMMAND})
LIST = {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": "us"}]}


@pytest.mark.parametrize("mode", ["managed", "open"])
async def test_its_requests_are_zstd(
    start: Start, upstream: ScriptedUpstream, tmp_path: Path, mode: str
) -> None:
    """Codex's feature `enable_request_compression` is on by default, but only for such a login."""
    upstream.play_for(CHAT, Session("chat", (SHELL, DONE)))
    gateway = await start("chat", chat2response_auth_mode=mode)
    async with RecordingProxy(gateway) as proxy:
        codex = Codex(tmp_path, gateway, config=CHATGPT, url=proxy.url)
        codex.log_in(gateway.key)
        turn = await codex.exec("Do it.")

    assert turn.failure is None
    assert turn.messages == ["All done."]
    assert (codex.repo / "made.txt").read_text() == "hi-42\n"
    heads = proxy.heads("POST", "/v1/responses")
    assert len(heads) == 2
    assert all("content-encoding: zstd" in head for head in heads)


@pytest.mark.parametrize("config", [PROVIDER, OPENAI], ids=["provider", "openai"])
async def test_with_a_key_it_sends_them_plain(
    start: Start, upstream: ScriptedUpstream, tmp_path: Path, config: str
) -> None:
    """With a key it does not request the models either, and there is no option for that."""
    upstream.play_for(CHAT, Session("chat", (DONE,)))
    gateway = await start("chat")
    async with RecordingProxy(gateway) as proxy:
        turn = await Codex(tmp_path, gateway, config=config, url=proxy.url).exec("Do it.")
    assert turn.messages == ["All done."]
    (head,) = proxy.heads("POST", "/v1/responses")
    assert "content-encoding" not in head
    assert not proxy.heads("GET", "/v1/models")


async def test_it_reads_the_models(start: Start, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """Codex follows the operator's description of the model: no warning, and patches as plain text."""
    patch = "*** Begin Patch\n*** Add File: patched.txt\n+42\n*** End Patch\n"
    upstream.play_for(CHAT, Session("chat", (calling("apply_patch", {"input": patch}), DONE)))
    upstream.play(Script(MODELS, (json.dumps(LIST).encode(),)))
    described = tmp_path / "models.json"
    described.write_text(json.dumps({MODEL: {"context_window": 262144, "freeform": True}}))
    gateway = await start("chat", chat2response_models_file=described)
    async with RecordingProxy(gateway) as proxy:
        codex = Codex(tmp_path, gateway, config=CHATGPT, url=proxy.url)
        codex.log_in(gateway.key)
        turn = await codex.exec("Do it.")

    assert proxy.heads("GET", "/v1/models?client_version=0.169")
    assert turn.failure is None
    assert turn.messages == ["All done."]
    assert not [each for each in turn.events if each.get("item", {}).get("type") == "error"]
    assert (codex.repo / "patched.txt").read_text() == "42\n"
    message, _ = last_output(upstream.last.json())
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"input": patch}
