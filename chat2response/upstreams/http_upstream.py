"""`HttpUpstream`: servers over HTTP as upstreams, whatever their dialect."""

from chat2response.net.transport import HttpTransport
from chat2response.upstreams.base import ClientContext, Target
from chat2response.upstreams.error_responses import refusal_of
from chat2response.upstreams.http_reply import HttpReply


class HttpUpstream:
    """Sends requests over one transport."""

    def __init__(self, transport: HttpTransport) -> None:
        self._transport = transport

    def send(self, body: bytes, target: Target, context: ClientContext) -> HttpReply:
        """The answer, once it is entered."""
        return HttpReply(self._transport, target, context, body)

    async def models(self, target: Target, context: ClientContext) -> bytes:
        """`GET {base}/models`, unchanged. Raises UpstreamError."""
        url = f"{target.base_url}/models"
        async with HttpReply(self._transport, target, context, None, method="GET", url=url) as reply:
            if reply.status >= 300:
                raise await refusal_of(reply, target)
            return await reply.read()
