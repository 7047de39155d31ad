"""What the engine gets from a server over HTTP in every dialect, tested against a scripted one on a socket.

A dialect's test is a subclass that defines one answer in its dialect, and adds what only this dialect does.
"""

import asyncio
from typing import Any

import pytest

from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.losses import Losses
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.engine.relay.relay import is_stream
from chat2response.errors import UpstreamError, UpstreamTimeout, UpstreamUnauthorized, UpstreamUnreachable
from chat2response.net.transport import StreamInterrupted, Transport, TransportOptions
from chat2response.upstreams.base import ClientContext, Target
from chat2response.wire.fault import REVOKED
from tests.support.clock_and_ids import Clock, Ids
from tests.support.http_requests import settle
from tests.support.scripted_upstream import PATIENCE, Script, ScriptedUpstream
from tests.support.upstreams.asking import Asking, chunks_of
from tests.support.upstreams.stage import HUB, KEY, STREAMED, UpstreamStage


class UpstreamContract(UpstreamStage):
    """The promises of every dialect."""

    # -- requests ------------------------------------------------------------------------------------

    async def test_a_hub_request_is_written_in_the_dialect(
        self, upstream: Asking, target: Target, server: ScriptedUpstream
    ) -> None:
        server.play(self.answering(self.whole))
        answer = await upstream.whole(HUB, target, ClientContext())
        assert server.last.body == upstream.body(HUB, target, Losses())
        assert server.last.json()["model"] == "m"
        assert list(answer.losses) == []

    async def test_finished_bytes_go_up_as_they_are(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        body = b'{ "a" : 1.10, "a": 2 }'
        server.play(self.answering(self.whole))
        async with upstream.relay(body, target, ClientContext()) as reply:
            await reply.read()
        server.play(self.streaming(*self.stream))
        await self.read(upstream, target, writer, body)
        assert [request.body for request in server.requests] == [body] * 2
        assert {(request.method, request.path) for request in server.requests} == {("POST", self.path)}

    async def test_the_operators_key_takes_the_place_of_the_clients(
        self, upstream: Asking, target: Target, server: ScriptedUpstream
    ) -> None:
        server.play(self.answering(self.whole))
        context = ClientContext("Bearer of-the-client", "req_1")
        await upstream.whole(HUB, target, context)
        assert server.last.headers["authorization"] == f"Bearer {KEY}"
        await upstream.whole(HUB, Target(self.dialect, server.url, None, managed=False), context)
        assert server.last.headers["authorization"] == "Bearer of-the-client"
        await upstream.whole(HUB, Target(self.dialect, server.url, None, managed=False), ClientContext())
        assert "authorization" not in server.last.headers

    async def test_the_headers_say_what_is_asked(
        self, upstream: Asking, target: Target, server: ScriptedUpstream
    ) -> None:
        server.play(self.answering(self.whole))
        await upstream.whole(HUB, target, ClientContext(None, "req_1"))
        headers = server.last.headers
        assert (headers["content-type"], headers["accept"]) == ("application/json", "application/json")
        assert (headers["x-request-id"], headers["accept-encoding"]) == ("req_1", "identity")
        async with upstream.relay(b"{}", target, ClientContext(stream=True)):
            pass
        assert server.last.headers["accept"] == "text/event-stream"
        assert "x-request-id" not in server.last.headers

    # -- whole answers -------------------------------------------------------------------------------

    async def test_a_whole_answer_becomes_a_response(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, ids: Ids, clock: Clock
    ) -> None:
        server.play(self.answering(self.whole, headers=(("X-Request-ID", "theirs"), ("Server", "x"))))
        answer = await upstream.whole(HUB, target, ClientContext())
        assert answer.headers == [(b"x-upstream-request-id", b"theirs")]
        response = answer.response
        assert response["status"] == "completed"
        assert response["output"][0]["content"][0]["text"] == "Hello"

    @pytest.mark.parametrize("body", [b"", b"<html>", b'{"a":'])
    async def test_a_whole_answer_that_cannot_be_read_is_an_error(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, body: bytes
    ) -> None:
        server.play(self.answering(body))
        with pytest.raises(UpstreamError, match="cannot be read"):
            await upstream.whole(HUB, target, ClientContext())

    @pytest.mark.parametrize("body", [b"{}", b"[]", b"null", b'{"error":{"message":"No room.","code":503}}'])
    async def test_a_whole_answer_that_is_none_is_an_error(
        self,
        upstream: Asking,
        target: Target,
        server: ScriptedUpstream,
        ids: Ids,
        clock: Clock,
        body: bytes,
    ) -> None:
        server.play(self.answering(body))
        with pytest.raises(UpstreamError):
            await upstream.whole(HUB, target, ClientContext())

    async def test_cancelling_a_whole_answer_closes_the_upstream(
        self, upstream: Asking, target: Target, server: ScriptedUpstream
    ) -> None:
        server.play(self.answering(self.whole, before=asyncio.Event()))
        asking = asyncio.ensure_future(upstream.whole(HUB, target, ClientContext()))
        request = await server.wait_for_request()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(request.gone.wait(), PATIENCE)

    # -- streams -------------------------------------------------------------------------------------

    @pytest.mark.parametrize("reads", ["frames", "one", "bytes"])
    async def test_a_stream_is_read_into_the_writer(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter, reads: str
    ) -> None:
        whole = b"".join(self.stream)
        size = {"frames": 0, "one": len(whole), "bytes": 1}[reads]
        cut = (whole[at : at + size] for at in range(0, len(whole), size)) if size else self.stream
        server.play(self.streaming(*cut))
        await self.read(upstream, target, writer)
        assert writer.outcome is not None
        assert writer.outcome.status == "completed"
        assert writer.response["output"][0]["content"][0]["text"] == "Hello"
        assert writer.response["usage"] is not None
        assert writer.response["usage"]["total_tokens"] == 5

    async def test_a_connection_is_kept_though_the_end_was_still_on_its_way(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        end = asyncio.Event()
        server.play(self.streaming(*self.stream, end))
        async with upstream.open(STREAMED, target, writer, ClientContext(stream=True)) as turn:
            await turn.run()
            asyncio.get_running_loop().call_later(0.01, end.set)
        await asyncio.wait_for(server.last.played.wait(), PATIENCE)
        async with upstream.relay(b"{}", target, ClientContext()) as reply:
            await reply.read()
        assert server.accepted == 1

    async def test_a_comment_is_not_heard_and_an_event_is(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        first, second = asyncio.Event(), asyncio.Event()
        server.play(
            self.streaming(
                b": wait\n\n", first, self.stream[0][:9], second, self.stream[0][9:], *self.stream[1:]
            )
        )
        async with upstream.open(STREAMED, target, writer, ClientContext(stream=True)) as turn:
            started = [turn.started]

            def read() -> None:
                started.append(turn.started)
                first.set()
                second.set()

            await turn.run(read)
            assert started[:2] == [False, False], "after the head, and after the comment"
            assert turn.started

    async def test_the_start_of_a_turn_is_its_first_event(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        first, rest = asyncio.Event(), asyncio.Event()
        server.play(self.streaming(b": wait\n\n", first, self.stream[0], rest, *self.stream[1:]))
        async with upstream.open(STREAMED, target, writer, ClientContext(stream=True)) as turn:
            await turn.turns.start(0.01)
            assert not turn.started, "it waits for a limited time"
            starting = asyncio.ensure_future(turn.turns.start(PATIENCE))
            first.set()
            await starting
            assert turn.started
            rest.set()
            await settle()
            assert writer.outcome is None, "what follows waits for the run"
            await turn.run()
        assert writer.response["output"][0]["content"][0]["text"] == "Hello"

    async def test_an_error_in_place_of_a_stream_ends_the_turn(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        server.play(self.streaming(self.error_frame))
        await self.read(upstream, target, writer)
        assert writer.outcome is not None
        assert writer.outcome.error is not None
        assert (writer.outcome.error.status, writer.outcome.error.message) == (503, "No room.")

    @pytest.mark.parametrize("end", ["cut", "reset", "whole"])
    async def test_a_stream_without_its_end_failed(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter, end: Any
    ) -> None:
        server.play(self.streaming(*self.stream[:2], end=end))
        await self.read(upstream, target, writer)
        assert writer.outcome is not None
        assert writer.outcome.status == "failed"

    async def test_silence_ends_a_turn(
        self, server: ScriptedUpstream, target: Target, writer: ResponseWriter
    ) -> None:
        server.play(self.streaming(*self.stream[:2], end="stall"))
        transport = Transport(TransportOptions(read_timeout=1.5))  # the first events arrive sooner
        await self.read(self.make(transport), target, writer)
        assert writer.outcome is not None
        assert isinstance(writer.outcome.error, UpstreamTimeout)
        await transport.close()

    async def test_a_stop_ends_a_turn_at_once(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        server.play(self.streaming(self.stream[0], end="stall"))
        async with upstream.open(STREAMED, target, writer, ClientContext(stream=True)) as turn:
            read = asyncio.Event()
            running = asyncio.ensure_future(turn.run(read.set))
            await asyncio.wait_for(read.wait(), PATIENCE)
            turn.stop(REVOKED)
            await asyncio.wait_for(running, PATIENCE)
        assert writer.outcome is not None
        assert writer.outcome.error is not None
        assert writer.outcome.error.message == REVOKED.message
        await asyncio.wait_for(server.last.gone.wait(), PATIENCE)

    async def test_leaving_a_turn_early_closes_the_upstream(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        server.play(self.streaming(self.stream[0], end="stall"))
        async with upstream.open(STREAMED, target, writer, ClientContext(stream=True)) as turn:
            await turn.turns.start(PATIENCE)
            assert turn.started
        await asyncio.wait_for(server.last.gone.wait(), PATIENCE)

    async def test_json_in_place_of_a_stream_is_read(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        server.play(self.answering(self.whole))
        await self.read(upstream, target, writer)
        assert writer.response["output"][0]["content"][0]["text"] == "Hello"
        assert writer.outcome is not None
        assert writer.outcome.status == "completed"

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b'{"error":{"message":"No room."}}', "No room."),
            (b'{"detail":"No room."}', "No room."),
        ],
    )
    async def test_an_error_as_json_in_place_of_a_stream_ends_the_turn(
        self,
        upstream: Asking,
        target: Target,
        server: ScriptedUpstream,
        writer: ResponseWriter,
        body: bytes,
        message: str,
    ) -> None:
        server.play(self.answering(body))
        await self.read(upstream, target, writer)
        assert writer.outcome is not None
        assert writer.outcome.error is not None
        assert writer.outcome.error.message == message

    async def test_what_is_neither_stream_nor_json_is_an_error(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        server.play(self.answering(b"<html>Hello</html>", media_type="text/html"))
        with pytest.raises(UpstreamError, match="cannot be read"):
            await self.read(upstream, target, writer)

    async def test_a_stream_without_a_content_type_is_taken_for_one(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        server.play(self.streaming(*self.stream).but(media_type=None))
        await self.read(upstream, target, writer)
        assert writer.outcome is not None
        assert writer.outcome.status == "completed"

    @pytest.mark.parametrize("media_type", [None, "application/json", "text/plain; charset=utf-8"])
    async def test_a_stream_is_known_by_its_first_bytes(
        self,
        upstream: Asking,
        target: Target,
        server: ScriptedUpstream,
        ids: Ids,
        clock: Clock,
        media_type: str | None,
    ) -> None:
        """However it is cut, and even if JSON was requested."""
        stream = b"".join(self.stream)
        for steps in ((stream,), tuple(stream[at : at + 1] for at in range(len(stream)))):
            server.play(self.streaming(b": hi\n\n", *steps).but(media_type=media_type))
            writer = ResponseWriter(EchoedFields.of(HUB), ids, clock)
            await self.read(upstream, target, writer)
            response = (await upstream.whole(HUB, target, ClientContext())).response
            assert (response["status"], response["output"][0]["content"][0]["text"]) == ("completed", "Hello")
            assert writer.response["output"][0]["content"] == response["output"][0]["content"]

    async def test_json_is_known_by_its_first_byte(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, ids: Ids, clock: Clock
    ) -> None:
        for media_type in ("text/event-stream", None):
            server.play(self.answering(b"\n " + self.whole).but(media_type=media_type))
            writer = ResponseWriter(EchoedFields.of(HUB), ids, clock)
            await self.read(upstream, target, writer)
            assert writer.response["output"][0]["content"][0]["text"] == "Hello"

    async def test_a_stream_for_a_json_request_is_bounded(
        self, transport: Transport, target: Target, server: ScriptedUpstream, ids: Ids, clock: Clock
    ) -> None:
        server.play(self.streaming(*self.stream))
        upstream = self.make(transport, max_output=3)
        with pytest.raises(UpstreamError, match="limit of 3 bytes"):
            await upstream.whole(HUB, target, ClientContext())

    # -- relay ---------------------------------------------------------------------------------------

    async def test_a_stream_that_says_so_is_not_waited_for(
        self, upstream: Asking, target: Target, server: ScriptedUpstream
    ) -> None:
        server.play(self.streaming(end="stall"))
        async with upstream.relay(b"{}", target, ClientContext(stream=True)) as reply:
            assert await asyncio.wait_for(is_stream(reply), PATIENCE)
            assert reply.media_type == "text/event-stream"

    @pytest.mark.parametrize("media_type", [None, "application/json"])
    async def test_a_stream_that_does_not_say_so_passes_with_its_first_bytes(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, media_type: str | None
    ) -> None:
        server.play(
            self.streaming(self.stream[0][:2], self.stream[0][2:], end="stall").but(media_type=media_type)
        )
        async with upstream.relay(b"{}", target, ClientContext(stream=True)) as reply:
            assert await asyncio.wait_for(is_stream(reply), PATIENCE)
            assert reply.media_type == "text/event-stream"
            chunks, passed = chunks_of(reply), b""
            while len(passed) < len(self.stream[0]):
                passed += await asyncio.wait_for(anext(chunks), PATIENCE)
            assert passed == self.stream[0]

    @pytest.mark.parametrize("body", [b'{ "a": 1 }', b"<html>", b"", b"d", b"\n"])
    async def test_what_is_no_stream_keeps_its_bytes(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, body: bytes
    ) -> None:
        server.play(self.answering(body).but(media_type=None))
        async with upstream.relay(b"{}", target, ClientContext(stream=True)) as reply:
            assert not await is_stream(reply)
            assert await reply.read() == body
            assert reply.media_type == "application/json"

    async def test_a_body_that_is_cut_before_it_tells_what_it_is_is_an_error(
        self, upstream: Asking, target: Target, server: ScriptedUpstream
    ) -> None:
        server.play(self.streaming(b"da", end="cut").but(media_type=None))
        async with upstream.relay(b"{}", target, ClientContext(stream=True)) as reply:
            assert not await is_stream(reply)
            with pytest.raises(UpstreamUnreachable):
                await reply.read()

    async def test_a_relayed_stream_keeps_its_bytes(
        self, upstream: Asking, target: Target, server: ScriptedUpstream
    ) -> None:
        headers = (("X-RateLimit-Remaining", "3"), ("Set-Cookie", "a=b"), ("x-request-id", "theirs"))
        stream = (b": hi\r\n\r\n", *self.stream)
        server.play(self.streaming(*stream, headers=headers))
        async with upstream.relay(b"{}", target, ClientContext(stream=True)) as reply:
            assert (reply.status, reply.media_type) == (200, "text/event-stream")
            assert reply.headers == [(b"x-ratelimit-remaining", b"3"), (b"x-upstream-request-id", b"theirs")]
            assert b"".join([data async for data in chunks_of(reply)]) == b"".join(stream)
        async with upstream.relay(b"{}", target, ClientContext(stream=True)) as reply:
            assert await reply.read() == b"".join(stream)
        assert server.accepted == 1

    @pytest.mark.parametrize("status", [200, 307, 400, 401, 429, 500])
    async def test_a_relayed_answer_keeps_its_status(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, status: int
    ) -> None:
        server.play(self.answering(b"{ }", status=status, media_type="application/json; x=1"))
        async with upstream.relay(b"{}", target, ClientContext()) as reply:
            assert (reply.status, reply.media_type) == (status, "application/json; x=1")
            assert await reply.read() == b"{ }"

    async def test_a_relayed_stream_that_is_cut_or_stopped_says_why(
        self, upstream: Asking, target: Target, server: ScriptedUpstream
    ) -> None:
        server.play(self.streaming(self.stream[0], end="stall"))
        async with upstream.relay(b"{}", target, ClientContext(stream=True)) as reply:
            chunks = chunks_of(reply)
            assert await anext(chunks) == self.stream[0]
            reply.stop(REVOKED)
            with pytest.raises(StreamInterrupted) as caught:
                await anext(chunks)
        assert caught.value.fault == REVOKED
        await asyncio.wait_for(server.last.gone.wait(), PATIENCE)

    # -- refusals ------------------------------------------------------------------------------------

    async def test_a_refusal_is_an_error_with_its_words_and_headers(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        refusal = (
            b'{"error":{"message":"Slow down.","type":"requests","code":"rate_limit_exceeded","param":"x"}}'
        )
        server.play(self.answering(refusal, status=429, headers=(("Retry-After", "7"), ("X-Inner", "y"))))
        for asking in (upstream.whole(HUB, target, ClientContext()), self.read(upstream, target, writer)):
            with pytest.raises(UpstreamError) as caught:
                await asking
            error = caught.value
            assert (error.status, error.message, error.type) == (429, "Slow down.", "requests")
            assert (error.code, error.param) == ("rate_limit_exceeded", "x")
            assert error.headers == {"retry-after": "7"}
        assert server.accepted == 1, "the connection is good for more"

    @pytest.mark.parametrize("status", [401, 403])
    async def test_a_refusal_of_the_operators_key_is_the_operators_to_mend(
        self,
        upstream: Asking,
        target: Target,
        server: ScriptedUpstream,
        writer: ResponseWriter,
        status: int,
    ) -> None:
        server.play(self.answering(b'{"error":{"message":"Incorrect API key"}}', status=status))
        passthrough = Target(self.dialect, server.url, None, managed=False)
        for asking in (upstream.whole(HUB, target, ClientContext()), self.read(upstream, target, writer)):
            with pytest.raises(UpstreamUnauthorized) as caught:
                await asking
            assert caught.value.status == 502
        with pytest.raises(UpstreamError) as direct:
            await upstream.whole(HUB, passthrough, ClientContext("Bearer x"))
        assert (direct.value.status, direct.value.message) == (status, "Incorrect API key")

    @pytest.mark.parametrize("end", ["cut", "reset"])
    async def test_a_refusal_keeps_its_status_though_its_body_is_cut(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter, end: Any
    ) -> None:
        server.play(self.answering(b'{"error":', status=429, end=end))
        for asking in (upstream.whole(HUB, target, ClientContext()), self.read(upstream, target, writer)):
            with pytest.raises(UpstreamError) as caught:
                await asking
            assert caught.value.status == 429

    async def test_cancelling_while_a_refusal_is_read_closes_the_upstream(
        self, upstream: Asking, target: Target, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        server.play(self.answering(b'{"error":', status=429, end="stall"))
        asking = asyncio.ensure_future(self.read(upstream, target, writer))
        request = await server.wait_for_request()
        await asyncio.sleep(0.02)  # the head has arrived, and the body is awaited
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await asyncio.wait_for(request.gone.wait(), PATIENCE)

    async def test_where_nobody_listens_every_way_in_says_so(
        self, upstream: Asking, server: ScriptedUpstream, writer: ResponseWriter
    ) -> None:
        nobody = Target(self.dialect, "http://nobody.invalid/v1", KEY)
        relay = upstream.relay(b"{}", nobody, ClientContext())
        ways = (
            upstream.whole(HUB, nobody, ClientContext()),
            self.read(upstream, nobody, writer),
            relay.__aenter__(),
            upstream.models(nobody, ClientContext()),
        )
        for asking in ways:
            with pytest.raises(UpstreamUnreachable):
                await asking

    # -- models --------------------------------------------------------------------------------------

    async def test_the_list_of_models_is_the_upstreams(
        self, upstream: Asking, target: Target, server: ScriptedUpstream
    ) -> None:
        listed = b'{"object": "list", "data": [{"id": "m", "x": 1.0}]}'
        server.play(Script("/v1/models", (listed,)))
        assert await upstream.models(target, ClientContext("Bearer x", "req_1")) == listed
        assert server.last.method == "GET"
        assert server.last.headers["authorization"] == f"Bearer {KEY}"
        assert server.last.body == b""

    async def test_a_refused_list_of_models_is_an_error(
        self, upstream: Asking, target: Target, server: ScriptedUpstream
    ) -> None:
        server.play(Script("/v1/models", (b'{"error":"nope"}',), status=404))
        with pytest.raises(UpstreamError) as caught:
            await upstream.models(target, ClientContext())
        assert (caught.value.status, caught.value.message) == (404, "nope")
