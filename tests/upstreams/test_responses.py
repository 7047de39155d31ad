"""A server that speaks Responses: the contract, and what only this dialect does."""

import pytest

from chat2response.convert import usage
from chat2response.convert.dialects.responses.dialect import RESPONSES
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.errors import UpstreamError
from chat2response.upstreams.base import ClientContext, Target
from chat2response.wire.json import decode, encode
from tests.support.clock_and_ids import Clock, Ids
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.upstreams.asking import Asking
from tests.support.upstreams.contract import UpstreamContract
from tests.support.upstreams.stage import HUB

TEXT = {"type": "output_text", "text": "Hello", "annotations": []}
MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "status": "completed", "content": [TEXT]}
RESPONSE = {
    "id": "resp_theirs",
    "object": "response",
    "status": "completed",
    "model": "theirs",
    "output": [MESSAGE],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}


def event(kind: str, **fields: object) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode({"type": kind, **fields}))


class TestResponses(UpstreamContract):
    dialect = RESPONSES
    path = "/v1/responses"
    stream = (
        event(
            "response.created", response={**RESPONSE, "status": "in_progress", "output": [], "usage": None}
        ),
        event("response.output_item.added", output_index=0, item={**MESSAGE, "content": []}),
        event("response.output_text.delta", output_index=0, content_index=0, item_id="msg_1", delta="Hello"),
        event("response.output_item.done", output_index=0, item=MESSAGE),
        event("response.completed", response=RESPONSE),
    )
    whole = encode(RESPONSE)

    async def test_a_stream_ends_at_its_terminal_event_and_its_connection_is_kept(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        server.play(self.streaming(*self.stream, b"data: [DONE]\n\n"))
        await self.read(upstream, target, writer)
        async with upstream.relay(b"{}", target, ClientContext(stream=True)) as reply:
            assert (await reply.read()).endswith(b"data: [DONE]\n\n")
        assert server.accepted == 1

    async def test_a_whole_response_is_the_upstreams_own(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, ids: Ids, clock: Clock
    ) -> None:
        server.play(self.answering(self.whole))
        response = (await upstream.whole(HUB, target, ClientContext())).response
        whole = decode(self.whole)
        assert response == {**whole, "usage": usage.read(whole["usage"])}

    @pytest.mark.parametrize("status", ["failed", "cancelled", "in_progress"])
    async def test_a_whole_response_that_did_not_end_well_is_an_error(
        self,
        upstream: Asking,
        target: Target,
        server: ScriptedUpstream,
        ids: Ids,
        clock: Clock,
        status: str,
    ) -> None:
        server.play(self.answering(encode({**RESPONSE, "status": status})))
        with pytest.raises(UpstreamError):
            await upstream.whole(HUB, target, ClientContext())

    @pytest.mark.parametrize("status", ["incomplete", "failed"])
    async def test_a_whole_response_in_place_of_a_stream_keeps_its_status(
        self,
        upstream: Asking,
        target: Target,
        server: ScriptedUpstream,
        writer: ResponseWriter,
        status: str,
    ) -> None:
        server.play(self.answering(encode({**RESPONSE, "status": status})))
        await self.read(upstream, target, writer)
        assert writer.outcome is not None
        assert writer.outcome.status == status
