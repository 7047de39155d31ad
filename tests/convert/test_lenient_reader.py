"""Streams that strict JSON decoders reject: characters cut in half, wherever they are, and odd numbers."""

from collections.abc import Callable
from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer.stream_reader import ChatReader
from chat2response.convert.dialects.responses.answer.stream_reader import ResponsesReader
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.hub import HubRequest
from chat2response.convert.reader import Reader
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.wire.fault import RESET
from tests.support.upstream_streams import Numbered, now

Make = Callable[[ResponseWriter], Reader]


def frame(payload: str) -> bytes:
    return b"data: %b\n\n" % payload.encode()


def chunk(delta: str, finish: str = "null") -> bytes:
    return frame(f'{{"choices":[{{"index":0,"delta":{delta},"finish_reason":{finish}}}]}}')


def delta(text: str) -> bytes:
    return frame(
        f'{{"type":"response.output_text.delta","item_id":"i","output_index":0,"content_index":0,"delta":{text}}}'
    )


CHAT_END = chunk("{}", '"stop"')
RESPONSES_END = frame('{"type":"response.completed","response":{"status":"completed","output":[]}}')


def read(make: Make, *data: bytes, cut: bool = False) -> tuple[dict[str, Any], list[str]]:
    """The response and its losses, which must not depend on how the stream is cut."""
    result = []
    for steps in (data, [each[at : at + 1] for each in data for at in range(len(each))]):
        writer = ResponseWriter(EchoedFields.of(HubRequest(body={}, dialect="responses")), Numbered(), now)
        writer.begin()
        reader = EventFeed(make(writer))
        for step in steps:
            reader.feed(step)
        reader.close(RESET if cut else None)
        writer.finish()
        result.append((dict(writer.response), [f"{loss.field}; {loss.effect}" for loss in writer.losses]))
    assert result[0] == result[1]
    return result[0]


def text(response: dict[str, Any]) -> str:
    return "".join(
        part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"]
    )


LOST = "replaced by U+FFFD: half a character"


@pytest.mark.parametrize(
    ("deltas", "expected", "losses"),
    [
        ((r'"a\ud83d"', r'"\ude00b"'), "a😀b", 0),
        ((r'"\ud83d"', r'"\ude00\ud83d"', r'"\ude00"'), "😀😀", 0),
        ((r'"a\ud83d"', '"b"'), "a\ufffdb", 1),
        ((r'"a\ud83d"', r'"\ud83d"', r'"\ude00"'), "a\ufffd😀", 1),
        ((r'"\ude00a"',), "\ufffda", 1),
        ((r'"a\ud83d"',), "a\ufffd", 1),
        ((r'"a\ud83d"', '""', r'"\ude00"'), "a\ufffd\ufffd", 1),
    ],
)
def test_a_character_cut_in_two_is_whole_again_or_named(deltas, expected, losses):
    contents = [chunk(f'{{"content":{each}}}') for each in deltas]
    response, lost = read(ChatReader, *contents, CHAT_END, frame("[DONE]"))
    assert (response["status"], text(response)) == ("completed", expected)
    assert lost == [f"message.content; {LOST}"] * losses
    response, lost = read(ResponsesReader, *map(delta, deltas), RESPONSES_END)
    assert (response["status"], text(response)) == ("completed", expected)
    assert lost == [f"output; {LOST}"] * losses


def test_a_half_character_waits_for_nothing_that_does_not_come():
    half = chunk(r'{"content":"a\ud83d"}')
    for behind, status in (
        ([CHAT_END], "completed"),
        ([frame("[DONE]")], "failed"),
        ([], "failed"),
        ([frame('{"error":{"message":"m"}}')], "failed"),
        ([frame("{broken")], "failed"),
        ([frame("ping"), CHAT_END], "completed"),
        ([frame('{"choices":[]}'), CHAT_END], "completed"),
        ([b"event: error\ndata: m\n\n"], "failed"),
    ):
        response, _ = read(ChatReader, half, *behind)
        assert (response["status"], text(response)) == (status, "a\ufffd")
    assert text(read(ChatReader, half, cut=True)[0]) == "a\ufffd"
    finished = chunk(r'{"content":"a\ud83d"}', '"stop"')
    assert read(ChatReader, finished, frame("[DONE]"))[0]["status"] == "completed"
    assert read(ChatReader, finished)[0]["status"] == "completed"
    failed, _ = read(ResponsesReader, delta(r'"a\ud83d"'), frame('{"type":"error","message":"m"}'))
    assert (failed["status"], text(failed)) == ("failed", "a\ufffd")


def test_reasoning_and_arguments_are_joined_too():
    call = (
        r'{"tool_calls":[{"index":0,"id":"c","type":"function",'
        r'"function":{"name":"f","arguments":"{\"a\":\"\ud83d"}}]}'
    )
    rest = r'{"tool_calls":[{"index":0,"function":{"arguments":"\ude00\"}"}}]}'
    thoughts = (chunk(r'{"reasoning_content":"\ud83d"}'), chunk(r'{"reasoning_content":"\ude00"}'))
    response, lost = read(ChatReader, *thoughts, chunk(call), chunk(rest), CHAT_END)
    reasoning, called = response["output"]
    assert reasoning["content"][0]["text"] == "😀"
    assert called["arguments"] == '{"a":"😀"}'
    assert lost == []


def test_what_is_no_number_of_json_does_not_end_a_stream():
    odd = frame('{"choices":[{"index":0,"delta":{"content":"a"}}],"speed":NaN,"best":-Infinity}')
    response, lost = read(ChatReader, odd, CHAT_END)
    assert (response["status"], text(response)) == ("completed", "a")
    assert lost == ["speed; dropped: no number of JSON", "best; dropped: no number of JSON"]


def test_bytes_that_are_no_utf_8_are_shown_as_such():
    odd = b'data: {"choices":[{"index":0,"delta":{"content":"a\xff"}}]}\n\n'
    response, lost = read(ChatReader, odd, CHAT_END)
    assert (text(response), lost) == ("a\ufffd", [f"message.content; {LOST}"])
