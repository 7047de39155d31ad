"""Codex CLI 0.169 with a Chat-only model: its shell, with and without a key; every kind of tool it sends."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.support.clients.codex import Codex
from tests.support.clients.scripted_session import COMMAND, DONE, Session, calling, last_output
from tests.support.e2e.scripted_model import CHAT, Call, ModelReply
from tests.support.scripted_upstream import ScriptedUpstream

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
    assert turn.messages == ["Working.", "All done."]
    assert turn.usage["input_tokens"] == 22
    message, output = last_output(upstream.last.json())
    assert message["content"] == "Working."
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"cmd": COMMAND}
    assert "hi-42" in output


async def test_a_provider_without_a_key(start: Start, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    upstream.play_for(CHAT, Session("chat", (SHELL, DONE)))
    turn = await Codex(tmp_path, await start("chat", chat2response_auth_mode="open")).exec("Do it.")
    assert turn.failure is None
    assert turn.messages == ["All done."]


async def test_reasoning_is_shown_and_comes_back_to_the_model(
    start: Start, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    """Codex shows the summary, and returns the sealed reasoning of the item."""
    first = calling("exec_command", {"cmd": COMMAND}, reasoning=("I should ", "echo."))
    upstream.play_for(CHAT, Session("chat", (first, DONE)))
    turn = await Codex(tmp_path, await start("chat")).exec("Do it.")

    assert turn.failure is None
    assert turn.thoughts == ["I should echo."]
    message, _ = last_output(upstream.last.json())
    assert message["reasoning_content"] == "I should echo."


PATCH = "*** Begin Patch\n*** Add File: patched.txt\n+4\u00b72 \U0001f600\n*** End Patch\n"


async def test_a_freeform_patch(start: Start, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """`gpt-5.5` has a custom tool with a grammar, which the model sees as a function with one string."""
    upstream.play_for(CHAT, Session("chat", (calling("apply_patch", {"input": PATCH}), DONE)))
    codex = Codex(tmp_path, await start("chat"), model="gpt-5.5")
    turn = await codex.exec("Do it.")

    assert turn.failure is None
    assert (codex.repo / "patched.txt").read_text() == "4\u00b72 \U0001f600\n"
    assert turn.messages == ["All done."]
    message, output = last_output(upstream.last.json())
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"input": PATCH}
    assert "patched.txt" in output


async def test_a_patch_that_breaks_off_is_not_applied(
    start: Start, upstream: ScriptedUpstream, tmp_path: Path
) -> None:
    """The answer fails, and nothing of the patch is written."""
    half = Call(
        "apply_patch", ('{"input": "*** Begin Patch\\n*** Add File: ', "half.txt\\n+x\\n*** End"), id="call_1"
    )
    upstream.play_for(CHAT, Session("chat", (ModelReply(calls=(half,)),)))
    codex = Codex(tmp_path, await start("chat"), model="gpt-5.5")
    turn = await codex.exec("Do it.")

    assert turn.failure is not None
    assert "apply_patch" in turn.failure
    assert not (codex.repo / "half.txt").exists()


async def test_a_tool_of_a_namespace(start: Start, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """Codex finds the tool by `namespace` and `name`, and returns both."""
    upstream.play_for(CHAT, Session("chat", (calling("__wait_agent", {"targets": ["x"]}), DONE)))
    turn = await Codex(tmp_path, await start("chat")).exec("Do it.")

    assert turn.failure is None
    assert turn.messages == ["All done."]
    message, output = last_output(upstream.last.json())
    assert message["tool_calls"][0]["function"]["name"] == "multi_agent_v1__wait_agent"
    assert "invalid agent id x" in output


async def test_code_mode(start: Start, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """`gpt-6-sol` sends its tools in the input; its shell is in the custom tool `exec` of a namespace."""
    code = f"const r = await tools.exec_command({{cmd: {json.dumps(COMMAND)}}}); text(r.output);"
    upstream.play_for(CHAT, Session("chat", (calling("functions__exec", {"input": code}), DONE)))
    codex = Codex(tmp_path, await start("chat"), model="gpt-6-sol")
    turn = await codex.exec("Do it.")

    assert turn.failure is None
    assert (codex.repo / "made.txt").read_text() == "hi-42\n"
    assert turn.messages == ["All done."]
    message, output = last_output(upstream.last.json())
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == {"input": code}
    assert "hi-42" in str(output)
