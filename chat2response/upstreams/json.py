"""JSON answers over the transport: one request, one decoded body."""

from typing import Any

from chat2response.errors import UpstreamError
from chat2response.net.transport import Transport
from chat2response.upstreams.base import HeaderList, Origin, Target
from chat2response.upstreams.http import request_headers
from chat2response.upstreams.refusals import passed_headers, refusal
from chat2response.wire.json import JSONError, decode


async def fetch(
    transport: Transport, url: str, target: Target, origin: Origin, body: bytes
) -> tuple[int, HeaderList, Any]:
    """Status, headers for the client, decoded body. Raises UpstreamError where that is no answer."""
    exchange = await transport.open("POST", url, request_headers(target, origin), body)
    try:
        if exchange.status >= 300:
            raise await refusal(exchange, target)
        answer = await exchange.read()
        headers = passed_headers(exchange)
    finally:
        await exchange.close()
    try:
        return exchange.status, headers, decode(answer)
    except JSONError as error:
        raise UpstreamError("The upstream's answer cannot be read.", internal=str(error)) from None


async def fetch_models(transport: Transport, target: Target, origin: Origin) -> bytes:
    """`GET {base}/models`, the bytes as they are. Raises UpstreamError."""
    exchange = await transport.open("GET", f"{target.base_url}/models", request_headers(target, origin))
    try:
        if exchange.status >= 300:
            raise await refusal(exchange, target)
        return await exchange.read()
    finally:
        await exchange.close()
