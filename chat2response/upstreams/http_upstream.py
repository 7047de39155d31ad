"""`HttpUpstream`: servers over HTTP as upstreams, whatever their dialect."""

from chat2response.net.transport import HttpTransport
from chat2response.observe.secrets import secret_of
from chat2response.upstreams.base import ClientContext, Target
from chat2response.upstreams.error_responses import read_refusal
from chat2response.upstreams.http_reply import HttpReply, request_headers


class HttpUpstream:
    """Sends every body as a POST over one transport."""

    def __init__(self, transport: HttpTransport) -> None:
        self._transport = transport

    def send(self, body: bytes, target: Target, context: ClientContext) -> HttpReply:
        """The answer, once it is entered."""
        return HttpReply(self._transport, target, context, body)

    async def models(self, target: Target, context: ClientContext) -> bytes:
        """`GET {base}/models`, unchanged. Raises UpstreamError."""
        url = f"{target.base_url}/models"
        response = await self._transport.open("GET", url, request_headers(target, context))
        try:
            if response.status >= 300:
                raise await read_refusal(response, target)
            secret, answer = secret_of(target.api_key), await response.read()
            return answer if secret is None else secret.remove(answer)
        finally:
            await response.close()
