"""The three forms in which Codex sends tools to a Chat model, and the calls that it gets back."""

import json
from typing import Any

from chat2response.convert.library.functions import to_chat_request, to_response
from chat2response.convert.library.streams import ChatToResponses
from chat2response.convert.quirks.quirks import Quirks
from tests.support.convert.codex_tools import EXEC, GPT_5_5, GPT_6, PATCH, UNKNOWN
from tests.support.convert.requests import Json, assert_official_chat, to_chat
from tests.support.upstream_streams import Numbered, call, chat, checked_events, now, response_of, sse

JS = 'const r = await tools.exec_command({cmd: "echo \\"hi\\""});\ntext(r.output);'


def sent(body: Json) -> tuple[dict[str, Json], list[str]]:
    """The functions in the Chat body by name, and the losses."""
    converted, losses = to_chat({"model": "m", "stream": True, **body})
    assert_official_chat(converted)
    return {tool["function"]["name"]: tool["function"] for tool in converted["tools"]}, losses


def done(body: Json, name: str, arguments: Any) -> tuple[Json, list[str]]:
    """The item of `output_item.done` (Codex reads only that), and the types of the item's events."""
    machine = ChatToResponses({"model": "m", **body}, ids=Numbered(), clock=now)
    stream = sse(chat(*call(*json.dumps(arguments), id="call_1", name=name), finish="tool_calls"))
    events = checked_events(machine.feed(stream) + machine.close())
    (item,) = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert response_of(events)["output"] == [item]
    return item, sorted({event["type"] for event in events if "item_id" in event})


def test_row_11_a_model_that_codex_does_not_know():
    """Row 11: functions are unchanged, the agents' namespace is flat, the web search is a loss."""
    functions, losses = sent(UNKNOWN)
    assert list(functions) == [
        "exec_command", "write_stdin", "view_image",
        "multi_agent_v1__spawn_agent", "multi_agent_v1__wait_agent", "get_goal",
    ]  # fmt: skip
    agent = functions["multi_agent_v1__wait_agent"]
    assert agent["description"] == "Tools for spawning and managing sub-agents.\n\nWhat wait_agent does."
    assert functions["exec_command"]["strict"] is False
    assert losses == ["tools[5]; dropped: web_search"]

    item, _ = done(UNKNOWN, "multi_agent_v1__wait_agent", {"targets": "x"})
    assert (item["namespace"], item["name"]) == ("multi_agent_v1", "wait_agent")
    assert json.loads(item["arguments"]) == {"targets": "x"}
    shell, _ = done(UNKNOWN, "exec_command", {"cmd": "ls"})
    assert "namespace" not in shell


def test_row_2_freeform_patches_of_gpt_5_5():
    """Row 2: the grammar is in the description; the patch comes back as `custom_tool_call` with raw input."""
    functions, losses = sent(GPT_5_5)
    assert list(functions) == ["exec_command", "write_stdin", "view_image", "apply_patch", "tool_search"]
    assert PATCH["format"]["definition"] in functions["apply_patch"]["description"]
    assert losses == ["tools[5]; dropped: web_search", "tools[3].format; described, not enforced"]

    patch = "*** Begin Patch\n*** Add File: made.txt\n+hi\n*** End Patch\n"
    item, events = done(GPT_5_5, "apply_patch", {"input": patch})
    assert item == {
        "id": item["id"], "type": "custom_tool_call", "status": "completed",
        "call_id": "call_1", "name": "apply_patch", "input": patch,
    }  # fmt: skip
    assert events == ["response.custom_tool_call_input.delta", "response.custom_tool_call_input.done"]
    search, _ = done(GPT_5_5, "tool_search", {"query": "q"})
    assert (search["type"], search["execution"], search["arguments"]) == (
        "tool_search_call", "client", {"query": "q"},
    )  # fmt: skip


def test_row_10_code_mode_of_gpt_6():
    """Row 10: the tools are in the input, in namespaces; some are custom."""
    functions, losses = sent(GPT_6)
    assert list(functions) == [
        "functions__exec", "functions__wait", "clock__sleep", "collaboration__send_message",
    ]  # fmt: skip
    assert EXEC["format"]["definition"] in functions["functions__exec"]["description"]
    assert losses == ["input[0].tools[0].tools[0].format; described, not enforced"]

    item, events = done(GPT_6, "functions__exec", {"input": JS})
    assert item["type"] == "custom_tool_call"
    assert (item["namespace"], item["name"], item["input"]) == ("functions", "exec", JS)
    assert events == ["response.custom_tool_call_input.delta", "response.custom_tool_call_input.done"]
    wait, _ = done(GPT_6, "functions__wait", {"cell_id": "1"})
    assert (wait["type"], wait["namespace"], wait["name"]) == ("function_call", "functions", "wait")


def test_what_codex_gives_back_is_what_the_model_called():
    """Codex repeats `name` and `namespace` of the call, and sends the output of code mode as an array."""
    item, _ = done(GPT_6, "functions__exec", {"input": JS})
    output = [
        {"type": "input_text", "text": "Script completed\nOutput:\n"},
        {"type": "input_text", "text": "hi\n"},
    ]
    answer = {"type": "custom_tool_call_output", "id": "ctco_1", "call_id": "call_1", "output": output}
    body: Any = to_chat_request(
        {"model": "m", **GPT_6, "input": [*GPT_6["input"], item, answer]}, quirks=Quirks(flatten_content=True)
    )
    _, assistant, tool = body["messages"]
    (called,) = assistant["tool_calls"]
    assert called["function"]["name"] == "functions__exec"
    assert json.loads(called["function"]["arguments"]) == {"input": JS}
    assert tool == {
        "role": "tool", "tool_call_id": "call_1", "content": "Script completed\nOutput:\n\n\nhi\n",
    }  # fmt: skip


def test_a_whole_answer_says_the_same():
    called = {"name": "functions__exec", "arguments": json.dumps({"input": JS})}
    message = {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": called}]}
    completion = {"choices": [{"message": message, "finish_reason": "tool_calls"}]}
    (whole,) = to_response(completion, {"model": "m", **GPT_6})["output"]
    streamed, _ = done(GPT_6, "functions__exec", {"input": JS})
    assert {**whole, "id": ""} == {**streamed, "id": ""}
