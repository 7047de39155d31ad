"""`reasoning_details` that repeat their whole text, or come piece by piece: the stream shows which."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer.cumulative_reasoning import CumulativeReasoning
from chat2response.convert.library.streams import ChatToResponses
from chat2response.convert.quirks.profiles import profile
from tests.support.upstream_streams import chat, chunk, sse, text


def detail(text: str, index: int = 0, kind: str = "reasoning.text") -> dict[str, Any]:
    return {"type": kind, "id": f"reasoning-text-{index + 1}", "index": index, "text": text}


def output_of(stream: bytes, backend: str) -> Any:
    machine = ChatToResponses({"model": "m"}, quirks=backend)
    machine.feed(stream)
    return machine.response["output"]


def pieces(*texts: str) -> list[str]:
    reasoning = CumulativeReasoning()
    return [reasoning.increments([detail(each)])[0]["text"] for each in texts]


def test_an_index_written_as_a_text_tells_entries_apart() -> None:
    reasoning = CumulativeReasoning()

    def new_texts(*entries: tuple[str, str]) -> list[str]:
        return [
            each["text"] for each in reasoning.increments([{**detail(t), "index": at} for at, t in entries])
        ]

    assert new_texts(("0", "The"), ("1", "And")) == ["The", "And"]
    assert new_texts(("0", "The user"), ("1", "And so")) == [" user", " so"]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["The", "The user", "The user asks"], ["The", " user", " asks"]),
        (["The", " user", " asks"], ["The", " user", " asks"]),
        (["The", "The user", "The user", "The user asks"], ["The", " user", "", " asks"]),
        (["The", "The", "The user"], ["The", "", " user"]),
        (["ha", "ha", "ha", "!"], ["ha", "", "", "haha!"]),  # nothing is lost once it is decided
        (["The", " user", "The user"], ["The", " user", "The user"]),  # decided once
        (["The", "The user", "Now", "Now this"], ["The", " user", "Now", " this"]),  # a new text begins
    ],
)
def test_what_is_new(texts: list[str], expected: list[str]) -> None:
    assert pieces(*texts) == expected


def test_each_entry_is_a_text_of_its_own() -> None:
    reasoning = CumulativeReasoning()
    assert reasoning.increments([detail("A"), detail("B", 1)]) == [detail("A"), detail("B", 1)]
    assert reasoning.increments([detail("A a"), detail("B b", 1)]) == [detail(" a"), detail(" b", 1)]


@pytest.mark.parametrize("texts", [["The", "The user"], ["The", " user"]])
def test_a_minimax_stream_says_it_once(texts: list[str]) -> None:
    stream = sse(chat(*(chunk({"reasoning_details": [detail(each)]}) for each in texts), *text("Hi")))
    output = output_of(stream, "minimax")
    assert output[0]["summary"] == [{"type": "summary_text", "text": "The user"}]


def test_elsewhere_every_piece_is_new() -> None:
    """A well-formed stream that repeats itself is not changed."""
    assert not profile("openrouter").cumulative_details
    stream = sse(
        chat(*(chunk({"reasoning_details": [detail(each)]}) for each in ("ha", "haha")), *text("Hi"))
    )
    output = output_of(stream, "openrouter")
    assert output[0]["summary"] == [{"type": "summary_text", "text": "hahaha"}]
