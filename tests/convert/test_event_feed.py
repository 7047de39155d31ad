"""`EventFeed`: any reader gets the same payloads, however the bytes are cut."""

from collections.abc import Sequence
from typing import Any

import pytest

from chat2response.convert import event_feed
from chat2response.convert.dialects.chat.answer.stream_reader import ChatReader
from chat2response.convert.dialects.responses.answer.stream_reader import ResponsesReader
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.reader import Reader
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.errors import UpstreamError
from chat2response.wire.fault import RESET, Fault
from chat2response.wire.sse import FrameDecoder
from tests.support.upstream_streams import Numbered, now


class ListReader:
    """A Reader that lists what it gets, until a payload is `end`."""

    def __init__(self) -> None:
        self.done = self.started = False
        self.output_chars = 0
        self.losses = Losses()
        self.got: list[Any] = []

    def payload(self, data: bytes, /, *, last: bool = False) -> None:
        self.started = True
        self.done = data == b"end"
        self.got.append((data, last))

    def value(self, answer: Any, /) -> None:
        self.got.append(answer)
        self.done = True

    def close(self, fault: Fault | None = None, /) -> None:
        self.got.append(fault)
        self.done = True

    def fail(self, error: UpstreamError) -> None:
        self.got.append(str(error))
        self.done = True


def feed(*reads: bytes, fault: Fault | None = None) -> tuple[list[Any], EventFeed]:
    reader = ListReader()
    events = EventFeed(reader)
    for read in reads:
        events.feed(read)
    if not reader.done:
        events.close(fault)
    return reader.got, events


def cuts(data: bytes) -> list[Sequence[bytes]]:
    return [[data], [data[at : at + 1] for at in range(len(data))], [data[:7], data[7:]]]


@pytest.mark.parametrize(
    ("data", "fault", "expected"),
    [
        (b": ping\n\ndata: a\n\ndata: b\n\n", None, [(b"a", False), (b"b", False), None]),
        (b"data: a\n\ndata: b", None, [(b"a", False), (b"b", True), None]),
        (b"data: a\n\ndata: b", RESET, [(b"a", False), RESET]),
        (b"data: a\r\n\r\ndata: end\r\n\r\ndata: c\r\n\r\n", None, [(b"a", False), (b"end", False)]),
    ],
)
def test_a_reader_gets_the_payloads_however_the_bytes_are_cut(
    data: bytes, fault: Fault | None, expected: list[Any]
) -> None:
    for reads in cuts(data):
        payloads, events = feed(*reads, fault=fault)
        assert payloads == expected
        assert events.done


def test_an_event_that_is_too_large_fails_the_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_feed, "FrameDecoder", lambda: FrameDecoder(limit=10))
    for reads in cuts(b"data: a\n\ndata: 0123456789\n\ndata: b\n\n"):
        payloads, events = feed(*reads)
        assert payloads == [(b"a", False), "The upstream sent an event that is too large."]
        assert events.done


def test_a_reader_that_is_done_reads_no_more() -> None:
    writer = ResponseWriter(EchoedFields.of(HubRequest(body={}, dialect="responses")), Numbered(), now)
    readers: list[Reader] = [ChatReader(writer), ResponsesReader(writer)]
    for reader in readers:
        writer.begin()
        reader.fail(UpstreamError("No."))
        ended = writer.outcome, writer.event_count
        reader.payload(b'{"choices":[{"delta":{"content":"a"}}]}')
        reader.payload(b'{"type":"response.output_text.delta","delta":"a"}')
        reader.payload(b"[DONE]", last=True)
        reader.value({"choices": [{"message": {"content": "a"}}]})
        reader.close()
        assert (writer.outcome, writer.event_count) == ended
        assert not reader.started
