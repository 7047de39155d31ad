"""The fixtures of the upstream contract: a scripted server, a transport, a writer."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from chat2response.convert.dialects.dialect import Dialect
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.net.transport import Transport, TransportOptions
from chat2response.upstreams.base import ClientContext, Target
from tests.support.clock_and_ids import Clock, Ids
from tests.support.scripted_upstream import Script, ScriptedUpstream
from tests.support.upstreams.asking import Asking

KEY = "sk-operator-0123456789"
HUB = HubRequest(body={"model": "m", "input": "Hi"}, dialect="responses")
STREAMED = HubRequest(body={"model": "m", "input": "Hi", "stream": True}, dialect="responses")


class UpstreamStage:
    """`path`: the endpoint. `stream`: the frames of an answer "Hello". `whole`: the same as JSON."""

    dialect: Dialect
    path: str
    stream: tuple[bytes, ...]
    whole: bytes
    error_frame = b'data: {"error":{"message":"No room.","code":503}}\n\n'

    def make(self, transport: Transport, **more: Any) -> Asking:
        return Asking(self.dialect, transport, **more)

    # -- the stage -----------------------------------------------------------------------------------

    @pytest.fixture
    async def server(self) -> AsyncIterator[ScriptedUpstream]:
        async with ScriptedUpstream() as scripted:
            yield scripted

    @pytest.fixture
    async def transport(self, server: ScriptedUpstream) -> AsyncIterator[Transport]:
        created = Transport(TransportOptions())
        yield created
        await created.close()
        await server.until(lambda: not server.open)

    @pytest.fixture
    def upstream(self, transport: Transport) -> Asking:
        return self.make(transport)

    @pytest.fixture
    def target(self, server: ScriptedUpstream) -> Target:
        return Target(self.dialect, server.url, KEY)

    @pytest.fixture
    def writer(self, ids: Ids, clock: Clock) -> ResponseWriter:
        return ResponseWriter(EchoedFields.of(HUB), ids, clock)

    def streaming(self, *steps: Any, **more: Any) -> Script:
        return Script(self.path, steps, media_type="text/event-stream", framing="chunked", **more)

    def answering(self, body: bytes, **more: Any) -> Script:
        return Script(self.path, (body,), **more)

    async def read(
        self,
        upstream: Asking,
        target: Target,
        writer: ResponseWriter,
        request: HubRequest | bytes = STREAMED,
    ) -> None:
        """Reads a turn from its head to its end."""
        async with upstream.open(request, target, writer, ClientContext(stream=True)) as turn:
            await turn.run()
