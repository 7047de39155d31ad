"""JSON answers over the transport: one request, one decoded body."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chat2response.convert.size_limit import MAX_OUTPUT
from chat2response.net.transport import Transport
from chat2response.observe.secrets import secret_of
from chat2response.upstreams.base import HeaderList, Origin, Target
from chat2response.upstreams.http_stream import request_headers
from chat2response.upstreams.upstream_refusals import passed_headers, refusal
from chat2response.upstreams.whole_answers import decoded
from chat2response.wire.content_sniffing import sniff_content
from chat2response.wire.json_repair import Repair
from chat2response.wire.large_documents import is_large, run_in_thread_if

_START = 4096  # bytes that tell what a body is


class Events(bytes):
    """A whole stream, from a server that was asked for JSON."""


@dataclass(slots=True)
class Document:
    """JSON, decoded, and what was mended in it."""

    value: Any
    repairs: Sequence[Repair] = ()


async def fetch(
    transport: Transport, url: str, target: Target, origin: Origin, body: bytes, most: int = MAX_OUTPUT
) -> tuple[int, HeaderList, Document | Events, bool]:
    """Status, headers for the client, the body, and whether that is large.

    A body that is a stream, unasked, stays as it is: an `Events`.
    Raises UpstreamError where it is no answer, or more than `most` bytes of one.
    """
    exchange = await transport.open("POST", url, request_headers(target, origin), body)
    try:
        if exchange.status >= 300:
            raise await refusal(exchange, target)
        secret = secret_of(target.api_key)
        answer = await exchange.read()
        large = is_large(answer)
        answer = answer if secret is None else await run_in_thread_if(large, secret.remove, answer)
        headers = passed_headers(exchange, secret)
    finally:
        await exchange.close()
    if sniff_content(answer[:_START], ended=True) == "events":
        return exchange.status, headers, Events(answer), large
    return exchange.status, headers, Document(*await decoded(answer, most)), large


async def fetch_models(transport: Transport, target: Target, origin: Origin) -> bytes:
    """`GET {base}/models`, the bytes as they are. Raises UpstreamError."""
    exchange = await transport.open("GET", f"{target.base_url}/models", request_headers(target, origin))
    try:
        if exchange.status >= 300:
            raise await refusal(exchange, target)
        secret, answer = secret_of(target.api_key), await exchange.read()
        return answer if secret is None else secret.remove(answer)
    finally:
        await exchange.close()
