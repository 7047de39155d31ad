"""Turns and raw replies over the transport, shared by Chat and Responses upstreams."""

from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any

from chat2response.convert.dialects.chat.answer.stream_reader import ChatReader
from chat2response.convert.dialects.responses.answer.stream_reader import ResponsesReader
from chat2response.convert.lenient_reader import add_repair_losses
from chat2response.convert.losses import Losses
from chat2response.convert.size_limit import MAX_OUTPUT
from chat2response.net.transport import HttpResponse, HttpTransport, StreamInterrupted
from chat2response.observe.secrets import Secret, SecretFilter, secret_of
from chat2response.upstreams.base import ClientContext, HeaderList, Target
from chat2response.upstreams.error_responses import forwarded_headers, read_refusal
from chat2response.upstreams.whole_answers import decode_answer
from chat2response.wire.content_sniffing import Kind, sniff_content
from chat2response.wire.fault import Fault
from chat2response.wire.large_documents import is_large, run_in_thread_if

_SNIFF_LENGTH = 4096  # enough bytes to tell the kind of a body
Reader = ChatReader | ResponsesReader
FeedWhole = Callable[[Reader, Any], None]
"""Feeds a reader a JSON body that a server sent in place of a stream."""


def request_headers(target: Target, context: ClientContext) -> dict[str, str]:
    """The request headers: with the operator's key or the client's credentials, never both."""
    headers = {
        "Content-Type": "application/json",
        "Accept": "text/event-stream" if context.stream else "application/json",
        "X-Chat2response-Hops": str(context.hops + 1),
    }
    if target.api_key:
        headers["Authorization"] = f"Bearer {target.api_key}"
    elif context.authorization:
        headers["Authorization"] = context.authorization
    if context.request_id:
        headers["X-Request-Id"] = context.request_id
    return headers


class ResponseContext:
    """An HTTP request and its response as an async context: opened on entry, closed on exit."""

    def __init__(
        self,
        transport: HttpTransport,
        url: str,
        target: Target,
        context: ClientContext,
        body: bytes | None,
        method: str = "POST",
    ) -> None:
        self._transport = transport
        self._url = url
        self._target = target
        self._client_context = context
        self._body = body
        self._method = method
        self._finished = False
        self._secret: Secret | None = secret_of(target.api_key)
        self._response: HttpResponse | None = None
        self.status = 0
        self.headers: HeaderList = []

    @property
    def response(self) -> HttpResponse:
        """The open response."""
        assert self._response is not None, "not entered yet"
        return self._response

    async def connect(self) -> None:
        """Sends the request and waits for the head."""
        response = self._response = await self._transport.open(
            self._method,
            self._url,
            request_headers(self._target, self._client_context),
            self._body,
            stall=self._client_context.stall,
        )
        self._body = None  # sent; a stream may stay open for long
        self.status = response.status
        self.headers = forwarded_headers(response, self._secret)

    async def body(self, start: bytes = b"") -> bytes:
        """The whole body without the gateway's key. `start`: bytes that were read before."""
        body = start + await self.response.read()
        return (
            body
            if self._secret is None
            else await run_in_thread_if(is_large(body), self._secret.remove, body)
        )

    def stop(self, fault: Fault) -> None:
        """Ends the body now."""
        self.response.stop(fault)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._response is not None:
            await self._response.close(finished=self._finished)


async def first_bytes(response: HttpResponse) -> tuple[bytes, Kind]:
    """The first bytes of a body, enough to tell its kind. Raises StreamInterrupted."""
    start = b""
    while True:
        data = await response.chunk()
        start += data
        if kind := sniff_content(start, ended=not data):
            return start, kind


def is_event_stream(response: HttpResponse) -> bool:
    """Whether the content type is that of an event stream, or missing."""
    return "event-stream" in (response.header("content-type") or "event-stream")


class HttpTurn(ResponseContext):
    """A Turn that feeds the response's bytes to a reader."""

    def __init__(
        self,
        transport: HttpTransport,
        url: str,
        target: Target,
        context: ClientContext,
        body: bytes,
        reader: Reader,
        whole: FeedWhole,
        losses: Losses,
        max_output: int = MAX_OUTPUT,
    ) -> None:
        super().__init__(transport, url, target, context, body)
        self._max_output = max_output
        self._reader = reader
        self._whole = whole
        self.losses = losses

    @property
    def started(self) -> bool:
        """Whether the first event has been read. Comments do not count: some backends send them for long."""
        return self._reader.started

    @property
    def output_chars(self) -> int:
        """The characters of output so far."""
        return self._reader.output_chars

    async def __aenter__(self) -> "HttpTurn":
        await self.connect()
        if self.status >= 300:
            try:
                raise await read_refusal(self.response, self._target)
            finally:
                await self.response.close()
        return self

    async def reads(self) -> AsyncIterator[None]:
        """Feeds the reader until it is done or the body ends."""
        reader, response = self._reader, self.response
        fault: Fault | None = None
        secret_filter = SecretFilter(self._secret) if self._secret is not None else None
        try:
            data, kind = await first_bytes(response)
            if kind == "json" or (kind == "other" and not is_event_stream(response)):
                await self._read_whole(data)
                return
            while data:
                reader.feed(data if secret_filter is None else secret_filter.feed(data))
                del data  # not referenced: a slow client may block this generator for long
                if reader.done:
                    self._finished = True
                    return
                yield
                data = await response.chunk()
        except StreamInterrupted as cut:
            fault = cut.fault
        if secret_filter is not None:
            reader.feed(secret_filter.close())
        reader.close(fault)

    async def _read_whole(self, start: bytes) -> None:
        """Reads a JSON body: some servers ignore `stream`, or send an error with status 200."""
        answer, repairs = await decode_answer(await self.body(start), self._max_output)
        add_repair_losses(repairs, self._reader.losses)
        self._whole(self._reader, answer)
        self._reader.close()


class HttpRawReply(ResponseContext):
    """A RawReply that returns the response's bytes."""

    def __init__(
        self, transport: HttpTransport, url: str, target: Target, context: ClientContext, body: bytes | None
    ) -> None:
        super().__init__(transport, url, target, context, body)
        self._start = b""  # read already, to tell the kind of the body
        self._kind: Kind = "other"
        self._streams = False  # although the content type says otherwise, or nothing

    @property
    def media_type(self) -> str:
        """The upstream's content type, or the body's own kind if the type is missing or wrong."""
        content_type = self.response.header("content-type")
        if not content_type or (self._streams and "event-stream" not in content_type):
            content_type = "text/event-stream" if self._kind == "events" else "application/json"
        return content_type if self._secret is None else self._secret.remove_text(content_type)

    async def __aenter__(self) -> "HttpRawReply":
        await self.connect()
        return self

    async def streams(self) -> bool:
        """Whether the body is an event stream, by its content type or else by its first bytes."""
        content_type = self.response.header("content-type")
        if content_type and "event-stream" in content_type:
            return True
        try:
            self._start, self._kind = await first_bytes(self.response)
        except StreamInterrupted:  # the next read raises it, too
            return False
        self._streams = self._kind == "events"
        return self._streams

    async def chunks(self) -> AsyncIterator[bytes]:
        """The chunks as they arrive, without the gateway's key."""
        secret_filter = SecretFilter(self._secret) if self._secret is not None else None
        while True:
            start, self._start = self._start, b""
            data = [start or await self.response.chunk()]
            del start
            if not data[0]:
                break
            if secret_filter is not None:
                data[0] = secret_filter.feed(data[0])
            if data[0]:
                yield data.pop()  # not referenced: a slow client may block this generator for long
        if secret_filter is not None and (remaining := secret_filter.close()):
            yield remaining

    async def read(self) -> bytes:
        """The whole body."""
        body = await self.body(self._start)
        self._start, self._kind = b"", sniff_content(body[:_SNIFF_LENGTH], ended=True) or "other"
        return body
