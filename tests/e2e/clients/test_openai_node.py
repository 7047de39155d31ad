"""The official `openai` package on Node: tool loops and errors."""

import pytest

from chat2response.keys import INVALID
from tests.e2e.conftest import Start
from tests.support.clients.processes import node
from tests.support.clients.scripted_session import looking
from tests.support.e2e.scripted_model import PATHS
from tests.support.scripted_upstream import ScriptedUpstream

pytestmark = pytest.mark.clients

EXPECTED = {"call": ["look", '{"at":"Paris"}'], "text": "It is 21 degrees.", "usage": 18}


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_tool_loops_over_both_apis(start: Start, upstream: ScriptedUpstream, dialect: str) -> None:
    upstream.play_for(PATHS[dialect], looking(dialect))
    output = await node("openai_sdk.mjs", await start(dialect))

    refusal = output.pop("refusal")
    assert output == dict.fromkeys(("responses", "responses_stream", "chat", "chat_stream"), EXPECTED)
    assert refusal == {
        "name": "AuthenticationError",
        "status": 401,
        "code": "invalid_api_key",
        "message": f"401 {INVALID}",
    }
    assert len(upstream.requests) == 8
