"""Prompt caches stay valid: the body of turn N+1 begins with that of turn N (`pitfalls` row 33)."""

import json
from typing import Any

import pytest

from chat2response.convert.dialects.chat.request.request import write_request
from chat2response.convert.dialects.responses.request.request import read_request
from chat2response.convert.library.streams import ChatToResponses
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.profiles import profile
from chat2response.convert.quirks.quirks import Quirks
from chat2response.wire.json import encode
from tests.support.convert.codex_tools import AGENTS, EXEC, SHELL, namespace
from tests.support.convert.requests import Json
from tests.support.upstream_streams import call, chat, sse, text, thoughts

TOOLS = [*SHELL, EXEC, AGENTS, namespace("functions", "", EXEC), {"type": "web_search"}, {"type": "shell"}]
LONG_ID = "call_" + "x" * 70

TURNS: list[list[Json]] = [
    [*thoughts("I list."), *call('{"cmd":', '"ls"}', id="call_1", name="exec_command")],
    [*text("Now code."), *call(json.dumps({"input": "text('hi €')"}), id="call_2", name="exec")],
    call('{"targets": "a"}', id="call_3", name="multi_agent_v1__wait_agent"),
    [
        *thoughts("Both."),
        *call("{}", index=0, id="call_4", name="multi_agent_v1__spawn_agent"),
        *call('{"input": "x"}', index=1, id="call_5", name="functions__exec"),
    ],
    call('{"commands": ["ls"]}', id="call_6", name="shell"),
    call('{"path": "a.png"}', id=LONG_ID, name="view_image"),
    text("Well."),
    [*thoughts("Hm."), *text("Yes."), *call('{"cmd": "pwd"}', id="call_8", name="exec_command")],
    call('{"input": "{}"}', id="call_9", name="functions__exec"),
    text("Done."),
]
SHELL_OUTPUT = [{"stdout": "a", "stderr": "", "outcome": {"type": "exit", "exit_code": 0}}]
IMAGE = [{"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "high"}]


def answer_to(item: Json) -> Json | None:
    """The item that a client sends back for an output item."""
    if "call_id" not in item:
        return None
    output: Any = "ok"
    if item["type"] == "custom_tool_call":
        output = [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]
    if item["type"] == "shell_call":
        output = SHELL_OUTPUT
    if item.get("name") == "view_image":
        output = IMAGE
    return {"type": f"{item['type']}_output", "call_id": item["call_id"], "output": output}


@pytest.mark.parametrize(
    "backend", ["openai", "generic", "deepseek", "mistral", "qwen", "vllm", "gemini", "groq"]
)
def test_row_33_ten_turns_each_begin_with_the_bytes_of_the_turn_before(backend: str):
    """Row 33: functions, custom tools, namespaces, a shell, images, reasoning. No random id goes upstream."""
    quirks: Quirks = profile(backend)
    items: list[Json] = [{"type": "message", "role": "user", "content": "Go."}]
    request: Json = {"model": "m", "tools": TOOLS, "stream": True, "instructions": "Be brief."}
    before = b""
    for turn in TURNS:
        source = {**request, "input": items}
        body = encode(write_request(read_request(source), Losses(), quirks))
        assert body == encode(write_request(read_request(source), Losses(), quirks)), "the same, every time"
        assert body.endswith(b"]}"), "messages are the last key"
        assert body.startswith(before)
        before = body.removesuffix(b"]}")
        machine = ChatToResponses(source, quirks=quirks)  # its own ids are random
        machine.feed(sse(chat(*turn, finish="stop")))
        output = json.loads(json.dumps(machine.response["output"]))
        assert output
        items = [*items, *output, *filter(None, map(answer_to, output))]
        if not any("call_id" in item for item in output):
            items.append({"type": "message", "role": "user", "content": "Go on."})
    sent = json.loads(before + b"]}")
    answers = [message for message in sent["messages"] if message["role"] == "assistant"]
    between = {"role": "assistant", "content": quirks.assistant_after_tools}
    assert sum(message != between for message in answers) == len(TURNS) - 1
