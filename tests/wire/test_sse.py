"""Framing: the same events however the bytes are cut, whatever the line ends, and a bound on each event."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.wire import sse
from chat2response.wire.fault import RESET
from chat2response.wire.sse import (
    ErrorPayload,
    FrameDecoder,
    FrameSplitter,
    FrameTooLarge,
    NamedPayload,
    first_payload,
    payloads,
    payloads_with,
)
from tests.support.upstream_streams import pieces

LINE_ENDS = st.sampled_from(["\n", "\r", "\r\n"])
LINES = st.sampled_from(
    [
        ("data: a", "a"),
        ("data:b", "b"),
        ("data:  two", " two"),
        ("data", ""),
        ("data:", ""),
        ("data: wörld \u2028 \x0b \x85 €", "wörld \u2028 \x0b \x85 €"),
        (": comment", None),
        (":", None),
        ("event: response.created", None),
        ("id: 7", None),
        ("retry: 10", None),
        ("database: no", None),
    ]
)


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    """A stream and its payloads: all kinds of lines, with mixed line ends."""
    text, expected = draw(st.sampled_from(["", "\ufeff"])), []
    for event in draw(st.lists(st.lists(LINES, min_size=1, max_size=4), max_size=6)):
        for line, _ in event:
            text += line + draw(LINE_ENDS)
        # LF alone would be the second half of a CR: one line end, not two.
        text += draw(LINE_ENDS if not text.endswith("\r") else st.sampled_from(["\r", "\r\n"]))
        data = [value for _, value in event if value is not None]
        if data:
            expected.append("\n".join(data).encode())
    return text.encode(), expected


def read(reads: list[bytes], limit: int = 1 << 20) -> list[bytes]:
    frames = FrameDecoder(limit)
    return [payload for data in reads for payload in frames.feed(data)] + frames.close()


@given(streams(), st.lists(st.integers(0, 400), max_size=12))
def test_row_35_the_same_events_however_the_bytes_are_cut(stream: tuple[bytes, list[bytes]], cuts: list[int]):
    data, expected = stream
    assert read([data]) == expected
    assert read(pieces(data, cuts)) == expected
    assert read(pieces(data, range(len(data)))) == expected


def test_line_ends_of_all_kinds_in_one_stream():
    data = b"data: 1\n\ndata: 2\r\n\r\ndata: 3\r\rdata: 4\n\r\ndata: 5\r\n\ndata: 6\r\r\ndata: 7\n\n\n\n"
    assert read([data]) == [b"1", b"2", b"3", b"4", b"5", b"6", b"7"]


def test_one_line_end_does_not_end_an_event():
    assert FrameDecoder().feed(b"data: a\r\ndata: b\r") == []


def test_a_byte_order_mark_may_lead_and_only_lead():
    assert read([b"\xef", b"\xbb", b"\xbfdata: a\n\n"]) == [b"a"]
    assert read([b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n"]) == [b"a"]
    assert read([b"\xef\xbb\xbfdata: a"]) == [b"a"]
    assert read([b": a\n\n", b"\xef\xbb\xbfdata: b\n\n"]) == []


def test_several_data_lines_are_one_payload():
    assert read([b'data: {\ndata: "a": 1\ndata: }\n\n']) == [b'{\n"a": 1\n}']


def test_only_one_space_belongs_to_the_frame():
    assert read([b"data:a\n\ndata: a\n\ndata:  a\n\n"]) == [b"a", b"a", b" a"]


def test_what_has_no_data_is_no_event():
    assert read([b": OPENROUTER PROCESSING\n\nevent: ping\n\nid: 1\n\n\n\n"]) == []


def test_an_event_with_name_and_comment_gives_its_data():
    assert read([b": hello\nevent: error\ndata: x\nid: 1\n\n"]) == [b"x"]


def test_characters_that_some_call_line_ends_are_text():
    text = "a\u2028b\u2029c\x0bd\x0ce\x1cf\x85g".encode()
    assert read([b"data: " + text + b"\n\n"]) == [text]


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r", b"\r\n"])
def test_the_last_event_counts_at_a_clean_end_and_not_after_a_fault(ending: bytes):
    frames = FrameDecoder()
    assert frames.feed(b"data: a\n\ndata: b" + ending) == [b"a"]
    assert frames.close() == [b"b"]
    frames = FrameDecoder()
    frames.feed(b"data: a\n\ndata: b" + ending)
    assert frames.close(RESET) == []


def test_many_events_in_one_read_and_one_in_many():
    data = b"".join(b"data: %d\n\n" % number for number in range(300))
    expected = [b"%d" % number for number in range(300)]
    assert read([data]) == expected
    assert read(pieces(data, range(0, len(data), 7))) == expected


@given(streams())
def test_the_first_payload_and_those_with_a_pattern_are_found_without_the_rest(
    stream: tuple[bytes, list[bytes]],
):
    data, expected = stream
    data = data.removeprefix("\ufeff".encode())
    assert first_payload(data) == (expected[0] if expected else None)
    wanted = re.compile("wörld| two".encode())
    assert payloads_with(wanted, data) == [each for each in expected if wanted.search(each)]


@pytest.mark.parametrize("comment", [b": x\n\n", b":\n", b": data: x\n\n", b": x\r\n\r\n"])
def test_very_many_comments_cost_one_search_and_not_a_step_each(
    comment: bytes, monkeypatch: pytest.MonkeyPatch
):
    looked_at = []

    def payload(block: bytes) -> bytes | None:
        looked_at.append(block)
        return parse(block)

    parse = sse.payload
    monkeypatch.setattr(sse, "payload", payload)
    data = comment * 10_000 + b"data: a\n\n" + comment * 10_000 + b"event: e\ndata: b\n\n"
    assert first_payload(data) == b"a"
    assert first_payload(comment * 10_000) is None
    assert FrameDecoder().feed(data) == [b"a", b"b"]
    assert len(looked_at) == 3


# -- the bound ----------------------------------------------------------------------------------------


@given(streams(), st.integers(1, 40), st.lists(st.integers(0, 400), max_size=12))
def test_the_bound_does_not_depend_on_the_cuts(
    stream: tuple[bytes, list[bytes]], limit: int, cuts: list[int]
):
    data, _ = stream
    whole = read([data], limit)
    assert read(pieces(data, cuts), limit) == whole
    assert read(pieces(data, range(len(data))), limit) == whole


def test_what_came_before_an_event_over_the_bound_is_handed_on():
    frames = FrameDecoder(16)
    assert frames.feed(b"data: a\n\ndata: " + b"x" * 11) == [b"a"]
    assert frames.overrun
    assert frames.feed(b"\n\ndata: b\n\n") == []
    assert frames.close() == []


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_an_event_of_just_the_bound_passes(end: bytes):
    data = b"data: " + b"x" * 10 + end * 2
    assert read(pieces(data, range(len(data))), 16) == [b"x" * 10]
    assert read([data + b"data: b" + end * 2], 16) == [b"x" * 10, b"b"]
    assert read([data], 15) == []


def test_an_event_that_never_ends_is_not_held_without_bound():
    cut = FrameSplitter(1000)
    with pytest.raises(FrameTooLarge):
        for _ in range(100):
            cut.feed(b"data: " + b"x" * 100)
    assert len(cut.remainder) <= 1000 + 106


# -- passing bytes on ---------------------------------------------------------------------------------


@given(streams(), st.lists(st.integers(0, 400), max_size=12))
def test_a_cut_passes_whole_events_on_and_loses_no_byte(stream: tuple[bytes, list[bytes]], cuts: list[int]):
    data, expected = stream
    cut = FrameSplitter()
    passed = b""
    for data_read in pieces(data, cuts):
        passed += cut.feed(data_read)
        whole = payloads(passed.removeprefix("\ufeff".encode()))
        assert whole == expected[: len(whole)]  # what was passed on can be read on its own
    assert passed + cut.remainder == data


# -- work ----------------------------------------------------------------------------------------------


def _looked_at(monkeypatch: pytest.MonkeyPatch, size: int, read_size: int) -> int:
    """The number of bytes searched for the end of one event of `size` bytes in small reads."""
    seen = 0
    real = sse._last_end

    def counting(data: bytes) -> int:
        nonlocal seen
        seen += len(data)
        return real(data)

    monkeypatch.setattr(sse, "_last_end", counting)
    cut = FrameSplitter()
    event = b"data: " + b"x" * size + b"\n\n"
    passed = b"".join(cut.feed(event[at : at + read_size]) for at in range(0, len(event), read_size))
    monkeypatch.undo()
    assert passed == event and not cut.buffered
    return seen


@pytest.mark.parametrize("read_size", [1, 7, 1000])
def test_an_event_of_twice_the_size_is_twice_the_work_however_small_its_reads_are(
    monkeypatch: pytest.MonkeyPatch, read_size: int
):
    once = _looked_at(monkeypatch, 20_000, read_size)
    twice = _looked_at(monkeypatch, 40_000, read_size)
    assert once <= 4 * 20_008 and twice <= 2.1 * once


def test_what_is_kept_of_an_event_is_one_buffer_that_grows_in_place():
    """A new buffer for each read would copy everything before it."""
    cut = FrameSplitter()
    cut.feed(b"data: ")
    buffer = cut.buffered
    for _ in range(1000):
        cut.feed(b"x")
    assert cut.buffered is buffer and len(buffer) == 1006


@pytest.mark.parametrize(
    ("event", "payload"),
    [
        (b"event: error\ndata: x\n\n", b"x"),
        (b"event:error\ndata:x\n\n", b"x"),
        (b"data: x\nevent: error\n\n", b"x"),
        (b": ping\nevent: error\r\ndata: x\r\n\r\n", b"x"),
        (b"event: error \rdata: x\r\r", b"x"),
        (b"error: x\n\n", b"x"),
        (b"error:x\nerror: y\n\n", b"x\ny"),
    ],
)
def test_an_event_that_is_named_error_says_so(event, payload):
    for before in (b"", b"data: a\n\n", b": hm\n\n"):
        stream = before + event + b"data: b\n\n"
        whole = FrameDecoder().feed(stream)
        single = FrameDecoder()
        bytewise = [each for at in range(len(stream)) for each in single.feed(stream[at : at + 1])]
        bytewise += single.close()
        for payloads_ in (whole, bytewise):
            assert [each for each in payloads_ if type(each) is ErrorPayload] == [payload]
            assert [each for each in payloads_ if type(each) is bytes] == [b"a"] * (b"a" in before) + [b"b"]


@pytest.mark.parametrize(
    "stream",
    [
        b"data: error: x\n\n",
        b"event: errors\ndata: x\n\n",
        b"event: response.error\ndata: x\n\n",
        b": error: x\ndata: x\n\n",
        b"errors: x\ndata: x\n\n",
        b"error: y\ndata: x\n\n",
    ],
)
def test_the_word_error_elsewhere_says_nothing(stream):
    assert all(type(each) is not ErrorPayload for each in FrameDecoder().feed(stream))


@pytest.mark.parametrize("line", [b"event: response.output_text.delta", b"event:response.output_text.delta"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_payload_that_does_not_say_its_type_keeps_the_name_of_its_event(line, end):
    (payload,) = FrameDecoder().feed(line + end + b'data: {"delta": "a"}' + end + end)
    assert type(payload) is NamedPayload
    assert (payload, payload.name) == (b'{"delta": "a"}', "response.output_text.delta")


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"response.output_text.delta","delta":"a"}',
        b'{"delta":"a","type": "response.output_text.delta","sequence_number":3}',
    ],
)
def test_a_payload_that_says_its_type_is_plain(data):
    (payload,) = FrameDecoder().feed(b"event: response.output_text.delta\ndata: " + data + b"\n\n")
    assert type(payload) is bytes
