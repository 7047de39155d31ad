"""What the demo's models say, whole and streamed: every completion here is also the sum of its chunks."""

import json
from typing import Any

import pytest

from tests.support.stream_grammar import parse_sse
from tests.support.upstreams.demo_server import (
    body_of,
    chunks_of,
    completion_of,
    message_of,
    pieces_of,
    text_of,
    words_of,
)

# -- text ----------------------------------------------------------------------------------------------


def test_it_quotes_the_user_word_by_word() -> None:
    text = text_of(body_of())
    assert '"Say hello."' in text
    words = [delta["content"] for delta in words_of(chunks_of(body_of()))]
    assert words[:4] == ["You ", "said: ", '"Say ', 'hello." ']
    assert len(words) == len(text.split())


def test_a_piece_is_a_word_and_the_last_one_is_the_end_too() -> None:
    pieces = pieces_of(body_of(stream=True))
    assert len(pieces) == len(text_of(body_of()).split())
    assert [piece.count(b"data: ") for piece in pieces] == [2, *[1] * (len(pieces) - 2), 3]
    assert b'"role"' in pieces[0] and b'"You "' in pieces[0]
    assert b'"do."' in pieces[-1] and pieces[-1].endswith(b"data: [DONE]\n\n")


def test_an_answer_without_a_word_is_one_piece() -> None:
    body = body_of(stop="You")
    assert text_of(body) == ""
    assert len(pieces_of({**body, "stream": True})) == 1


def test_it_quotes_the_newest_user_message() -> None:
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "x"},
        {"role": "user", "content": "second"},
    ]
    text = text_of(body_of(messages=messages))
    assert '"second"' in text
    assert "first" not in text


def test_parts_without_text_are_named() -> None:
    parts = [{"type": "text", "text": "Look:"}, {"type": "image_url", "image_url": {"url": "data:,x"}}]
    assert '"Look: [input_image]"' in text_of(body_of(user=parts))


def test_a_novel_is_not_repeated_whole() -> None:
    completion = completion_of(body_of(user="word " * 100_000))
    assert len(completion["choices"][0]["message"]["content"]) < 3000
    assert completion["usage"]["prompt_tokens"] == 100_000


def test_the_same_request_has_the_same_answer() -> None:
    assert pieces_of(body_of("demo-reasoner", stream=True)) == pieces_of(
        body_of("demo-reasoner", stream=True)
    )


def test_a_stop_string_ends_the_answer() -> None:
    (choice,) = completion_of(body_of(stop=["hello", "never"]))["choices"]
    assert choice["message"]["content"] == 'You said: "Say '
    assert choice["finish_reason"] == "stop"


def test_what_changes_nothing_is_accepted() -> None:
    body = body_of(n=1, seed=7, temperature=0, modalities=["text"], logit_bias={}, stop=None, store=True)
    assert text_of(body) == text_of(body_of())
    assert text_of(body_of(web_search_options={})) == text_of(body_of())


# -- reasoning -----------------------------------------------------------------------------------------


def test_reasoning_comes_first() -> None:
    message = message_of(body_of("demo-reasoner"))
    assert "2 words" in message["reasoning_content"]
    assert '"Say hello."' in message["content"]
    kinds = ["".join(delta) for delta in words_of(chunks_of(body_of("demo-reasoner")))]
    assert kinds == sorted(kinds, reverse=True)
    assert set(kinds) == {"reasoning_content", "content"}


# -- limits and counts ---------------------------------------------------------------------------------


def test_words_are_counted() -> None:
    messages = [{"role": "system", "content": "Be brief please"}, {"role": "user", "content": "two words"}]
    completion = completion_of(body_of("demo-reasoner", messages=messages))
    message, usage = completion["choices"][0]["message"], completion["usage"]
    thoughts = len(message["reasoning_content"].split())
    assert usage["prompt_tokens"] == 5
    assert usage["completion_tokens_details"]["reasoning_tokens"] == thoughts
    assert usage["completion_tokens"] == thoughts + len(message["content"].split())
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_instructions_are_counted_too() -> None:
    assert completion_of(body_of(instructions="one two"))["usage"]["prompt_tokens"] == 4


def test_usage_is_streamed_only_on_request() -> None:
    assert all("usage" not in chunk for chunk in chunks_of(body_of()))
    assert all("usage" not in chunk for chunk in chunks_of(body_of(stream_options={"include_usage": False})))
    *before, last = chunks_of(body_of(stream_options={"include_usage": True}))
    assert all(chunk["usage"] is None for chunk in before)
    assert last["choices"] == []
    assert last["usage"]["prompt_tokens"] == 2


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("limit", [1, 6, 18])
def test_the_limit_cuts(name: str, limit: int) -> None:
    body = body_of("demo-reasoner", **{name: limit})
    completion = completion_of(body)
    assert completion["choices"][0]["finish_reason"] == "length"
    assert completion["usage"]["completion_tokens"] == limit == len(words_of(chunks_of(body)))


def test_a_limit_that_is_not_reached_changes_nothing() -> None:
    assert completion_of(body_of(max_tokens=1000)) == completion_of(body_of())


# -- log probabilities ---------------------------------------------------------------------------------


def test_logprobs_of_every_word() -> None:
    (choice,) = completion_of(body_of(logprobs=True, top_logprobs=1))["choices"]
    tokens = choice["logprobs"]["content"]
    assert "".join(token["token"] for token in tokens) == choice["message"]["content"]
    assert tokens[0]["bytes"] == list(b"You ")
    assert [each["token"] for each in tokens[0]["top_logprobs"]] == ["You "]


def test_logprobs_without_alternatives() -> None:
    (choice,) = completion_of(body_of(logprobs=True))["choices"]
    assert all(token["top_logprobs"] == [] for token in choice["logprobs"]["content"])


# -- choices -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["demo", "demo-reasoner"])
def test_all_choices_are_alike_and_counted(model: str) -> None:
    one, three = completion_of(body_of(model)), completion_of(body_of(model, n=3))
    assert [choice["index"] for choice in three["choices"]] == [0, 1, 2]
    assert [choice["message"] for choice in three["choices"]] == [one["choices"][0]["message"]] * 3
    counts, single = three["usage"], one["usage"]
    assert counts["prompt_tokens"] == single["prompt_tokens"]
    assert counts["completion_tokens"] == 3 * single["completion_tokens"]
    assert counts["total_tokens"] == counts["prompt_tokens"] + counts["completion_tokens"]


def test_the_choices_of_a_stream_are_interleaved() -> None:
    pieces = pieces_of(body_of(n=2, stream=True))
    first = parse_sse(pieces[0] + b"data: [DONE]\n\n")
    assert [(chunk["choices"][0]["index"], chunk["choices"][0]["delta"]["content"]) for chunk in first] == [
        (0, ""),
        (1, ""),
        (0, "You "),
        (1, "You "),
    ]
    assert len(pieces) == len(pieces_of(body_of(stream=True)))


# -- structured output -----------------------------------------------------------------------------------


def test_a_schema_is_filled() -> None:
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 3}, "tags": {"type": "array", "minItems": 2}},
        "required": ["n", "tags"],
    }
    body = body_of(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
    assert json.loads(text_of(body)) == {"n": 3, "tags": ["demo", "demo"]}
    assert len(words_of(chunks_of(body))) > 1


def test_a_format_without_a_schema_is_an_object() -> None:
    wanted: dict[str, Any] = {"type": "json_schema", "json_schema": {"name": "x"}}
    assert json.loads(text_of(body_of(response_format=wanted))) == {}


def test_json_mode_has_the_answer_in_an_object() -> None:
    body = body_of(user='a "quote"', response_format={"type": "json_object"})
    assert 'a "quote"' in json.loads(text_of(body))["answer"]
