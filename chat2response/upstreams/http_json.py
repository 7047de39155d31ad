"""JSON answers over the transport: one request, one decoded body."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chat2response.convert.size_limit import MAX_OUTPUT
from chat2response.net.transport import Transport
from chat2response.observe.secrets import secret_of
from chat2response.upstreams.base import ClientContext, HeaderList, Target
from chat2response.upstreams.http_stream import request_headers
from chat2response.upstreams.upstream_refusals import forwarded_headers, read_refusal
from chat2response.upstreams.whole_answers import decode_answer
from chat2response.wire.content_sniffing import kind_of
from chat2response.wire.json_repair import Repair
from chat2response.wire.large_documents import apart_if, is_large

_SNIFF_LENGTH = 4096  # bytes that tell what a body is


class EventStreamBody(bytes):
    """A whole stream, from a server that was asked for JSON."""


@dataclass(slots=True)
class Document:
    """JSON, decoded, and what was mended in it."""

    value: Any
    repairs: Sequence[Repair] = ()


async def fetch(
    transport: Transport,
    url: str,
    target: Target,
    context: ClientContext,
    body: bytes,
    max_output: int = MAX_OUTPUT,
) -> tuple[int, HeaderList, Document | EventStreamBody, bool]:
    """Status, headers for the client, the body, and whether that is large.

    A body that is a stream, unasked, stays as it is: an `Events`.
    Raises UpstreamError where it is no answer, or more than `most` bytes of one.
    """
    exchange = await transport.open("POST", url, request_headers(target, context), body)
    try:
        if exchange.status >= 300:
            raise await read_refusal(exchange, target)
        secret = secret_of(target.api_key)
        answer = await exchange.read()
        large = is_large(answer)
        answer = answer if secret is None else await apart_if(large, secret.remove, answer)
        headers = forwarded_headers(exchange, secret)
    finally:
        await exchange.close()
    if kind_of(answer[:_SNIFF_LENGTH], ended=True) == "events":
        return exchange.status, headers, EventStreamBody(answer), large
    return exchange.status, headers, Document(*await decode_answer(answer, max_output)), large


async def fetch_models(transport: Transport, target: Target, context: ClientContext) -> bytes:
    """`GET {base}/models`, the bytes as they are. Raises UpstreamError."""
    exchange = await transport.open("GET", f"{target.base_url}/models", request_headers(target, context))
    try:
        if exchange.status >= 300:
            raise await read_refusal(exchange, target)
        secret, answer = secret_of(target.api_key), await exchange.read()
        return answer if secret is None else secret.remove(answer)
    finally:
        await exchange.close()
