"""A relayed stream ends once, whatever the upstream sends afterwards, and however it is formatted."""

from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer.tap import ChatTap
from chat2response.convert.dialects.responses.answer.tap import ResponsesTap
from chat2response.engine.relay.relayed_stream import RelayedStream
from chat2response.engine.relay.stream_end import StreamEndFilter
from chat2response.net.transport import StreamInterrupted
from chat2response.wire.fault import RESET
from tests.support.engine.fakes import FakeReply
from tests.support.engine.frames import CHAT_STREAMS, DONE, RESPONSES_STREAMS, chunk
from tests.support.engine.scene import Client, bare_run

TEXT = b"".join(RESPONSES_STREAMS["text"][:-1])
CHAT = b"".join(CHAT_STREAMS["text"][:-1])
COMMENT = b": still there\n\n"
LATE = [
    b'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r2","usage":null}}\n\n',
    b'data: {"type":"response.failed","response":{"id":"r2","error":{"message":"no"}}}\n\n',
    b'data: {"type":"response.output_text.delta","delta":"late"}\n\n',
    b'data: {"type":"error","message":"late"}\n\n',
    b'data: {"error":{"message":"late"}}\n\n',
    chunk({"content": "late"}, finish="stop"),
]
# Strict readers reject these; Python's or JavaScript's parser takes them.
ODD = [b"NaN", b"1e999", b"-Infinity", b'"\\ud800"', b'"\xff"', b'"\xed\xa0\x80"', b"9" * 5000, b'"a\tb"']


def relay_of(tap: Any, *steps: Any) -> RelayedStream:
    return RelayedStream(bare_run(), FakeReply(*steps), tap)


async def passed(stream: RelayedStream) -> bytes:
    await stream.begin(0)
    async with Client(stream) as client:
        out = await client.rest()
    await stream.close()
    return out


def cut(data: bytes, reads: str) -> list[bytes]:
    """The bytes in one read, in two, frame by frame, or byte by byte."""
    match reads:
        case "one":
            return [data]
        case "frames":
            return [frame + b"\n\n" for frame in data.split(b"\n\n")[:-1]]
    return [data[at : at + 7] for at in range(0, len(data), 7)]


@pytest.mark.parametrize("reads", ["one", "frames", "bits"])
@pytest.mark.parametrize("late", LATE)
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize(("whole", "tap"), [(TEXT, ResponsesTap), (CHAT + DONE, ChatTap)])
async def test_what_comes_behind_the_end_does_not_pass(
    whole: bytes, tap: Any, late: bytes, line_end: bytes, reads: str
) -> None:
    sent = whole + late + COMMENT + DONE + late + DONE + COMMENT
    stream = relay_of(tap(stored=False), *cut(sent, reads))
    expected = whole + COMMENT + (DONE if tap is ResponsesTap else b"") + COMMENT
    if line_end != b"\n":
        expected = expected.replace(b"\n", line_end)
        stream = relay_of(tap(stored=False), *(each.replace(b"\n", line_end) for each in cut(sent, reads)))
    assert await passed(stream) == expected
    assert stream.outcome == "completed"
    assert stream.usage is not None and stream.usage["output_tokens"] == 7


@pytest.mark.parametrize("late", LATE)
async def test_a_late_event_without_its_blank_line_does_not_pass(late: bytes) -> None:
    assert await passed(relay_of(ResponsesTap(stored=False), TEXT + late.rstrip())) == TEXT
    assert await passed(relay_of(ResponsesTap(stored=False), TEXT, late.rstrip())) == TEXT


def test_ids_behind_the_end_are_nobodys() -> None:
    tap = ResponsesTap(stored=True)
    assert "r2" not in tap.feed(TEXT + LATE[0])
    assert list(tap.feed(LATE[0])) == []


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
@pytest.mark.parametrize("ending", [b"\n\n", b"\r\n\r\n", b""])
async def test_an_end_that_only_clients_can_read_is_the_end(odd: bytes, ending: bytes) -> None:
    begun = b"".join(RESPONSES_STREAMS["text"][:-2])
    end = RESPONSES_STREAMS["text"][-2].rstrip().replace(b'"id":"resp_up"', b'"zz":%b,"id":"resp_up"' % odd)
    tap = ResponsesTap(stored=True)
    stream = relay_of(tap, begun + end + ending)
    assert await passed(stream) == begun + end + (ending or b"\n\n")
    assert stream.outcome == "completed"
    assert stream.usage is not None and stream.usage["output_tokens"] == 7


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
async def test_what_only_clients_can_read_is_in_the_end_that_a_cut_stream_gets(odd: bytes) -> None:
    begun = b"".join(RESPONSES_STREAMS["text"][:-2]).replace(b'"id":"', b'"zz":%b,"id":"' % odd)
    tap = ResponsesTap(stored=True)
    stream = relay_of(tap, begun, StreamInterrupted(RESET))
    out = await passed(stream)
    assert out.startswith(begun)
    assert out.endswith(DONE)
    added = out.removeprefix(begun)
    assert added.count(b'"type":"response.failed"') == 1
    assert b'"id":"resp_up"' in added
    assert b'"id":"msg_1"' in added
    assert (tap.response_id, stream.outcome) == ("resp_up", "failed")


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
async def test_a_chat_stream_that_only_clients_can_read_has_its_finish_and_usage(odd: bytes) -> None:
    spoilt = CHAT.replace(b'"id":"', b'"zz":%b,"id":"' % odd)
    tap = ChatTap(stored=True)
    assert tap.feed(spoilt) == ("chatcmpl-up",)
    stream = relay_of(ChatTap(stored=False), spoilt)
    assert await passed(stream) == spoilt + DONE
    assert stream.outcome == "completed"
    assert stream.usage is not None and stream.usage["output_tokens"] == 7


END = b'{"type":"response.completed","sequence_number":9,"response":{"id":"r1","status":"completed"}}'
BEFORE = (
    b": a comment\n\n",
    b"data: [DONE] is a word here\n\n",
    b'id: 7\ndata: {"type":"response.output_text.delta","delta":"x"}\n\n\n\n',
    b'data: {"type":"response.output_text.delta",\ndata: "delta":"y"}\r\n\r\n',
    b"data: " + END[:60] + b' and so on"}\n\n',  # starts like the end
    b"event: odd\r\rdata:\r\r",
)


@pytest.mark.parametrize("blank", [b"\n\n", b"\r\n\r\n", b"\r\r", b""])
@pytest.mark.parametrize("first", range(len(BEFORE)))
def test_what_precedes_the_end_passes_untouched(blank: bytes, first: int) -> None:
    frames = b"".join(BEFORE[first:]) + b"event: response.completed\ndata: " + END + blank
    words = StreamEndFilter()
    assert words.pass_on(frames, END) == frames
    assert words.pass_on(b"data: late\n\n: but a comment\n\ndata: [DONE]\n\n", END) == (
        b": but a comment\n\ndata: [DONE]\n\n"
    )
