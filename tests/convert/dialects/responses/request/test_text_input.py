"""`input` as one text: the transcript, its losses, and what is refused."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.request.request import read_request as read_chat
from chat2response.convert.dialects.responses.request.request import read_request, write_request
from chat2response.convert.dialects.responses.request.text_input import fits_text_input, input_as_text
from chat2response.convert.losses import Losses
from chat2response.errors import InvalidRequest

LOSS = "messages; sent as a transcript"
IMAGE = {"type": "image_url", "image_url": {"url": "https://a.example/x.png"}}


def text_of(*messages: Any) -> tuple[Any, str | None]:
    """(`input`, losses) of a Chat request with these messages."""
    losses = Losses()
    body = write_request(read_chat({"model": "m", "messages": list(messages)}), losses, text_input=True)
    return body["input"], losses.header()


def message(role: str, content: Any, **more: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **more}


def test_one_user_text_goes_as_it_is() -> None:
    assert text_of(message("user", "Hello?\n")) == ("Hello?\n", None)
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert text_of(message("user", parts)) == ("one\ntwo", None)


def test_more_is_a_transcript_and_a_loss() -> None:
    turns = (
        message("system", "Be brief."),
        message("user", "Hi"),
        message("assistant", "Hello."),
        message("user", "Bye"),
    )
    assert text_of(*turns) == ("System: Be brief.\n\nUser: Hi\n\nAssistant: Hello.\n\nUser: Bye", LOSS)
    assert text_of(message("assistant", "Hi")) == ("Assistant: Hi", LOSS)


def test_calls_and_what_they_returned_are_in_it() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}}
    text, losses = text_of(
        message("user", "Look."),
        message("assistant", None, tool_calls=[call]),
        {"role": "tool", "tool_call_id": "c1", "content": "a tree"},
    )
    assert text == 'User: Look.\n\nAssistant calls look: {"a": 1}\n\nlook returns: a tree'
    assert losses == LOSS


def test_a_longer_history_begins_with_the_shorter_one() -> None:
    turns = [message("user", "a"), message("assistant", "b"), message("user", "c"), message("assistant", "d")]
    shorter, _ = text_of(*turns[:3])
    longer, _ = text_of(*turns)
    assert longer.startswith(f"{shorter}\n\n")


@pytest.mark.parametrize("alone", [True, False])
def test_what_no_text_can_say_is_refused(alone: bool) -> None:
    turns = [message("user", [{"type": "text", "text": "What is it?"}, IMAGE])]
    turns += [] if alone else [message("user", "Well?")]
    with pytest.raises(InvalidRequest) as caught:
        text_of(*turns)
    assert (caught.value.param, caught.value.status) == ("messages", 400)
    assert "input_image" in caught.value.message
    assert not fits_text_input(read_chat({"model": "m", "messages": turns}))


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([{"role": "user", "content": "Hi"}], "Hi"),
        ([{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}], "Hi"),
        (
            [{"role": "developer", "content": "x"}, {"role": "user", "content": "Hi"}],
            "Developer: x\n\nUser: Hi",
        ),
        (
            [
                {"type": "reasoning", "summary": [], "encrypted_content": "x"},
                {"type": "custom_tool_call", "call_id": "c", "name": "run", "input": "ls"},
                {
                    "type": "custom_tool_call_output",
                    "call_id": "c",
                    "output": [{"type": "input_text", "text": "a"}],
                },
                {"type": "function_call_output", "call_id": "other", "output": "b"},
            ],
            "Assistant calls run: ls\n\nrun returns: a\n\nA tool returns: b",
        ),
    ],
)
def test_a_responses_clients_own_items(items: list[Any], text: str) -> None:
    losses = Losses()
    hub = read_request({"model": "m", "input": items})
    assert input_as_text(items, hub, losses) == text
    assert fits_text_input(hub)


@pytest.mark.parametrize("item", [{"type": "item_reference", "id": "x"}, {"type": "compaction"}, {"id": "x"}])
def test_items_that_are_more_than_text_are_refused(item: Any) -> None:
    hub = read_request({"model": "m", "input": [item]})
    with pytest.raises(InvalidRequest, match="accepts only text as input") as caught:
        input_as_text([item], hub, Losses())
    assert caught.value.param == "input"
    assert not fits_text_input(hub)


def test_a_text_is_one_already() -> None:
    assert not fits_text_input(read_request({"model": "m", "input": "Hi"}))
