"""`HttpReply`: one request to an upstream over HTTP, and its answer without the gateway's key."""

from types import TracebackType

from chat2response.net.http_response import MAX_BODY
from chat2response.net.transport import SLICE, HttpResponse, HttpTransport, Receiver
from chat2response.observe.secrets import Secret, secret_of
from chat2response.upstreams.base import ClientContext, OnKind, Target
from chat2response.upstreams.error_responses import forwarded_headers
from chat2response.upstreams.receivers import KindSniffer, SecretRemover
from chat2response.wire.content_sniffing import Kind, sniff_content
from chat2response.wire.fault import Fault
from chat2response.wire.headers import HeaderList
from chat2response.wire.large_documents import is_large, run_in_thread_if

_SNIFF_LENGTH = 4096  # enough bytes to tell the kind of a body
_USUAL_TYPES = frozenset(
    {
        "application/json",
        "application/json; charset=utf-8",
        "text/event-stream",
        "text/event-stream; charset=utf-8",
    }
)


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


class HttpReply:
    """A Reply as an async context: entering sends the request, leaving closes the answer."""

    def __init__(
        self,
        transport: HttpTransport,
        target: Target,
        context: ClientContext,
        body: bytes | None,
        *,
        method: str = "POST",
        url: str = "",
    ) -> None:
        """`url`: by default the address of the target's calls."""
        self.status = 0
        self.headers: HeaderList = []
        self.finished = False
        self._transport = transport
        self._method = method
        self._url = url or target.url
        self._target = target
        self._context = context
        self._body = body
        self._secret: Secret | None = secret_of(target.api_key)
        self._kind: Kind | None = None
        self._response: HttpResponse

    async def __aenter__(self) -> "HttpReply":
        context = self._context
        headers = request_headers(self._target, context)
        response = self._response = await self._transport.open(
            self._method, self._url, headers, self._body, stall=context.stall
        )
        self._body = None  # sent; a stream may stay open for long
        self.status = response.status
        self.headers = forwarded_headers(response, self._secret)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._response.close(finished=self.finished)

    @property
    def media_type(self) -> str:
        """The upstream's content type, or the body's own kind if the type is missing or wrong."""
        content_type = self._response.header("content-type")
        if not content_type or (self._kind == "events" and "event-stream" not in content_type):
            content_type = "text/event-stream" if self._kind == "events" else "application/json"
        if self._secret is None or content_type in _USUAL_TYPES:
            return content_type
        return self._secret.remove_text(content_type)

    @property
    def claims_stream(self) -> bool | None:
        """Whether the content type is that of an event stream; None if there is none."""
        content_type = self._response.header("content-type")
        return "event-stream" in content_type if content_type else None

    def sniff(self, on_kind: OnKind) -> None:
        """Calls `on_kind` when the first bytes show what the body is: at once, if they have arrived."""

        def known(kind: Kind | None) -> None:
            self._kind = kind
            on_kind(kind)

        self._response.push(KindSniffer(self._response, known))

    def push(self, receiver: Receiver, slice_size: int = SLICE) -> None:
        """Passes the body, without the gateway's key, to `receiver` as it arrives."""
        response = self._response
        if self._secret is not None:
            receiver = SecretRemover(response, self._secret, receiver)
        response.push(receiver, slice_size)

    def pause(self) -> None:
        """Passes nothing on until `resume`."""
        self._response.pause()

    def resume(self) -> None:
        """Continues after `pause`."""
        self._response.resume()

    async def read(self, limit: int = MAX_BODY) -> bytes:
        """The whole body."""
        body = await self._response.read(limit)
        self._kind = sniff_content(body[:_SNIFF_LENGTH], ended=True) or "other"
        if self._secret is None:
            return body
        return await run_in_thread_if(is_large(body), self._secret.remove, body)

    def stop(self, fault: Fault) -> None:
        """Ends the answer now."""
        self._response.stop(fault)
