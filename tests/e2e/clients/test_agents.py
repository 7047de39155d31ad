"""The OpenAI Agents SDK runs its tools through the gateway."""

import pytest

from tests.e2e.conftest import Start
from tests.support.clients.processes import python
from tests.support.clients.scripted_session import OUTPUT, looking
from tests.support.e2e.scripted_model import CHAT, PATHS, RESPONSES
from tests.support.scripted_upstream import ScriptedUpstream

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_an_agent_runs_its_tool(start: Start, upstream: ScriptedUpstream, dialect: str) -> None:
    upstream.play_for(PATHS[dialect], looking(dialect, reasoning=("Let me ", "look.")))
    output = await python("agents_session.py", await start(dialect))

    for api in ("responses", "chat"):
        streamed = output[f"{api}_stream"]
        assert streamed.pop("events") > 10
        assert streamed == output[api]
        assert output[api]["text"] == "It is 21 degrees."
        assert output[api]["items"][-3:] == ["tool_call_item", "tool_call_output_item", "message_output_item"]
        assert output[api]["usage"] == 36
    assert len(upstream.requests) == 8


async def test_the_second_step_answers_the_call(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(CHAT, looking("chat"))
    await python("agents_session.py", await start("chat"))
    *_, call, output = upstream.requests[1].json()["messages"]
    assert call["tool_calls"][0]["id"] == output["tool_call_id"] == "call_look"
    assert output["content"] == OUTPUT

    upstream.play_for(RESPONSES, looking("responses"))
    await python("agents_session.py", await start("responses"))
    *_, call, output = upstream.last.json()["input"]
    assert call["call_id"] == output["call_id"] == "call_look"
    assert output["output"] == OUTPUT
