"""Items are grouped into turns and written as Chat messages."""

import re
from typing import Any

import pytest

from chat2response.convert.dialects.chat.history.call_ids import fit_call_id
from chat2response.convert.policy import Policy
from chat2response.convert.quirks.quirks import Quirks
from tests.support.convert.requests import Json, messages_of, refused, resp_body, to_chat

URL = "data:image/png;base64,AAAA"
USER: Json = {"role": "user", "content": "hi"}
NEVER = Quirks(reasoning_echo="never")
ALWAYS = Quirks(reasoning_echo="always", reasoning_field="reasoning")


def call(call_id: str, **more: Any) -> Json:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}", **more}


def output(call_id: str, value: Any = None, **more: Any) -> Json:
    value = f"got {call_id}" if value is None else value
    return {"type": "function_call_output", "call_id": call_id, "output": value, **more}


def reply(text: str, **more: Any) -> Json:
    parts = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []}]
    item = {"type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": parts}
    return {**item, **more}


def thought(*texts: str, **more: Any) -> Json:
    content = [{"type": "reasoning_text", "text": text} for text in texts]
    return {"type": "reasoning", "id": "rs_1", "summary": [], "content": content, **more}


def sketch(messages: list[Json]) -> str:
    """One letter per message, then the ids of an assistant's calls or of a tool message."""
    short = []
    for message in messages:
        calls = "".join(each["id"] for each in message.get("tool_calls", ()))
        short.append(message["role"][0] + calls + message.get("tool_call_id", ""))
    return " ".join(short)


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([USER, call("1"), output("1")], "u a1 t1"),
        ([USER, call("1"), call("2"), output("1"), output("2")], "u a12 t1 t2"),
        ([USER, call("1"), output("1"), call("2"), output("2")], "u a1 t1 a2 t2"),
        # outputs come in the order of the calls
        ([USER, call("1"), call("2"), output("2"), output("1")], "u a12 t1 t2"),
        # a user item between a call and its output
        ([USER, call("1"), USER, output("1"), reply("x")], "u a1 t1 u a"),
        ([USER, call("1"), USER, call("2"), output("1"), output("2")], "u a1 t1 u a2 t2"),
        # a call after the first output of a batch
        ([call("1"), call("2"), output("1"), call("3"), output("2"), output("3")], "a12 t1 t2 a3 t3"),
        # one turn: reasoning, text and calls in any order
        ([USER, thought("x"), reply("y"), call("1"), output("1"), reply("z")], "u a1 t1 a"),
        ([USER, call("1"), reply("y"), thought("x"), call("2"), output("1"), output("2")], "u a12 t1 t2"),
        ([USER, reply("x"), reply("y"), USER], "u a u"),
        # the same ids in every turn
        ([USER, call("1"), output("1"), USER, call("1"), output("1")], "u a1 t1 u a1 t1"),
        # items without a message do not end a turn
        ([USER, thought("x"), {"type": "web_search_call", "id": "ws_1"}, reply("y")], "u a"),
    ],
)
def test_one_assistant_message_per_turn_and_its_outputs_after_it(items: list[Json], expected: str):
    messages, _ = messages_of(*items)
    assert sketch(messages) == expected


def test_a_whole_turn():
    messages, losses = messages_of(
        USER, thought("hm", "so"), reply("let me"), call("1", id="fc_1", status="completed"), output("1")
    )
    function = {"name": "f", "arguments": "{}"}
    assert messages == [
        USER,
        {
            "role": "assistant",
            "content": "let me",
            "reasoning_content": "hm\n\nso",
            "tool_calls": [{"id": "1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "1", "content": "got 1"},
    ]
    assert losses == []


def test_outputs_answer_repeated_ids_in_order():
    messages, _ = messages_of(USER, call("1"), output("1", "a"), call("1"), output("1", "b"))
    assert [message["content"] for message in messages] == ["hi", None, "a", None, "b"]


def test_an_output_with_a_name_only_answers_the_first_call_of_that_name():
    nameless = {"type": "function_call_output", "call_id": None, "name": "f", "output": "x"}
    messages, _ = messages_of(USER, call("1"), call("2"), output("1"), nameless)
    assert messages[-1] == {"role": "tool", "tool_call_id": "2", "content": "x"}


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([USER, call("1")], "No tool output found for function call 1."),
        ([USER, call("1"), output("1"), call("1")], "No tool output found for function call 1."),
        ([output("1")], "No tool call found for function call output with call_id 1."),
        ([output("1"), call("1")], "No tool call found for function call output with call_id 1."),
        (
            [call("1"), output("1"), output("1")],
            "No tool call found for function call output with call_id 1.",
        ),
    ],
)
def test_an_orphan_is_a_400_that_names_it(items: list[Json], message: str):
    reply = refused(to_chat, resp_body(input=items), "input").message
    assert reply.startswith(message)
    assert "'input[" in reply, "and its place"


REPAIR = Policy(orphans="repair")


def test_row_9_orphans_are_repaired_where_the_operator_wants_that():
    """Row 9: a call without an output gets one, an output without a call is dropped; both are losses."""
    messages, losses = messages_of(USER, call("1"), call("2"), output("2"), output("3"), policy=REPAIR)
    assert sketch(messages) == "u a12 t1 t2"
    assert messages[2]["content"] == "There is no output."
    assert losses == [
        "input[1]; answered here: it has no output",
        "input[4]; dropped: it answers no call",
    ]


def test_row_9_an_output_before_its_call_answers_nothing():
    """Row 9: the order matters, whatever the policy."""
    messages, losses = messages_of(USER, output("1"), call("1"), policy=REPAIR)
    assert sketch(messages) == "u a1 t1"
    assert messages[2]["content"] == "There is no output."
    assert len(losses) == 2


# Ids ---------------------------------------------------------------------------------------------------


def test_row_34_an_id_that_the_target_refuses_is_digested_for_call_and_output_alike():
    """Row 34: digests are stable, valid ids stay as they are, and long ids do not collide."""
    long = ["x" * 70 + end for end in "ab"]
    items = [call("short"), call(long[0]), call(long[1]), output("short"), output(long[0]), output(long[1])]
    messages, losses = messages_of(USER, *items, quirks=Quirks(max_call_id=40))
    ids = [each["id"] for each in messages[1]["tool_calls"]]
    assert ids == [message["tool_call_id"] for message in messages[2:]]
    assert ids[0] == "short"
    assert len(set(ids)) == 3
    assert all(len(each) <= 40 for each in ids)
    again = messages_of(USER, *items, quirks=Quirks(max_call_id=40))[0]
    assert again == messages
    assert losses == []


def test_row_34_an_id_takes_the_form_that_the_target_asks_for():
    """Row 34: Mistral requires nine letters and digits; an id of that form stays."""
    quirks = Quirks(max_call_id=9, call_id_form="[a-zA-Z0-9]{9}")
    messages, _ = messages_of(
        USER, call("call_1"), call("abcDEF123"), output("call_1"), output("abcDEF123"), quirks=quirks
    )
    first, second = (each["id"] for each in messages[1]["tool_calls"])
    assert re.fullmatch("[a-zA-Z0-9]{9}", first)
    assert second == "abcDEF123"
    assert fit_call_id(first, 9, "[a-zA-Z0-9]{9}") == first, "what was digested stays"


# Reasoning --------------------------------------------------------------------------------------------


def test_reasoning_goes_back_with_tools_only():
    messages, losses = messages_of(USER, thought("a"), reply("x"), USER, thought("b"), call("1"), output("1"))
    assert "reasoning_content" not in messages[1]
    assert messages[3]["reasoning_content"] == "b"
    assert losses == []


def test_reasoning_goes_back_never():
    messages, _ = messages_of(USER, thought("a"), reply("x"), USER, call("1"), output("1"), quirks=NEVER)
    assert not any("reasoning_content" in message for message in messages)


def test_reasoning_goes_back_always_in_the_field_that_the_backend_reads():
    messages, _ = messages_of(USER, thought("a"), reply("x"), USER, quirks=ALWAYS)
    assert messages[1] == {"role": "assistant", "content": "x", "reasoning": "a"}


def test_reasoning_alone_is_a_message_only_where_it_is_taken():
    assert sketch(messages_of(USER, thought("a"), USER)[0]) == "u u"
    messages, _ = messages_of(USER, thought("a"), USER, quirks=ALWAYS)
    assert messages[1] == {"role": "assistant", "content": "", "reasoning": "a"}


def test_a_summary_stands_in_for_the_text():
    summary = [{"type": "summary_text", "text": "in short"}, {"type": "summary_text", "text": "done"}]
    item = {"type": "reasoning", "summary": summary, "content": None, "encrypted_content": None}
    messages, losses = messages_of(USER, item, call("1"), output("1"))
    assert messages[1]["reasoning_content"] == "in short\n\ndone"
    assert losses == []


def test_sealed_reasoning_is_a_loss_and_never_text():
    messages, losses = messages_of(USER, thought(encrypted_content="gAAA"), call("1"), output("1"))
    assert losses == ["input[1].encrypted_content; dropped"]
    assert "gAAA" not in repr(messages)


# Content ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["user", "system", "developer"])
@pytest.mark.parametrize("typed", [{}, {"type": None}, {"type": "message"}])
def test_messages_with_or_without_a_type(role: str, typed: Json):
    messages, losses = messages_of({**typed, "role": role, "content": "x"})
    assert messages == [{"role": role, "content": "x"}]
    assert losses == []


def test_a_backend_without_developers_gets_system_in_its_place():
    messages, _ = messages_of(
        USER, {"role": "developer", "content": "x"}, quirks=Quirks(developer_role=False)
    )
    assert messages == [USER, {"role": "system", "content": "x"}]


def test_user_parts():
    content = [
        {"type": "input_text", "text": "look", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "input_image", "image_url": URL, "file_id": None, "detail": "high"},
        {"type": "input_image", "image_url": URL},
        {"type": "input_file", "file_data": "data:x", "filename": "a.pdf", "detail": "auto"},
        {"type": "input_file", "file_id": "file_1"},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
    ]
    messages, losses = messages_of({"role": "user", "content": content})
    assert messages[0]["content"] == [
        {"type": "text", "text": "look", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "image_url", "image_url": {"url": URL, "detail": "high"}},
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "file", "file": {"file_data": "data:x", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_id": "file_1"}},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
    ]
    assert losses == []


def test_a_lone_text_is_a_string_and_several_stay_apart():
    one = {"type": "input_text", "text": "a"}
    messages, _ = messages_of({"role": "user", "content": [one]}, {"role": "user", "content": [one, one]})
    assert messages[0]["content"] == "a"
    assert messages[1]["content"] == [{"type": "text", "text": "a"}] * 2


def test_an_assistants_refusal():
    content = [{"type": "refusal", "refusal": "no"}]
    messages, _ = messages_of(USER, {"type": "message", "role": "assistant", "content": content})
    assert messages[1] == {"role": "assistant", "content": None, "refusal": "no"}


@pytest.mark.parametrize("content", ["yo", [{"type": "input_text", "text": "yo"}], reply("yo")["content"]])
def test_an_assistants_text_in_every_form(content: Any):
    messages, _ = messages_of(USER, {"role": "assistant", "content": content})
    assert messages[1] == {"role": "assistant", "content": "yo"}


def test_a_phase_is_no_loss_and_a_namespace_is_part_of_the_name():
    messages, losses = messages_of(
        USER,
        reply("x", phase="commentary"),
        call("1", namespace="ns"),
        output("1", caller={"type": "direct"}),
    )
    assert messages[1]["tool_calls"][0]["function"]["name"] == "ns__f"
    assert losses == []


def test_a_tools_texts_stay_and_its_images_follow_as_a_users():
    text = {"type": "input_text", "text": "seen"}
    image = {"type": "input_image", "image_url": URL}
    file = {"type": "input_file", "file_data": "data:x", "filename": "a"}
    messages, losses = messages_of(
        USER, call("1"), call("2"), call("3"),
        output("1", [text, image]), output("2", [text, text]), output("3", [file]),
        reply("nice"),
    )  # fmt: skip
    assert sketch(messages) == "u a123 t1 t2 t3 u a"
    assert messages[2]["content"] == "seen"
    assert messages[3]["content"] == [{"type": "text", "text": "seen"}] * 2
    assert messages[4]["content"] == "The output follows in the next message."
    assert messages[5]["content"] == [
        {"type": "text", "text": "From tool f (call 1):"},
        {"type": "image_url", "image_url": {"url": URL}},
        {"type": "text", "text": "From tool f (call 3):"},
        {"type": "file", "file": {"file_data": "data:x", "filename": "a"}},
    ]
    assert losses == [
        "input[4].output[1]; moved to a user message",
        "input[6].output[0]; moved to a user message",
    ]


@pytest.mark.parametrize(("value", "content"), [("", ""), ([], "")])
def test_an_empty_output_is_an_empty_string(value: Any, content: str):
    assert messages_of(call("1"), output("1", value))[0][1]["content"] == content


@pytest.mark.parametrize(
    ("item", "loss"),
    [
        ({"type": "web_search_call", "id": "ws_1", "status": "completed"}, "input[1]"),
        ({"type": "file_search_call", "id": "fs_1", "queries": []}, "input[1]"),
        ({"type": "mcp_list_tools", "id": "m", "tools": []}, "input[1]"),
        ({"type": "acme:note", "text": "x"}, "input[1]"),
        ({"role": "user", "content": "x", "vendor": 1}, "input[1].vendor"),
        ({"role": "assistant", "content": "x", "vendor": 1}, "input[1].vendor"),
        (thought("x", vendor=1), "input[1].vendor"),
        (
            {"role": "user", "content": [{"type": "input_text", "text": "x", "cache_control": {}}]},
            "input[1].content[0].cache_control",
        ),
        (
            {"role": "user", "content": [{"type": "input_file", "file_id": "f", "detail": "low"}]},
            "input[1].content[0].detail",
        ),
    ],
)
def test_what_has_no_place_is_a_loss(item: Json, loss: str):
    assert messages_of(USER, item)[1] == [f"{loss}; dropped"]


def test_the_losses_of_calls_and_their_outputs():
    _, losses = messages_of(USER, call("1", vendor=1), output("1", vendor=2))
    assert losses == ["input[1].vendor; dropped", "input[2].vendor; dropped"]


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({}, "input[1].type"),
        ({"type": 3}, "input[1].type"),
        ({"id": "msg_1"}, "input[1].type"),
        ({"type": "item_reference", "id": "msg_1"}, "input[1].type"),
        ({"type": "custom_tool_call", "call_id": "1"}, "input[1].name"),
        ({"type": "custom_tool_call_output", "call_id": "1"}, "input"),
        ({"type": "compaction"}, "input[1].type"),
        ({"type": "additional_tools"}, "input[1].tools"),
        ({"role": "critic", "content": "x"}, "input[1].role"),
        ({"role": {}, "content": "x"}, "input[1].role"),
        ({"type": "message", "content": "x"}, "input[1].role"),
        ({"role": "user"}, "input[1].content"),
        ({"role": "user", "content": 3}, "input[1].content"),
        ({"role": "user", "content": [3]}, "input[1].content[0]"),
        ({"role": "user", "content": [{}]}, "input[1].content[0].type"),
        ({"role": "user", "content": [{"type": "input_video"}]}, "input[1].content[0]"),
        ({"role": "user", "content": [{"type": "refusal", "refusal": "x"}]}, "input[1].content[0]"),
        ({"role": "user", "content": [{"type": "input_text"}]}, "input[1].content[0].text"),
        ({"role": "user", "content": [{"type": "input_image"}]}, "input[1].content[0].image_url"),
        (
            {"role": "user", "content": [{"type": "input_image", "file_id": "f"}]},
            "input[1].content[0].file_id",
        ),
        (
            {"role": "user", "content": [{"type": "input_file", "file_url": "https://x"}]},
            "input[1].content[0].file_url",
        ),
        ({"role": "user", "content": [{"type": "input_file"}]}, "input[1].content[0].file_data"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "input[1].content[0].input_audio"),
        ({"role": "assistant", "content": None}, "input[1].content"),
        (
            {"role": "assistant", "content": [{"type": "input_image", "image_url": URL}]},
            "input[1].content[0]",
        ),
        ({"role": "assistant", "content": [{"type": "refusal"}]}, "input[1].content[0].refusal"),
        (call("1", arguments=5), "input[1].arguments"),
        (call("1", name=3), "input[1].name"),
        ({"type": "function_call", "name": "f", "arguments": ""}, "input[1].call_id"),
        ({"type": "function_call_output", "output": "x"}, "input[1].call_id"),
        ({"type": "function_call_output", "call_id": 3, "output": "x"}, "input[1].call_id"),
        ({"type": "reasoning", "summary": "x"}, "input[1].summary"),
        ({"type": "reasoning", "summary": ["x"]}, "input[1].summary[0]"),
        ({"type": "reasoning", "content": [{"type": "reasoning_text"}]}, "input[1].content[0].text"),
    ],
)
def test_an_item_that_cannot_be_taken_is_a_400_that_names_the_place(item: Any, param: str):
    refused(to_chat, resp_body(input=[USER, item]), param)


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (3, "input[1].output"),
        ([3], "input[1].output[0]"),
        ([{"type": "input_video"}], "input[1].output[0]"),
    ],
)
def test_an_output_that_cannot_be_taken(value: Any, param: str):
    refused(to_chat, resp_body(input=[call("1"), output("1", value)]), param)


@pytest.mark.parametrize(
    ("arguments", "sent"), [("", "{}"), (" ", "{}"), (None, "{}"), ("null", "{}"), ('{"a":', '{"a":')]
)
def test_arguments_that_are_nothing_go_up_as_an_empty_object(arguments: Any, sent: str):
    messages, losses = messages_of(USER, call("1", arguments=arguments), output("1"))
    assert messages[1]["tool_calls"][0]["function"]["arguments"] == sent
    assert not losses


def test_a_call_that_stands_twice_is_one_call_unless_it_is_answered_twice():
    messages, _ = messages_of(USER, call("1"), call("1"), output("1"))
    assert [len(each.get("tool_calls", ())) for each in messages] == [0, 1, 0]
    messages, _ = messages_of(USER, call("1"), call("1"), output("1"), output("1"))
    assert [len(each.get("tool_calls", ())) for each in messages] == [0, 2, 0, 0]
    refused(to_chat, resp_body(input=[USER, call("1"), call("1", name="g"), output("1")]), "input")
