"""The public library: what `import chat2response` offers, and that it does not change its arguments."""

import ast
import copy
from typing import Any, get_type_hints

import pytest

import chat2response
from chat2response import (
    BridgeError,
    ChatToResponses,
    InvalidRequest,
    Losses,
    Quirks,
    QuirksError,
    ResponsesToChat,
    UpstreamError,
    to_chat_completion,
    to_chat_request,
    to_response,
    to_responses_request,
)
from tests.support.clock_and_ids import Clock, Ids

CHAT: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Hi"},
                {"type": "image_url", "image_url": {"url": "data:,x"}},
            ],
        },
        {
            "role": "assistant",
            "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "1"},
        {"role": "user", "content": "So?", "name": "me"},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}},
    "stream": True,
    "stream_options": {"include_usage": True},
    "max_tokens": 5,
    "seed": 7,
    "vendor": {"nested": [1]},
}
RESPONSES: dict[str, Any] = {
    "model": "m",
    "instructions": "Be brief.",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "1"},
    ],
    "tools": [{"type": "function", "name": "f", "parameters": {"type": "object"}}],
    "text": {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}},
    "truncation": "auto",
    "vendor": {"nested": [1]},
}
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "model": "theirs",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello", "reasoning_content": "hm"},
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}


def finished() -> dict[str, Any]:
    return dict(to_response(COMPLETION, ids=Ids(), clock=Clock()))


# -- what it offers ----------------------------------------------------------------------------------


def test_all_names_all_that_is_public_and_nothing_else() -> None:
    public = {name for name, value in vars(chat2response).items() if name[0] != "_" and not is_module(value)}
    assert set(chat2response.__all__) == public
    assert list(chat2response.__all__) == sorted(chat2response.__all__)


def is_module(value: Any) -> bool:
    return type(value) is type(chat2response)


@pytest.mark.parametrize("name", chat2response.__all__)
def test_everything_public_says_what_it_is(name: str) -> None:
    assert (getattr(chat2response, name).__doc__ or "").strip()


@pytest.mark.parametrize("function", [to_responses_request, to_chat_request, to_response, to_chat_completion])
def test_the_functions_are_typed(function: Any) -> None:
    hints = get_type_hints(function)
    assert hints["return"].__name__ in chat2response.__all__
    assert function.__module__ == "chat2response.convert.library.functions"


def test_the_example_in_the_docstring_works() -> None:
    lines = (chat2response.__doc__ or "").splitlines()
    code = ast.parse("\n".join(line.strip() for line in lines if line.startswith("    ")))
    last = code.body.pop()
    assert isinstance(last, ast.Expr)
    names: dict[str, Any] = {}
    exec(compile(code, "example", "exec"), names)
    result = eval(compile(ast.Expression(last.value), "example", "eval"), names)
    assert result["model"] == "m"
    assert result["input"][0]["content"] == "Hello"


# -- what it does ------------------------------------------------------------------------------------


def test_a_chat_request_becomes_a_responses_request() -> None:
    losses = Losses()
    result = to_responses_request(CHAT, losses=losses)
    assert result["input"][-1]["content"] == "So?"  # type: ignore[index]
    assert {loss.field for loss in losses} == {"max_tokens", "seed", "messages[4].name"}
    assert losses.header()


def test_ids_of_the_call_win_over_the_body() -> None:
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "conversation": "conv_body"}
    result = to_responses_request(body, "conv_1")
    assert result["conversation"] == "conv_1"
    assert to_responses_request(body, previous_response_id="resp_1")["previous_response_id"] == "resp_1"
    assert to_responses_request(body)["conversation"] == "conv_body"


def test_a_responses_request_becomes_a_chat_request() -> None:
    losses = Losses()
    result = to_chat_request(RESPONSES, losses=losses, quirks=Quirks())
    assert [message["role"] for message in result["messages"]] == [
        "developer",
        "user",
        "assistant",
        "tool",
    ]
    assert "truncation" in {loss.field for loss in losses}


def test_a_profile_goes_by_its_name_in_all_that_knows_a_backend() -> None:
    result: Any = to_chat_request({"model": "m", "input": "Hi", "max_output_tokens": 9}, quirks="deepseek")
    assert result["max_tokens"] == 9
    tagged = {"choices": [{"message": {"content": "<think>Hm.</think>Yes."}, "finish_reason": "stop"}]}
    whole = to_response(tagged, quirks="lmstudio")
    assert [item["type"] for item in whole["output"]] == ["reasoning", "message"]
    machine = ChatToResponses({"model": "m"}, quirks=Quirks(think_tags=(("<a>", "</a>"),)))
    machine.feed(b'data: {"choices":[{"delta":{"content":"<a>Hm.</a>Yes."},"finish_reason":"stop"}]}\n\n')
    machine.close()
    assert [item["type"] for item in machine.response["output"]] == ["reasoning", "message"]
    for refused in (
        lambda: to_chat_request({"model": "m", "input": "Hi"}, quirks="deepsek"),
        lambda: ChatToResponses(quirks="deepsek"),
    ):
        with pytest.raises(QuirksError, match="Did you mean 'deepseek'"):
            refused()
    source: Any = {"developer_role": True}
    with pytest.raises(TypeError, match="quirks must be a Quirks or the name of a profile, not dict"):
        to_chat_request({"model": "m", "input": "Hi"}, quirks=source)


def test_a_completion_becomes_a_response_under_the_requests_name() -> None:
    request = {"model": "asked", "input": "Hi", "reasoning": {"summary": "auto"}, "metadata": {"a": "b"}}
    result = to_response(COMPLETION, request, ids=Ids(), clock=Clock(1_700_000_000))
    assert (result["id"], result["model"], result["created_at"]) == (
        "resp_0001",
        "asked",
        1_700_000_000,
    )
    assert result["metadata"] == {"a": "b"}  # type: ignore[typeddict-item]
    assert [item["type"] for item in result["output"]] == ["reasoning", "message"]
    assert result["output"][0]["summary"][0]["text"] == "hm"
    assert to_response(COMPLETION)["model"] == "theirs"
    hidden = to_response(COMPLETION, reasoning="hide")
    assert [item["type"] for item in hidden["output"]] == ["message"]


def test_a_response_becomes_a_completion() -> None:
    result = to_chat_completion(finished())
    assert result["choices"][0]["message"]["content"] == "Hello"
    assert result["model"] == "theirs"
    assert to_chat_completion(finished(), model="shown")["model"] == "shown"


def test_streams_go_both_ways() -> None:
    chat = (
        b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    )
    there, back = ChatToResponses({"model": "m"}), ResponsesToChat(model="m")
    events = there.feed(chat) + there.close()
    assert b"response.completed" in events
    assert there.done
    assert there.response["output"][0]["content"][0]["text"] == "Hi"
    chunks = back.feed(events) + back.close()
    assert b'"content":"Hi"' in chunks
    assert chunks.endswith(b"data: [DONE]\n\n")


# -- what it leaves alone ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("convert", "source"),
    [
        (to_responses_request, CHAT),
        (lambda body: to_responses_request(body, "conv_1", previous_response_id="resp_1"), CHAT),
        (to_chat_request, RESPONSES),
        (to_response, COMPLETION),
        (lambda body: to_response(body, RESPONSES), COMPLETION),
        (lambda body: to_response(COMPLETION, body), RESPONSES),
        (to_chat_completion, finished()),
        (lambda body: ChatToResponses(body).close(), RESPONSES),
    ],
)
def test_nothing_is_changed_in_what_is_passed_in(convert: Any, source: dict[str, Any]) -> None:
    original, order = copy.deepcopy(source), list(source)
    first = copy.deepcopy(convert(source))
    assert source == original
    assert list(source) == order
    if isinstance(first, dict) and "id" not in first:
        assert convert(source) == first, "the same twice"


# -- what it refuses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("convert", "source", "param"),
    [
        (to_responses_request, {"model": "m", "messages": "Hi"}, "messages"),
        (
            to_responses_request,
            {"model": "m", "messages": [{"role": "user", "content": 7}]},
            "messages[0].content",
        ),
        (to_responses_request, {**CHAT, "stop": ["x"]}, "stop"),
        (to_chat_request, {"model": "m", "input": 7}, "input"),
        (to_chat_request, {**RESPONSES, "previous_response_id": "resp_1"}, "previous_response_id"),
    ],
)
def test_a_request_that_cannot_cross_names_its_field(
    convert: Any, source: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        convert(source)
    assert (caught.value.status, caught.value.param) == (400, param)
    assert isinstance(caught.value, BridgeError)


@pytest.mark.parametrize(
    ("convert", "source"),
    [
        (to_response, {}),
        (to_response, {"error": {"message": "No room.", "code": 503}}),
        (to_chat_completion, {}),
        (to_chat_completion, {"object": "response", "status": "failed", "error": {"message": "No room."}}),
    ],
)
def test_an_answer_that_is_none_is_an_upstream_error(convert: Any, source: dict[str, Any]) -> None:
    with pytest.raises(UpstreamError):
        convert(source)


class _Model:
    """Looks like an SDK object."""

    def model_dump(self, **_: object) -> dict[str, Any]:
        return {}


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ('{"model": "m"}', r"not str. Decode the JSON first: json\.loads\({}\)"),
        (b"{}", r"not bytes. Decode the JSON first: json\.loads\({}\)"),
        (_Model(), r"not _Model. Pass {}\.model_dump\(exclude_unset=True\)"),
        ([("model", "m")], "not list. Pass the decoded JSON object"),
        (7, "not int. Pass the decoded JSON object"),
    ],
)
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (to_chat_request, "responses_request"),
        (to_responses_request, "chat_request"),
        (to_response, "completion"),
        (to_chat_completion, "response"),
        (lambda source: to_response({}, source), "request"),
        (ChatToResponses, "request"),
    ],
)
def test_what_is_no_mapping_is_a_type_error_that_says_what_to_pass(
    call: Any, name: str, source: Any, hint: str
) -> None:
    with pytest.raises(TypeError, match=f"^{name} must be a mapping .a dict., {hint.format(name)}.$"):
        call(source)
