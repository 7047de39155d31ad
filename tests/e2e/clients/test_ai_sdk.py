"""Vercel's AI SDK: its tool loop and its objects by schema."""

import pytest

from tests.e2e.conftest import Start
from tests.support.clients.processes import node
from tests.support.clients.scripted_session import OUTPUT, Session, looking
from tests.support.e2e.scripted_model import PATHS, ModelReply
from tests.support.scripted_upstream import ScriptedUpstream

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("dialect", ["chat", "responses"])
async def test_its_own_tool_loop_goes_round(start: Start, upstream: ScriptedUpstream, dialect: str) -> None:
    upstream.play_for(PATHS[dialect], looking(dialect, reasoning=("Let me ", "look.")))
    output = await node("ai_sdk.mjs", await start(dialect))

    for api in ("responses", "chat"):
        streamed = output[f"{api}_stream"]
        assert streamed.pop("pieces") == 3  # one delta for each upstream delta
        assert streamed == output[api]
        assert output[api]["calls"] == [["look", {"at": "Paris"}]]
        assert output[api]["results"] == [OUTPUT]
        assert output[api]["text"] == "It is 21 degrees."
        assert output[api]["usage"] == [18, 18]
    if dialect == "chat":  # a relayed answer is the upstream's own
        assert output["responses"]["reasoning"] == "Let me look."


async def test_objects_by_schema(start: Start, upstream: ScriptedUpstream) -> None:
    for dialect in ("chat", "responses"):
        upstream.play_for(PATHS[dialect], Session(dialect, (ModelReply(text=('{"degrees":', "21}")),)))
        assert await node("ai_sdk.mjs", await start(dialect), "object") == {
            "responses": {"degrees": 21},
            "chat": {"degrees": 21},
        }
