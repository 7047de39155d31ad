"""Fetches JSON answers over the transport: one request, one decoded body."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chat2response.convert.size_limit import MAX_OUTPUT
from chat2response.net.transport import HttpTransport
from chat2response.observe.secrets import secret_of
from chat2response.upstreams.base import ClientContext, HeaderList, Target
from chat2response.upstreams.error_responses import forwarded_headers, read_refusal
from chat2response.upstreams.http_stream import request_headers
from chat2response.upstreams.whole_answers import decode_answer
from chat2response.wire.content_sniffing import sniff_content
from chat2response.wire.json_repair import Repair
from chat2response.wire.large_documents import is_large, run_in_thread_if

_SNIFF_LENGTH = 4096  # enough bytes to tell the kind of a body


class EventStreamBody(bytes):
    """The body of a stream that a server sent in place of JSON."""


@dataclass(slots=True)
class Document:
    """A decoded JSON body, and the repairs that it needed."""

    value: Any
    repairs: Sequence[Repair] = ()


async def fetch(
    transport: HttpTransport,
    url: str,
    target: Target,
    context: ClientContext,
    body: bytes,
    max_output: int = MAX_OUTPUT,
) -> tuple[int, HeaderList, Document | EventStreamBody, bool]:
    """The status, the headers for the client, the body, and whether it is large.

    A stream in place of JSON is returned as an `EventStreamBody`. Raises UpstreamError for anything else, and
    for more than `max_output` bytes.
    """
    response = await transport.open("POST", url, request_headers(target, context), body)
    try:
        if response.status >= 300:
            raise await read_refusal(response, target)
        secret = secret_of(target.api_key)
        answer = await response.read()
        large = is_large(answer)
        answer = answer if secret is None else await run_in_thread_if(large, secret.remove, answer)
        headers = forwarded_headers(response, secret)
    finally:
        await response.close()
    if sniff_content(answer[:_SNIFF_LENGTH], ended=True) == "events":
        return response.status, headers, EventStreamBody(answer), large
    return response.status, headers, Document(*await decode_answer(answer, max_output)), large


async def fetch_models(transport: HttpTransport, target: Target, context: ClientContext) -> bytes:
    """`GET {base}/models`, unchanged. Raises UpstreamError."""
    response = await transport.open("GET", f"{target.base_url}/models", request_headers(target, context))
    try:
        if response.status >= 300:
            raise await read_refusal(response, target)
        secret, answer = secret_of(target.api_key), await response.read()
        return answer if secret is None else secret.remove(answer)
    finally:
        await response.close()
