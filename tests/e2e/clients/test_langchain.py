"""LangChain's ChatOpenAI."""

import pytest

from tests.e2e.conftest import Start
from tests.support.clients.processes import python
from tests.support.clients.scripted_session import Session, looking
from tests.support.e2e.scripted_model import PATHS, Said
from tests.support.scripted_upstream import ScriptedUpstream

pytestmark = pytest.mark.clients

HEARD = {"reasoning": "", "call": ["look", {"at": "Paris"}], "text": "It is 21 degrees.", "usage": 18}


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_a_tool_call_and_its_answer(start: Start, upstream: ScriptedUpstream, dialect: str) -> None:
    upstream.play_for(PATHS[dialect], looking(dialect, reasoning=("Let me ", "look.")))
    heard = await python("langchain_session.py", await start(dialect))
    shown = {**HEARD, "reasoning": "Let me look."} if dialect == "chat" else HEARD  # else it is relayed
    of_responses, of_chat = ("responses", "responses_stream"), ("chat", "chat_stream")
    assert heard == dict.fromkeys(of_responses, shown) | dict.fromkeys(of_chat, HEARD)


async def test_structured_output(start: Start, upstream: ScriptedUpstream) -> None:
    for dialect in ("chat", "responses"):
        upstream.play_for(PATHS[dialect], Session(dialect, (Said(text=('{"degrees":', "21}")),)))
        heard = await python("langchain_session.py", await start(dialect), "object")
        assert heard == {"responses": 21, "chat": 21}
