"""Codex CLI 0.169 with a Chat-only model: its built-in provider, redirected with `openai_base_url`."""

from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.support.clients.codex import OPENAI, Codex
from tests.support.clients.scripted_session import COMMAND, DONE, Session, calling
from tests.support.e2e.scripted_model import CHAT
from tests.support.scripted_upstream import ScriptedUpstream

pytestmark = pytest.mark.clients

SHELL = calling("exec_command", {"cmd": COMMAND})


@pytest.mark.parametrize("mode", ["managed", "open"])
async def test_its_own_provider_sent_here(
    start: Start, upstream: ScriptedUpstream, tmp_path: Path, mode: str
) -> None:
    """With `openai_base_url` Codex tries a WebSocket first, and falls back at once."""
    upstream.play_for(CHAT, Session("chat", (SHELL, DONE)))
    codex = Codex(tmp_path, await start("chat", chat2response_auth_mode=mode), config=OPENAI)
    turn = await codex.exec("Do it.")

    assert turn.failure is None
    assert turn.messages == ["All done."]
    assert (codex.repo / "made.txt").read_text() == "hi-42\n"
    assert not [event for event in turn.events if "Reconnecting" in event.get("message", "")]
