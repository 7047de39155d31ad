"""Codex CLI 0.169 on a Chat-only model: its shell, with and without a key."""

import json
from pathlib import Path

import pytest

from tests.e2e.clients.codex import Codex
from tests.e2e.clients.session import COMMAND, DONE, Session, calling, last_output
from tests.e2e.conftest import Start
from tests.e2e.said import CHAT
from tests.upstream import ScriptedUpstream

pytestmark = pytest.mark.clients

SHELL = calling("exec_command", {"cmd": COMMAND})


async def test_a_shell_call(start: Start, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    upstream.play_for(
        CHAT, Session("chat", (calling("exec_command", {"cmd": COMMAND}, text=("Working.",)), DONE))
    )
    codex = Codex(tmp_path, await start("chat"))
    turn = await codex.exec("Do it.")

    assert turn.failure is None
    assert (codex.repo / "made.txt").read_text() == "hi-42\n"
    assert turn.said == ["Working.", "All done."]
    assert turn.usage["input_tokens"] == 22
    message, output = last_output(upstream.last.json())
    assert message["content"] == "Working."
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"cmd": COMMAND}
    assert "hi-42" in output


async def test_a_provider_without_a_key(start: Start, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    upstream.play_for(CHAT, Session("chat", (SHELL, DONE)))
    turn = await Codex(tmp_path, await start("chat", chat2response_auth_mode="open")).exec("Do it.")
    assert turn.failure is None
    assert turn.said == ["All done."]


async def test_reasoning_comes_back_to_the_model(
    start: Start, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    """Codex keeps nothing but what is sealed in the item."""
    says = calling("exec_command", {"cmd": COMMAND}, reasoning=("I should ", "echo."))
    upstream.play_for(CHAT, Session("chat", (says, DONE)))
    turn = await Codex(tmp_path, await start("chat")).exec("Do it.")

    assert turn.failure is None
    message, _ = last_output(upstream.last.json())
    assert message["reasoning_content"] == "I should echo."
