"""Codex CLI 0.169 waits while the model thinks, because the gateway sends keepalives."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import Start
from tests.support.clients.codex import IMPATIENT, Codex
from tests.support.clients.scripted_session import COMMAND, DONE, Session, calling
from tests.support.e2e.scripted_model import CHAT
from tests.support.scripted_upstream import Received, Script, ScriptedUpstream

pytestmark = pytest.mark.clients

SHELL = calling("exec_command", {"cmd": COMMAND})
SILENCE = 2.5  # seconds; Codex gives up after one


def thinking(at: int) -> Callable[[Received], Script]:
    """The session, with a pause before step `at` of each answer."""
    session = Session("chat", (SHELL, DONE))

    def answer(request: Received) -> Script:
        script, over = session(request), asyncio.Event()
        asyncio.get_running_loop().call_later(SILENCE, over.set)
        return script.but(steps=(*script.steps[:at], over, *script.steps[at:]))

    return answer


@pytest.mark.parametrize("at", [0, 1, 2], ids=["before-the-first", "behind-the-first", "behind-the-second"])
async def test_signs_of_life_keep_it_waiting(
    start: Start, upstream: ScriptedUpstream, tmp_path: Path, at: int
) -> None:
    upstream.play_for(CHAT, thinking(at))
    codex = Codex(
        tmp_path, await start("chat", hold=0.1, chat2response_heartbeat_seconds="0.3"), config=IMPATIENT
    )
    turn = await codex.exec("Do it.")

    assert turn.failure is None
    assert turn.messages == ["All done."]
    assert (codex.repo / "made.txt").read_text() == "hi-42\n"
    assert len(upstream.requests) == 2


async def test_without_them_it_gives_up(start: Start, upstream: ScriptedUpstream, tmp_path: Path) -> None:
    """Proves that the keepalives matter in the test above."""
    upstream.play_for(CHAT, thinking(1))
    codex = Codex(
        tmp_path, await start("chat", hold=0.1, chat2response_heartbeat_seconds="0"), config=IMPATIENT
    )
    turn = await codex.exec("Do it.")
    assert turn.failure is not None
    assert "idle timeout" in turn.failure
