"""Codex CLI 0.169 shows its user why the model's server failed."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.clients.codex import Codex
from tests.support.e2e.scripted_model import ModelReply, frames, refused, sse, stream
from tests.support.scripted_upstream import Script, ScriptedUpstream

pytestmark = pytest.mark.clients


def error(message: str, code: str | None = None, type: str = "invalid_request_error") -> dict[str, Any]:
    return {"message": message, "type": type, "param": None, "code": code}


def begun(last: dict[str, Any] | None) -> Script:
    """A stream with one word, then an error if there is one."""
    word = next(iter(ModelReply(text=("Hm",)).chunks()))
    word["choices"][0]["delta"]["content"] = "Hm"
    return frames("chat", *sse(word, *([{"error": last}] if last else []), done=False))


TOO_LONG = "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens."

CASES: dict[str, tuple[Script, str]] = {
    "400": (refused("chat", 400, error("No such thing.")), "No such thing."),
    "401 of the upstream": (refused("chat", 401, error("Bad key", "invalid_api_key")), "502"),
    "429": (refused("chat", 429, error("Slow down.", "rate_limit_exceeded")), "last status: 429"),
    "500": (refused("chat", 500, error("Broken.", type="server_error")), "high demand"),
    "context in the stream": (begun(error(TOO_LONG)), "ran out of room in the model's context window"),
    "invalid prompt in the stream": (begun(error("Not this prompt.", "invalid_prompt")), "Not this prompt."),
    "error in the stream": (begun(error("It broke.", type="server_error")), "It broke."),
    "length": (stream("chat", ModelReply(text=("Half",), ended="length")), "max_output_tokens"),
    "cut": (begun(None).but(end="cut"), "stream disconnected before completion"),
}


@pytest.mark.parametrize("case", list(CASES))
async def test_the_turn_fails_and_says_why(
    start: Start, upstream: ScriptedUpstream, tmp_path: Path, case: str
) -> None:
    script, expected = CASES[case]
    upstream.play(script)
    turn = await Codex(tmp_path, await start("chat")).exec("Do it.")
    assert turn.failure is not None
    assert expected in turn.failure
    assert "stream closed before response.completed" not in turn.failure
