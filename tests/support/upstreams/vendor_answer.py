"""A vendor's answer, as it was seen on the wire, through the real ChatUpstream under the vendor's profile.

A vendor's test is a subclass with a transcript, the completion that says the same, and what a client has to
hear of it. Everything here then runs for it: streamed in one piece, byte by byte and cut at every place;
whole; and given back, as a client does that keeps no state (Codex: `store: false`, `content: null`).
"""

from dataclasses import replace
from typing import Any, ClassVar

from chat2response.convert.dialects.chat.answer.answer_decoder import ENCRYPTED, Reading
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.dialects.responses.stream_encoder import ResponsesEncoder
from chat2response.convert.echoed_fields import Echo
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.quirks.profiles import PROFILES
from chat2response.convert.quirks.quirks import Quirks
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.net.transport import Transport
from chat2response.state.sealing import Sealing
from chat2response.upstreams.base import Origin, Target, Upstream
from chat2response.upstreams.chat import ChatUpstream
from chat2response.wire.json import decode, encode
from tests.support.clock_and_ids import Clock, Ids
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.upstream_streams import checked_events, response_of
from tests.support.upstreams.stage import KEY, UpstreamStage

Json = dict[str, Any]

SEAL = Sealing(["0123456789abcdef" * 2]).seal_for("key_a", "http://a/v1", "m")
TOOL = {"type": "function", "name": "weather", "parameters": {"type": "object"}, "strict": False}
USER = {"type": "message", "role": "user", "content": "How is the weather in Oslo?"}
RESULT = "4 degrees, rain"


def ask(*items: Json, stream: bool = True, **fields: Any) -> HubRequest:
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


def said(response: Any) -> list[tuple[str, ...]]:
    """What the items say: `("reasoning", text)`, `("text", text)`, `("call", name, arguments)`.

    Reasoning without words (a signature that came late) is not heard.
    """
    found: list[tuple[str, ...]] = []
    for item in response["output"]:
        if item["type"] == "function_call":
            found.append(("call", item["name"], item["arguments"]))
        else:
            parts = [*item.get("summary", ()), *(item.get("content") or ())]
            words = "".join(part["text"] for part in parts)
            if words:
                found.append(("text" if item["type"] == "message" else "reasoning", words))
    return found


def given_back(response: Any) -> list[Json]:
    """The output as Codex sends it again, each call with its result."""
    items: list[Json] = []
    results: list[Json] = []
    for item in response["output"]:
        if item["type"] == "reasoning":
            item = {**item, "content": None}
        items.append(item)
        if item["type"] == "function_call":
            results.append({"type": "function_call_output", "call_id": item["call_id"], "output": RESULT})
    return items + (results or [{"type": "message", "role": "user", "content": "And now?"}])


def called(call_id: str, arguments: str = '{"city":"Oslo"}', **more: Any) -> Json:
    """A call of the tool, as a message has it."""
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
    """`transcript`: the lines of the stream, each one event's data. `whole`: the completion."""

    dialect = "chat"
    path = "/v1/chat/completions"
    profile: ClassVar[str]
    transcript: ClassVar[bytes]
    completion: ClassVar[Json]
    said: ClassVar[list[tuple[str, ...]]]
    usage: ClassVar[tuple[int, int, int, int]]
    """Input tokens, those of the cache, output tokens, those of reasoning."""
    echoed: ClassVar[Json]
    """The assistant's message in the next request."""

    def make(self, transport: Transport) -> Upstream:
        return ChatUpstream(transport)

    @property
    def quirks(self) -> Quirks:
        return PROFILES[self.profile]

    def at(self, server: ScriptedUpstream) -> Target:
        return Target("chat", server.url, KEY, quirks=self.quirks)

    def check(self, response: Any, losses: Losses) -> None:
        """Whatever way it came."""
        assert said(response) == self.said
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

    def sent(self, upstream: Upstream, target: Target, hub: HubRequest) -> Json:
        """The body that goes up, without a loss."""
        losses = Losses()
        body: Json = decode(upstream.body(hub, target, losses))
        assert list(losses) == []
        return body

    def body(self, upstream: Upstream, *items: Json, **fields: Any) -> tuple[Json, list[str]]:
        """The body that a request becomes, and the fields that lost something."""
        losses = Losses()
        target = Target("chat", quirks=self.quirks)
        made: Json = decode(upstream.body(ask(*items, **fields), target, losses))
        return made, [loss.field for loss in losses]

    def reading(self, hub: HubRequest) -> Reading:
        """How the answer to this request is read."""
        return Reading.of(hub, ToolMap.of(hub, self.quirks), "content")

    def streamed(self, stream: bytes) -> Any:
        """The response that these bytes of a stream become."""
        writer = ResponseWriter(Echo.of(ask()), Ids(), Clock())
        reader = self.reading(ask()).reader(writer)
        reader.feed(stream)
        reader.close()
        writer.finish()
        return writer.response

    def read_whole(self, completion: Json) -> Any:
        """The response that a completion becomes."""
        hub = ask(stream=False)
        return self.reading(hub).response(completion, Echo.of(hub), Ids(), Clock())

    def history(self, upstream: Upstream, response: Any) -> list[Json]:
        """The assistant's messages of the next request, from a client that gives all items back."""
        target = Target("chat", quirks=self.quirks)
        messages = self.sent(upstream, target, ask(*given_back(response)))["messages"]
        return [message for message in messages if message["role"] == "assistant"]

    # -- what holds for every vendor -----------------------------------------------------------------

    async def test_the_stream_says_it_however_it_arrives(
        self, upstream: Upstream, server: ScriptedUpstream
    ) -> None:
        stream = events_of(self.transcript)
        for size in (len(stream), 1):
            server.play(self.streaming(*(stream[at : at + size] for at in range(0, len(stream), size))))
            writer = ResponseWriter(Echo.of(ask()), Ids(), Clock())
            writer.begin()
            await self.read(upstream, self.at(server), writer, ask())
            writer.finish()
            events = checked_events(ResponsesEncoder().encode(writer.take()))
            self.check(response_of(events), writer.losses)

    def test_the_stream_may_be_cut_anywhere(self) -> None:
        stream = events_of(self.transcript)
        for at in range(len(stream)):
            writer = ResponseWriter(Echo.of(ask()), Ids(), Clock())
            reader = self.reading(ask()).reader(writer)
            reader.feed(stream[:at])
            reader.feed(stream[at:])
            reader.close()
            assert said(writer.response) == self.said

    async def test_a_whole_answer_says_the_same(self, upstream: Upstream, server: ScriptedUpstream) -> None:
        server.play(self.answering(encode(self.completion)))
        hub = ask(stream=False)
        reply = await upstream.once(hub, self.at(server), Origin())
        response = reply.read(Echo.of(hub), Ids(), Clock(), "content", reply.losses)
        assert response["status"] == "completed"
        self.check(response, reply.losses)

    async def test_what_a_stateless_client_gives_back_arrives_as_it_was(
        self, upstream: Upstream, server: ScriptedUpstream
    ) -> None:
        server.play(self.answering(encode(self.completion)))
        hub, target = ask(stream=False), self.at(server)
        reply = await upstream.once(hub, target, Origin())
        response = reply.read(Echo.of(hub), Ids(), Clock(), "content", reply.losses)
        again = ask(*given_back(response))
        messages = self.sent(upstream, target, again)["messages"]
        spoken = [message for message in messages if message["role"] == "assistant"]
        assert spoken == [self.echoed]
        assert self.sent(upstream, target, again)["messages"] == messages
        strangers = replace(again, seal=Sealing(["fedcba9876543210" * 2]).seal_for("b", "http://a/v1", "m"))
        lost = Losses()
        upstream.body(strangers, target, lost)
        assert {loss.field.rpartition(".")[2] for loss in lost} <= {"encrypted_content"}
