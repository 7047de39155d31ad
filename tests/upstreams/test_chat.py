"""A server that speaks Chat: the contract, and what only this dialect does."""

from chat2response.convert.dialects.chat.dialect import CHAT
from chat2response.convert.losses import Losses
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.upstreams.base import ClientContext, Target
from chat2response.wire.json import decode, encode
from tests.support.clock_and_ids import Clock, Ids
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.upstreams.asking import Asking
from tests.support.upstreams.contract import UpstreamContract
from tests.support.upstreams.stage import HUB, STREAMED

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def chunk(finish: str | None = None, **delta: str) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return b"data: %b\n\n" % encode({"id": "chatcmpl-1", "choices": [choice]})


class TestChat(UpstreamContract):
    dialect = CHAT
    path = "/v1/chat/completions"
    stream = (
        chunk(role="assistant", content=""),
        chunk(content="Hel"),
        chunk(content="lo"),
        chunk("stop"),
        b"data: %b\n\n" % encode({"id": "chatcmpl-1", "choices": [], "usage": USAGE}),
        b"data: [DONE]\n\n",
    )
    whole = encode(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}
            ],
            "usage": USAGE,
        }
    )

    def test_a_stream_is_asked_for_its_usage(self, upstream: Asking, target: Target) -> None:
        body = decode(upstream.body(STREAMED, target, Losses()))
        assert body["stream_options"] == {"include_usage": True}
        assert "stream_options" not in decode(upstream.body(HUB, target, Losses()))

    async def test_a_stream_ends_at_done_whatever_comes_behind_it(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        server.play(self.streaming(*self.stream, chunk(content="more"), end="stall"))
        await self.read(upstream, target, writer)
        assert writer.response["output"][0]["content"][0]["text"] == "Hello"

    async def test_what_cannot_cross_is_told(
        self, upstream: Asking, target: Target, server: ScriptedUpstream
    ) -> None:
        server.play(self.answering(self.whole))
        hub = type(HUB)(body={**HUB.body, "truncation": "auto"}, dialect="responses")
        answer = await upstream.whole(hub, target, ClientContext())
        assert [loss.field for loss in answer.losses] == ["truncation"]

    async def test_the_response_is_ours_by_id_and_name(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, ids: Ids, clock: Clock
    ) -> None:
        server.play(self.answering(self.whole))
        response = (await upstream.whole(HUB, target, ClientContext())).response
        assert (response["id"], response["model"]) == ("resp_0001", "m")
