"""LangChain's ChatOpenAI: a tool call and structured output."""

import pytest

from tests.e2e.conftest import Start
from tests.support.clients.processes import python
from tests.support.clients.scripted_session import Session, looking
from tests.support.e2e.scripted_model import PATHS, ModelReply
from tests.support.scripted_upstream import ScriptedUpstream

pytestmark = pytest.mark.clients

EXPECTED = {"reasoning": "", "call": ["look", {"at": "Paris"}], "text": "It is 21 degrees.", "usage": 18}


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_a_tool_call_and_its_answer(start: Start, upstream: ScriptedUpstream, dialect: str) -> None:
    upstream.play_for(PATHS[dialect], looking(dialect, reasoning=("Let me ", "look.")))
    output = await python("langchain_session.py", await start(dialect))
    shown = (
        {**EXPECTED, "reasoning": "Let me look."} if dialect == "chat" else EXPECTED
    )  # relayed answers have none
    of_responses, of_chat = ("responses", "responses_stream"), ("chat", "chat_stream")
    assert output == dict.fromkeys(of_responses, shown) | dict.fromkeys(of_chat, EXPECTED)


async def test_structured_output(start: Start, upstream: ScriptedUpstream) -> None:
    for dialect in ("chat", "responses"):
        upstream.play_for(PATHS[dialect], Session(dialect, (ModelReply(text=('{"degrees":', "21}")),)))
        output = await python("langchain_session.py", await start(dialect), "object")
        assert output == {"responses": 21, "chat": 21}
