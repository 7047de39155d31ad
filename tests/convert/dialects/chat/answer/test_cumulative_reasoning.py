"""`reasoning_details` that come whole with each delta, or piece by piece: the stream tells."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer.cumulative_reasoning import Increments
from chat2response.convert.library.streams import ChatToResponses
from chat2response.convert.quirks.profiles import profile
from tests.support.upstream_streams import chat, chunk, sse, text


def detail(said: str, index: int = 0, kind: str = "reasoning.text") -> dict[str, Any]:
    return {"type": kind, "id": f"reasoning-text-{index + 1}", "index": index, "text": said}


def output_of(stream: bytes, backend: str) -> Any:
    machine = ChatToResponses({"model": "m"}, quirks=backend)
    machine.feed(stream)
    return machine.response["output"]


def pieces(*texts: str) -> list[str]:
    increments = Increments()
    return [increments.of([detail(each)])[0]["text"] for each in texts]


def test_an_index_written_as_a_text_tells_entries_apart() -> None:
    increments = Increments()

    def said(*entries: tuple[str, str]) -> list[str]:
        return [each["text"] for each in increments.of([{**detail(t), "index": at} for at, t in entries])]

    assert said(("0", "The"), ("1", "And")) == ["The", "And"]
    assert said(("0", "The user"), ("1", "And so")) == [" user", " so"]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        (["The", "The user", "The user asks"], ["The", " user", " asks"]),
        (["The", " user", " asks"], ["The", " user", " asks"]),
        (["The", "The user", "The user", "The user asks"], ["The", " user", "", " asks"]),
        (["The", "The", "The user"], ["The", "", " user"]),
        (["ha", "ha", "ha", "!"], ["ha", "", "", "haha!"]),  # all of it is said, once it is clear
        (["The", " user", "The user"], ["The", " user", "The user"]),  # decided once
        (["The", "The user", "Now", "Now this"], ["The", " user", "Now", " this"]),  # begins anew
    ],
)
def test_what_is_new(given: list[str], made: list[str]) -> None:
    assert pieces(*given) == made


def test_each_entry_is_a_text_of_its_own() -> None:
    increments = Increments()
    assert increments.of([detail("A"), detail("B", 1)]) == [detail("A"), detail("B", 1)]
    assert increments.of([detail("A a"), detail("B b", 1)]) == [detail(" a"), detail(" b", 1)]


@pytest.mark.parametrize("given", [["The", "The user"], ["The", " user"]])
def test_a_minimax_stream_says_it_once(given: list[str]) -> None:
    stream = sse(chat(*(chunk({"reasoning_details": [detail(each)]}) for each in given), *text("Hi")))
    output = output_of(stream, "minimax")
    assert output[0]["summary"] == [{"type": "summary_text", "text": "The user"}]


def test_elsewhere_every_piece_is_new() -> None:
    """A well-formed stream that repeats itself keeps its meaning."""
    assert not profile("openrouter").cumulative_details
    stream = sse(
        chat(*(chunk({"reasoning_details": [detail(each)]}) for each in ("ha", "haha")), *text("Hi"))
    )
    output = output_of(stream, "openrouter")
    assert output[0]["summary"] == [{"type": "summary_text", "text": "hahaha"}]
