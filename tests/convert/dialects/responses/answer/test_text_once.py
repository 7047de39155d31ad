"""Messages of a Responses upstream under odd indices, ids and types: written once, or reported."""

import json
from typing import Any

import pytest

from chat2response import ResponsesToChat, to_chat_completion


def streamed(*events: dict[str, Any]) -> tuple[str, list[str]]:
    machine = ResponsesToChat()
    for event in events:
        machine.feed(b"data: %b\n\n" % json.dumps({**event, "type": f"response.{event['type']}"}).encode())
    machine.close()
    parts = [part for item in machine.response["output"] for part in item.get("content") or ()]
    assert machine.response["status"] == "completed"
    return "".join(part["text"] for part in parts), [loss.field for loss in machine.losses]


def message(text: str, item_id: str) -> dict[str, Any]:
    return {"type": "message", "id": item_id, "content": [{"type": "output_text", "text": text}]}


def message_events(text: str, item_id: str, index: Any = 0) -> list[dict[str, Any]]:
    """The events of a streamed message."""
    place = {"output_index": index, "item_id": item_id}
    return [
        {"type": "output_item.added", "output_index": index, "item": {"type": "message", "id": item_id}},
        {"type": "output_text.delta", "content_index": 0, "delta": text, **place},
        {"type": "output_text.done", "content_index": 0, "text": text, **place},
        {"type": "output_item.done", "output_index": index, "item": message(text, item_id)},
    ]


def completed(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "completed", "response": {"status": "completed", "output": [*output], **more}}


@pytest.mark.parametrize("other", ["b", "a", "much longer than the first"])
def test_two_messages_at_one_index(other: str) -> None:
    end = completed(message("a", "m1"), message(other, "m2"))
    assert streamed(*message_events("a", "m1"), *message_events(other, "m2"), end) == (f"a{other}", [])


def test_two_messages_that_say_the_same() -> None:
    end = completed(message("a", "m1"), message("a", "m2"))
    assert streamed(*message_events("a", "m1"), *message_events("a", "m2", 1), end) == ("aa", [])


def test_a_message_at_another_place_under_another_id_is_the_one_that_was_streamed() -> None:
    assert streamed(*message_events("a", "m1", 1), completed(message("a", "other"))) == ("a", [])
    assert streamed(*message_events("a", "m1", 1), completed(message("b", "other")))[0] == "ab"


def test_what_the_end_has_more_of_is_said() -> None:
    assert streamed(*message_events("a", "m1"), completed(message("abc", "m1"))) == ("abc", [])


def test_text_behind_its_end_is_said() -> None:
    late = {"type": "output_text.delta", "output_index": 0, "content_index": 0, "delta": "b"}
    assert streamed(*message_events("a", "m1"), late, completed()) == ("ab", [])


def test_a_delta_that_nobody_knows_is_named() -> None:
    events: list[dict[str, Any]] = [{"type": "text.delta", "delta": "Hi"}, completed()]
    assert streamed(*events) == ("", ["output[response.text.delta]"])


def test_a_delta_that_is_an_object_is_read() -> None:
    events: list[dict[str, Any]] = [{"type": "output_text.delta", "delta": {"text": "Hi"}}, completed()]
    assert streamed(*events) == ("Hi", [])


def test_an_end_in_other_forms() -> None:
    assert streamed({"type": "completed", "status": "completed", "output": [message("Hi", "m")]})[0] == "Hi"
    one: Any = message("Hi", "m")
    assert streamed({"type": "completed", "response": {"output": one}}) == ("Hi", [])
    assert streamed(completed(output_text="Hi")) == ("Hi", [])
    assert streamed(*message_events("Hi", "m"), completed(message("Hi", "m"), output_text="Hi")) == ("Hi", [])


def test_a_whole_answer_in_other_forms() -> None:
    one: Any = message("Hi", "m")
    forms: list[dict[str, Any]] = [
        {"output": one},
        {"output": [], "output_text": "Hi"},
        {"output": [one], "output_text": "Hi"},
    ]
    for odd in forms:
        completion = to_chat_completion({"object": "response", "id": "r", "status": "completed", **odd})
        assert completion["choices"][0]["message"]["content"] == "Hi"


def test_indices_as_texts() -> None:
    calls: list[dict[str, Any]] = [{"call_id": "a", "name": "f"}, {"call_id": "b", "name": "g"}]
    added = [
        {"type": "output_item.added", "output_index": str(at), "item": {"type": "function_call", **call}}
        for at, call in enumerate(calls)
    ]
    deltas = [
        {"type": "function_call_arguments.delta", "output_index": str(at), "delta": f'{{"x":{at}}}'}
        for at in (1, 0)
    ]
    machine = ResponsesToChat()
    events: list[dict[str, Any]] = [*added, *deltas, completed()]
    for event in events:
        machine.feed(b"data: %b\n\n" % json.dumps({**event, "type": f"response.{event['type']}"}).encode())
    arguments = {item["name"]: item["arguments"] for item in machine.response["output"]}
    assert arguments == {"f": '{"x":0}', "g": '{"x":1}'}
