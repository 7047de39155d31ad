"""Output of the model in unexpected places, in chunks and whole answers: read, or reported."""

import json
from typing import Any

import pytest

from chat2response import ChatToResponses, Losses, Response, UpstreamError, to_response

CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": '{"x": 1}'}}


def streamed(*chunks: dict[str, Any] | bytes) -> tuple[Response, list[str]]:
    machine = ChatToResponses({"model": "m"})
    for chunk in chunks:
        data = chunk if type(chunk) is bytes else json.dumps(chunk).encode()
        machine.feed(b"data: %b\n\n" % data)
    machine.close()
    return machine.response, [loss.field for loss in machine.losses]


def whole(choice: dict[str, Any]) -> tuple[Response, list[str]]:
    losses = Losses()
    response = to_response({"model": "m", "choices": [choice]}, losses=losses)
    return response, [loss.field for loss in losses]


def choice(*, finish: str | None = None, **rest: Any) -> dict[str, Any]:
    return {"index": 0, "finish_reason": finish, **rest}


def chunk(*, finish: str | None = None, **rest: Any) -> dict[str, Any]:
    return {"choices": [choice(finish=finish, **rest)]}


STOP = chunk(delta={}, finish="stop")


@pytest.mark.parametrize("delta", [None, {}, {"role": "assistant", "content": None}])
def test_words_in_the_choice_itself(delta: dict[str, Any] | None) -> None:
    for fields, kind in (({"content": "Hi"}, "message"), ({"tool_calls": [CALL]}, "function_call")):
        response, losses = streamed(chunk(delta=delta, **fields), STOP)
        assert [item["type"] for item in response["output"]] == [kind] and not losses
        response, losses = whole(choice(message=delta, finish="stop", **fields))
        assert [item["type"] for item in response["output"]] == [kind] and not losses


@pytest.mark.parametrize("key", ["delta", "text"])
def test_an_empty_message_hides_no_words(key: str) -> None:
    value: Any = "Hi" if key == "text" else {"content": "Hi"}
    response, _ = whole(choice(message={"role": "assistant", "content": ""}, finish="stop", **{key: value}))
    assert response["output"][0]["content"][0]["text"] == "Hi"


def test_what_nobody_knows_is_named() -> None:
    response, losses = streamed(chunk(delta={}, answer="Hi"), {"result": {"content": "Hi"}}, STOP)
    assert response["status"] == "completed" and losses == ["choices[].answer", "chunk.result"]
    assert whole(choice(message={}, finish="stop", answer="Hi"))[1] == ["choices[].answer"]


def test_what_holds_no_words_is_not_named() -> None:
    azure: dict[str, Any] = {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    filtered = chunk(delta={"role": "assistant"}, content_filter_results={"hate": {"filtered": False}})
    assert streamed(azure, {"type": "ping"}, filtered, STOP)[1] == []


@pytest.mark.parametrize(
    "value", [b"1e999", b"1" * 5000, b"NaN", b'"\\ud83d"', b'"\xff"', b"[" * 500 + b"]" * 500]
)
def test_a_silent_delta_beside_what_no_reader_takes(value: bytes) -> None:
    odd = b'{"choices":[{"index":0,"delta":{"role":"assistant"},"x":%b}]}' % value
    response, _ = streamed(odd, chunk(delta={"content": "Hi"}), STOP)
    assert response["status"] in ("completed", "failed")  # nothing raises


def test_an_error_in_a_choice() -> None:
    """OpenRouter reports a provider's error in the choice that it ends."""
    error = {"code": 502, "message": "Provider disconnected"}
    response, _ = streamed(chunk(delta={"content": "H"}), chunk(delta={}, error=error, finish="error"))
    assert response["status"] == "failed" and response["error"]["message"] == error["message"]  # type: ignore[index]
    with pytest.raises(UpstreamError, match="Provider disconnected"):
        whole(choice(message={"content": "H"}, error=error, finish="error"))


@pytest.mark.parametrize("form", [str, float])
def test_indices_in_another_form(form: Any) -> None:
    pieces: list[tuple[int, dict[str, Any]]] = [
        (0, {"id": "a", "function": {"name": "f", "arguments": '{"x":'}}),
        (1, {"id": "b", "function": {"name": "g", "arguments": '{"y":'}}),
        (0, {"function": {"arguments": "1}"}}),
        (1, {"function": {"arguments": "2}"}}),
    ]
    deltas = [chunk(delta={"tool_calls": [{"index": form(at), **rest}]}) for at, rest in pieces]
    response, losses = streamed(*deltas, chunk(delta={}, finish="tool_calls"))
    assert [item.get("arguments") for item in response["output"]] == ['{"x":1}', '{"y":2}'] and not losses


def test_the_input_of_a_custom_tool_under_another_name() -> None:
    call = {"index": 0, "id": "a", "type": "custom", "custom": {"name": "p", "arguments": "text"}}
    response, _ = streamed(chunk(delta={"tool_calls": [call]}), chunk(delta={}, finish="tool_calls"))
    assert response["output"][0]["input"] == "text"


@pytest.mark.parametrize(
    ("first", "status"), [("length", "incomplete"), ("error", "failed"), ("odd", "completed")]
)
def test_no_success_behind_an_end_that_is_none(first: str, status: str) -> None:
    response, _ = streamed(chunk(delta={"content": "Hi"}), chunk(delta={}, finish=first), STOP)
    assert response["status"] == status


# -- a message behind the deltas ------------------------------------------------------------------------


def calls_of(response: Response) -> list[str]:
    return [
        f"{item['name']}{item['arguments']}" for item in response["output"] if item["type"] == "function_call"
    ]


def called(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"tool_calls": [{"index": at, **call} for at, call in enumerate(calls)]}


WITHOUT_ID = {"type": "function", "function": {"name": "f", "arguments": '{"x":1}'}}


@pytest.mark.parametrize("call", [WITHOUT_ID, {**WITHOUT_ID, "id": "a"}])
def test_a_call_that_the_last_message_repeats_is_one(call: dict[str, Any]) -> None:
    end = chunk(delta={}, message={"content": None, "tool_calls": [call]}, finish="tool_calls")
    response, losses = streamed(chunk(delta=called(call)), end)
    assert calls_of(response) == ['f{"x":1}'] and not losses


def test_two_calls_that_the_last_message_repeats_are_two_and_a_third_is_new() -> None:
    end = chunk(delta={}, message={"tool_calls": [WITHOUT_ID] * 3}, finish="tool_calls")
    response, _ = streamed(chunk(delta=called(WITHOUT_ID, WITHOUT_ID)), end)
    assert calls_of(response) == ['f{"x":1}'] * 3


def test_calls_of_messages_that_grow() -> None:
    half = {"id": "a", "function": {"name": "f", "arguments": '{"x"'}}
    second = {"id": "b", "function": {"name": "g", "arguments": "{}"}}
    response, _ = streamed(
        chunk(message={"content": "A", "tool_calls": [half]}),
        chunk(message={"content": "AB", "tool_calls": [{**WITHOUT_ID, "id": "a"}, second]}, finish="stop"),
    )
    assert calls_of(response) == ['f{"x":1}', "g{}"]


def test_what_only_the_last_message_says() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "http://x", "title": "t"}}
    message = {"content": "Hi", "refusal": "no", "annotations": [cited], "answer": "words"}
    response, losses = streamed(chunk(delta={"content": "Hi"}), chunk(message=message, finish="stop"))
    text, refusal = response["output"][0]["content"]
    assert text["text"] == "Hi" and len(text["annotations"]) == 1 and refusal["refusal"] == "no"
    assert losses == ["message.answer"]


def test_refusals_and_citations_are_said_once() -> None:
    cited = {"type": "url_citation", "url_citation": {"url": "http://x", "title": "t"}}
    message = {"content": "Hi", "refusal": "no", "annotations": [cited]}
    response, _ = streamed(chunk(delta=message), chunk(message=message, finish="stop"))
    text, refusal = response["output"][0]["content"]
    assert len(text["annotations"]) == 1 and refusal["refusal"] == "no"
