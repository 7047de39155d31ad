"""What Chat and Responses upstreams share: addresses, headers, turns and raw replies over the transport."""

from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any

from chat2response.convert.dialects.chat.answer.stream_reader import ChatReader
from chat2response.convert.dialects.responses.stream_reader import ResponsesReader
from chat2response.convert.lenient_reader import add_repair_losses
from chat2response.convert.losses import Losses
from chat2response.convert.size_limit import MAX_OUTPUT
from chat2response.net.transport import Cut, Exchange, Transport
from chat2response.observe.secrets import Secret, SecretFilter, secret_of
from chat2response.upstreams.base import HeaderList, Origin, Target
from chat2response.upstreams.upstream_refusals import passed_headers, refusal
from chat2response.upstreams.whole_answers import decoded
from chat2response.wire.content_sniffing import Kind, sniff_content
from chat2response.wire.large_documents import is_large, run_in_thread_if
from chat2response.wire.machine import Fault

_START = 4096  # bytes that tell what a body is
Reader = ChatReader | ResponsesReader
FeedWhole = Callable[[Reader, Any], None]
"""Feeds a reader an answer that came as one JSON body although a stream was asked for."""


def request_headers(target: Target, origin: Origin) -> dict[str, str]:
    """Ours to the upstream: the operator's key, or the client's own credentials, never both."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "text/event-stream" if origin.stream else "application/json",
        "X-Chat2response-Hops": str(origin.hops + 1),
    }
    if target.api_key:
        headers["Authorization"] = f"Bearer {target.api_key}"
    elif origin.authorization:
        headers["Authorization"] = origin.authorization
    if origin.request_id:
        headers["X-Request-Id"] = origin.request_id
    return headers


class Opened:
    """An exchange as a context: opened on entry, closed on exit."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        target: Target,
        origin: Origin,
        body: bytes | None,
        method: str = "POST",
    ) -> None:
        self._transport = transport
        self._url = url
        self._target = target
        self._origin = origin
        self._body = body
        self._method = method
        self._finished = False
        self._secret: Secret | None = secret_of(target.api_key)
        self._exchange: Exchange | None = None
        self.status = 0
        self.headers: HeaderList = []

    @property
    def exchange(self) -> Exchange:
        """The open one."""
        assert self._exchange is not None, "entered first"
        return self._exchange

    async def connect(self) -> None:
        """Sends, and waits for the head."""
        exchange = self._exchange = await self._transport.open(
            self._method,
            self._url,
            request_headers(self._target, self._origin),
            self._body,
            stall=self._origin.stall,
        )
        self._body = None  # sent; a stream may stay open for long
        self.status = exchange.status
        self.headers = passed_headers(exchange, self._secret)

    async def body(self, start: bytes = b"") -> bytes:
        """All of it, without our key. `start`: what was read of it before."""
        body = start + await self.exchange.read()
        return (
            body
            if self._secret is None
            else await run_in_thread_if(is_large(body), self._secret.remove, body)
        )

    def stop(self, fault: Fault) -> None:
        """Ends the body now."""
        self.exchange.stop(fault)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._exchange is not None:
            await self._exchange.close(finished=self._finished)


async def first_bytes(exchange: Exchange) -> tuple[bytes, Kind]:
    """The first bytes of a body, as many as tell its kind; seldom more than one read. Raises Cut."""
    start = b""
    while True:
        data = await exchange.chunk()
        start += data
        if kind := sniff_content(start, ended=not data):
            return start, kind


def named_events(exchange: Exchange) -> bool:
    """Whether the content type says that the body is a stream of events, or nothing."""
    return "event-stream" in (exchange.header("content-type") or "event-stream")


class HttpTurn(Opened):
    """A Turn: the exchange's bytes into a reader."""

    def __init__(
        self,
        transport: Transport,
        url: str,
        target: Target,
        origin: Origin,
        body: bytes,
        reader: Reader,
        whole: FeedWhole,
        losses: Losses,
        max_output: int = MAX_OUTPUT,
    ) -> None:
        super().__init__(transport, url, target, origin, body)
        self._max_output = max_output
        self._reader = reader
        self._whole = whole
        self.losses = losses

    @property
    def heard(self) -> bool:
        """Whether a first event has been read; comments are none, and some backends send them for long."""
        return self._reader.heard

    @property
    def said(self) -> int:
        """What the model has said so far, in characters."""
        return self._reader.said

    async def __aenter__(self) -> "HttpTurn":
        await self.connect()
        if self.status >= 300:
            try:
                raise await refusal(self.exchange, self._target)
            finally:
                await self.exchange.close()
        return self

    async def reads(self) -> AsyncIterator[None]:
        """Feeds the reader until it is done, or the body ends."""
        reader, exchange = self._reader, self.exchange
        fault: Fault | None = None
        clean = SecretFilter(self._secret) if self._secret is not None else None
        try:
            data, kind = await first_bytes(exchange)
            if kind == "json" or (kind == "other" and not named_events(exchange)):
                await self._read_whole(data)
                return
            while data:
                reader.feed(data if clean is None else clean.feed(data))
                del data  # not kept: a client that does not read holds this up for long
                if reader.done:
                    self._finished = True
                    return
                yield
                data = await exchange.chunk()
        except Cut as cut:
            fault = cut.fault
        if clean is not None:
            reader.feed(clean.close())
        reader.close(fault)

    async def _read_whole(self, start: bytes) -> None:
        """Some servers ignore `stream`, or answer 200 with an error as JSON. `start`: what was read of it."""
        answer, repairs = await decoded(await self.body(start), self._max_output)
        add_repair_losses(repairs, self._reader.losses)
        self._whole(self._reader, answer)
        self._reader.close()


class HttpRawReply(Opened):
    """A RawReply: the exchange's bytes as they are."""

    def __init__(
        self, transport: Transport, url: str, target: Target, origin: Origin, body: bytes | None
    ) -> None:
        super().__init__(transport, url, target, origin, body)
        self._start = b""  # read already, to tell what the body is
        self._kind: Kind = "other"
        self._streams = False  # although its type says otherwise, or nothing

    @property
    def media_type(self) -> str:
        """The upstream's content type; where it names none, or another for a stream, what the body is."""
        given = self.exchange.header("content-type")
        if not given or (self._streams and "event-stream" not in given):
            given = "text/event-stream" if self._kind == "events" else "application/json"
        return given if self._secret is None else self._secret.remove_text(given)

    async def __aenter__(self) -> "HttpRawReply":
        await self.connect()
        return self

    async def streams(self) -> bool:
        """Whether the body is a stream of events: its type says so, or else its first bytes."""
        given = self.exchange.header("content-type")
        if given and "event-stream" in given:
            return True
        try:
            self._start, self._kind = await first_bytes(self.exchange)
        except Cut:  # which whoever reads on is told as well
            return False
        self._streams = self._kind == "events"
        return self._streams

    async def chunks(self) -> AsyncIterator[bytes]:
        """What arrives, as it arrives, without our key."""
        clean = SecretFilter(self._secret) if self._secret is not None else None
        while True:
            start, self._start = self._start, b""
            data = [start or await self.exchange.chunk()]
            del start
            if not data[0]:
                break
            if clean is not None:
                data[0] = clean.feed(data[0])
            if data[0]:
                yield data.pop()  # not kept here: a client that does not read holds this up for long
        if clean is not None and (rest := clean.close()):
            yield rest

    async def read(self) -> bytes:
        """All of it."""
        body = await self.body(self._start)
        self._start, self._kind = b"", sniff_content(body[:_START], ended=True) or "other"
        return body
