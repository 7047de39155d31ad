"""A vendor's answer as seen on the wire, through the real Chat dialect under the vendor's profile.

A vendor's test is a subclass with a transcript, the equivalent completion, and the output that a client must
get. All tests here then run for it: streamed in one piece, byte by byte and cut at every place; whole; and
echoed by a client that keeps no state (Codex: `store: false`, `content: null`).
"""

from dataclasses import replace
from typing import Any, ClassVar

from chat2response.convert.dialects.chat.answer.answer_decoder import ENCRYPTED, ChatAnswerDecoder
from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.dialects.dialect import Backend
from chat2response.convert.dialects.responses.answer.stream_encoder import ResponsesEncoder
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.profiles import PROFILES
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.state.sealing import Sealing
from chat2response.upstreams.base import ClientContext, Target
from chat2response.wire.json import decode, encode
from tests.support.clock_and_ids import Clock, Ids
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.upstream_streams import checked_events, response_of
from tests.support.upstreams.asking import Asking
from tests.support.upstreams.stage import KEY, UpstreamStage

Json = dict[str, Any]

SEAL = Sealing(["0123456789abcdef" * 2]).seal_for("key_a", "http://a/v1", "m")
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}
USER = {"type": "message", "role": "user", "content": "How is the weather in Oslo?"}
RESULT = "4 degrees, rain"


def request(*items: Json, stream: bool = True, **fields: Any) -> HubRequest:
    """A stateless client's request; `items` follow the user's question."""
    body: Any = {
        "model": "m",
        "input": [USER, *items],
        "stream": stream,
        "store": False,
        "include": [ENCRYPTED],
        "tools": [TOOL],
        **fields,
    }
    return HubRequest(body=body, dialect="responses", seal=SEAL)


def output_of(response: Any) -> list[tuple[str, ...]]:
    """The items in short: `("reasoning", text)`, `("text", text)`, `("call", name, arguments)`.

    Reasoning without text (a late signature) is left out.
    """
    result: list[tuple[str, ...]] = []
    for item in response["output"]:
        if item["type"] == "function_call":
            result.append(("call", item["name"], item["arguments"]))
        else:
            parts = [*item.get("summary", ()), *(item.get("content") or ())]
            text = "".join(part["text"] for part in parts)
            if text:
                result.append(("text" if item["type"] == "message" else "reasoning", text))
    return result


def echoed_items(response: Any) -> list[Json]:
    """The output as Codex sends it back, each call with its result."""
    items: list[Json] = []
    results: list[Json] = []
    for item in response["output"]:
        if item["type"] == "reasoning":
            item = {**item, "content": None}
        items.append(item)
        if item["type"] == "function_call":
            results.append({"type": "function_call_output", "call_id": item["call_id"], "output": RESULT})
    return items + (results or [{"type": "message", "role": "user", "content": "And now?"}])


def tool_call(call_id: str, arguments: str = '{"city":"Oslo"}', **more: Any) -> Json:
    """A call of the tool, as in a message."""
    function = {"name": "weather", "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function, **more}


def whole(message: Json, usage: Json, finish: str = "stop", **more: Any) -> Json:
    """A completion with one choice."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {
        "id": "c1",
        "object": "chat.completion",
        "model": "m",
        "choices": [choice],
        "usage": usage,
        **more,
    }


def events_of(data: bytes) -> bytes:
    """An SSE transcript of these `data:` lines."""
    return b"".join(b"data: %b\n\n" % line for line in data.strip().split(b"\n"))


class VendorStage(UpstreamStage):
    """`transcript`: the lines of the stream, each one event's data. `completion`: the whole answer."""

    dialect = CHAT
    path = "/v1/chat/completions"
    profile: ClassVar[str]
    transcript: ClassVar[bytes]
    completion: ClassVar[Json]
    expected_output: ClassVar[list[tuple[str, ...]]]
    usage: ClassVar[tuple[int, int, int, int]]
    """Input tokens, cached ones, output tokens, reasoning ones."""
    echoed: ClassVar[Json]
    """The assistant's message in the next request."""

    @property
    def quirks(self) -> Quirks:
        return PROFILES[self.profile]

    def at(self, server: ScriptedUpstream) -> Target:
        return Target(CHAT, server.url, KEY, backend=Backend(quirks=self.quirks))

    def check(self, response: Any, losses: Losses) -> None:
        """Checks a response, however it came."""
        assert output_of(response) == self.expected_output
        counted = response["usage"]
        assert self.usage == (
            counted["input_tokens"],
            counted["input_tokens_details"]["cached_tokens"],
            counted["output_tokens"],
            counted["output_tokens_details"]["reasoning_tokens"],
        )
        assert list(losses) == []
        thoughts = [item for item in response["output"] if item["type"] == "reasoning"]
        assert all(item.get("encrypted_content") for item in thoughts)

    def sent(self, upstream: Asking, target: Target, hub: HubRequest) -> Json:
        """The body for the upstream; there must be no losses."""
        losses = Losses()
        body: Json = decode(upstream.body(hub, target, losses))
        assert list(losses) == []
        return body

    def body(self, upstream: Asking, *items: Json, **fields: Any) -> tuple[Json, list[str]]:
        """The body for the upstream, and the fields with losses."""
        losses = Losses()
        target = Target(CHAT, backend=Backend(quirks=self.quirks))
        sent_body: Json = decode(upstream.body(request(*items, **fields), target, losses))
        return sent_body, [loss.field for loss in losses]

    def decoder(self, hub: HubRequest) -> ChatAnswerDecoder:
        """The decoder for the answer to this request."""
        return ChatAnswerDecoder.from_hub(hub, ToolMap.of(hub, self.quirks), "content")

    def streamed(self, stream: bytes) -> Any:
        """The response of a stream of these bytes."""
        writer = ResponseWriter(EchoedFields.of(request()), Ids(), Clock())
        reader = EventFeed(self.decoder(request()).reader(writer))
        reader.feed(stream)
        reader.close()
        writer.finish()
        return writer.response

    def read_whole(self, completion: Json) -> Any:
        """The response of a completion."""
        hub = request(stream=False)
        return self.decoder(hub).response(completion, EchoedFields.of(hub), Ids(), Clock())

    def history(self, upstream: Asking, response: Any) -> list[Json]:
        """The assistant's messages in the next request of a client that echoes all items."""
        target = Target(CHAT, backend=Backend(quirks=self.quirks))
        messages = self.sent(upstream, target, request(*echoed_items(response)))["messages"]
        return [message for message in messages if message["role"] == "assistant"]

    # -- tests for every vendor ----------------------------------------------------------------------

    async def test_the_stream_says_it_however_it_arrives(
        self, upstream: Asking, server: ScriptedUpstream
    ) -> None:
        stream = events_of(self.transcript)
        for size in (len(stream), 1):
            server.play(self.streaming(*(stream[at : at + size] for at in range(0, len(stream), size))))
            writer = ResponseWriter(EchoedFields.of(request()), Ids(), Clock())
            writer.begin()
            await self.read(upstream, self.at(server), writer, request())
            writer.finish()
            events = checked_events(ResponsesEncoder().encode(writer.take()))
            self.check(response_of(events), writer.losses)

    def test_the_stream_may_be_cut_anywhere(self) -> None:
        stream = events_of(self.transcript)
        for at in range(len(stream)):
            writer = ResponseWriter(EchoedFields.of(request()), Ids(), Clock())
            reader = EventFeed(self.decoder(request()).reader(writer))
            reader.feed(stream[:at])
            reader.feed(stream[at:])
            reader.close()
            assert output_of(writer.response) == self.expected_output

    async def test_a_whole_answer_says_the_same(self, upstream: Asking, server: ScriptedUpstream) -> None:
        server.play(self.answering(encode(self.completion)))
        hub = request(stream=False)
        answer = await upstream.whole(hub, self.at(server), ClientContext())
        response = answer.response
        assert response["status"] == "completed"
        self.check(response, answer.losses)

    async def test_what_a_stateless_client_gives_back_arrives_as_it_was(
        self, upstream: Asking, server: ScriptedUpstream
    ) -> None:
        server.play(self.answering(encode(self.completion)))
        hub, target = request(stream=False), self.at(server)
        response = (await upstream.whole(hub, target, ClientContext())).response
        again = request(*echoed_items(response))
        messages = self.sent(upstream, target, again)["messages"]
        assistant_messages = [message for message in messages if message["role"] == "assistant"]
        assert assistant_messages == [self.echoed]
        assert self.sent(upstream, target, again)["messages"] == messages
        strangers = replace(again, seal=Sealing(["fedcba9876543210" * 2]).seal_for("b", "http://a/v1", "m"))
        lost = Losses()
        upstream.body(strangers, target, lost)
        assert {loss.field.rpartition(".")[2] for loss in lost} <= {"encrypted_content"}
