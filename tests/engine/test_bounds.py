"""A converted answer takes a bounded amount of memory, whatever it consists of."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from chat2response.convert.client_profiles import DEFAULT
from chat2response.convert.dialects.responses.answer.tap import ResponsesTap
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.size_limit import check_weight, weigh_json
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.engine.respond.converted_stream import ConvertedStream
from chat2response.engine.respond.question import Question
from chat2response.engine.respond.turns import Turns
from chat2response.engine.run import Run
from chat2response.errors import BridgeError, UpstreamError
from chat2response.wire.ids import new_id
from tests.support.engine.fakes import FakeReply, FakeUpstream
from tests.support.engine.scene import DIALECTS, Client, bare_run

MOST = 256 * 1024
ROUNDS = 20_000
HUB = HubRequest({"model": "m"}, "responses")


def chunk(**delta: Any) -> Any:
    return {"choices": [{"index": 0, "delta": delta}]}


def event(kind: str, number: int, **fields: Any) -> Any:
    return {"type": f"response.{kind}", "output_index": number, **fields}


ENDLESS = {
    "text": ("chat", lambda n: chunk(content="x" * 100)),
    "reasoning": ("chat", lambda n: chunk(reasoning_content="x" * 100)),
    "refusal": ("chat", lambda n: chunk(refusal="x" * 100)),
    "arguments": (
        "chat",
        lambda n: chunk(
            tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": "x" * 100}}]
        ),
    ),
    "empty calls": ("chat", lambda n: chunk(tool_calls=[{"index": n, "function": {"name": "f"}}])),
    "annotations": (
        "chat",
        lambda n: chunk(annotations=[{"type": "url_citation", "url_citation": {"url": "u", "title": ""}}]),
    ),
    "empty items": (
        "responses",
        lambda n: event("output_item.done", n, item={"type": "web_search_call", "id": f"ws_{n}"}),
    ),
    "items that only begin": (
        "responses",
        lambda n: event("output_item.added", n, item={"type": "message", "id": f"msg_{n}"}),
    ),
    "texts of one letter, each a part": (
        "responses",
        lambda n: event("output_text.delta", 0, item_id="m", content_index=n, delta="x"),
    ),
}


class Endless(FakeReply):
    """A reply that never ends."""

    def __init__(self, make: Any) -> None:
        super().__init__()
        self.rounds = 0
        self._script = self._frames(make)

    def _frames(self, make: Any) -> Iterator[bytes]:
        while True:
            self.rounds += 1
            assert self.rounds < ROUNDS, "nothing stopped it"
            yield b"data: %b\n\n" % json.dumps(make(self.rounds)).encode()


def writer() -> ResponseWriter:
    return ResponseWriter(EchoedFields.of(HUB), new_id, lambda: 0.0)


def turns_of(dialect: str, reply: FakeReply, writer: ResponseWriter) -> tuple[Run, Turns]:
    """The turns of one answer, which is bounded at `MOST`."""
    run = bare_run("responses", DIALECTS[dialect], max_output=MOST)
    object.__setattr__(run.parts, "upstream", FakeUpstream(reply))
    return run, Turns(run, Question(HUB, run.target.backend, b"{}"), writer)


async def stream_of(run: Run, turns: Turns, writer: ResponseWriter, surface: str) -> ConvertedStream:
    await turns.open()
    encoder = DIALECTS[surface].encoder(HUB, DEFAULT, writer.losses)
    return ConvertedStream(run, turns, writer, encoder)


@pytest.mark.parametrize("surface", ["responses", "chat"])
@pytest.mark.parametrize("what", ENDLESS)
async def test_a_stream_without_end_is_failed_at_the_bound(what: str, surface: str) -> None:
    dialect, make = ENDLESS[what]
    reply, writer_ = Endless(make), writer()
    stream = await stream_of(*turns_of(dialect, reply, writer_), writer_, surface)
    await stream.begin(5.0)
    async with Client(stream) as client:
        while batch := await client.next():
            last = batch
    assert reply.rounds < ROUNDS - 1
    assert b"CHAT2RESPONSE_MAX_OUTPUT_BYTES" in last
    assert last.endswith(b"data: [DONE]\n\n")
    if surface == "responses":
        assert b"event: response.failed\n" in last
    assert stream.outcome == "failed"


@pytest.mark.parametrize("what", ENDLESS)
async def test_so_is_one_that_is_folded_into_a_json_answer(what: str) -> None:
    dialect, make = ENDLESS[what]
    _, turns = turns_of(dialect, Endless(make), writer())
    with pytest.raises(BridgeError) as caught:
        await turns.whole()
    assert (caught.value.status, caught.value.code) == (502, "output_too_large")


MANY_IN_ONE: dict[str, Any] = {
    "calls": {
        "tool_calls": [
            {"index": n, "id": f"c{n}", "function": {"name": "f", "arguments": "{"}} for n in range(ROUNDS)
        ]
    },
    "annotations": {
        "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": ""}}] * ROUNDS
    },
}


@pytest.mark.parametrize("what", MANY_IN_ONE)
async def test_one_event_is_worked_through_no_further_than_to_the_bound(what: str) -> None:
    data = b"data: %b\n\n" % json.dumps(chunk(**MANY_IN_ONE[what])).encode()
    writer_ = writer()
    stream = await stream_of(*turns_of("chat", FakeReply(data), writer_), writer_, "responses")
    with pytest.raises(UpstreamError) as caught:
        await stream.begin(5.0)
    assert caught.value.code == "output_too_large"
    assert writer_.event_count < MOST // 256, "the events of what fits, and no more"
    folding = writer()
    _, turns = turns_of("chat", FakeReply(data), folding)
    with pytest.raises(UpstreamError) as caught:
        await turns.whole()
    assert caught.value.code == "output_too_large"
    assert folding.event_count == writer_.event_count


def test_a_json_answer_of_empty_values_weighs_more_than_its_bytes_and_code_in_a_text_little_more() -> None:
    empty = b'{"output":[%b]}' % b",".join([b"{}"] * 10_000)
    assert weigh_json(empty, 20_000) > 10_000 * 64
    code = json.dumps({"text": 'f({"a\\"": [{}]});' * 1000}).encode()
    assert weigh_json(code, 10) == len(code) + 10 * 64
    check_weight(MOST, MOST)
    with pytest.raises(UpstreamError):
        check_weight(MOST + 1, MOST)


def test_a_relay_remembers_items_up_to_the_bound_and_numbers_its_end_all_the_same() -> None:
    tap = ResponsesTap(stored=False, max_item_bytes=10_000)
    for number in range(1000):
        item = {
            "type": "message",
            "id": f"msg_{number}",
            "content": [{"type": "output_text", "text": "x" * 500}],
        }
        done = {"type": "response.output_item.done", "sequence_number": number, "item": item}
        tap.feed(b"data: %b\n\n" % json.dumps(done).encode())
    end = tap.close(UpstreamError("It broke."))
    assert len(end) < 12_000 and b"msg_0" in end and b"msg_999" not in end
    assert b'"sequence_number":1000' in end


def test_a_relay_keeps_one_event_of_a_read_to_know_its_number() -> None:
    tap = ResponsesTap(stored=False)
    frames = [b'data: {"type":"x","sequence_number":%d,"delta":"y"}\n\n' % number for number in range(1000)]
    tap.feed(b"".join(frames))
    assert len(tap._last) < 100
    assert b'"sequence_number":1000' in tap.close(UpstreamError("It broke."))
