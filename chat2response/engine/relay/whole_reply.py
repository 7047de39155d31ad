"""Reads the whole answer of a relayed call, and tells an answer from an error that must not be relayed."""

import re

from chat2response.convert.errors.upstream_errors import read_upstream_error
from chat2response.engine.ownership import Ownership
from chat2response.engine.relay.masking import masked
from chat2response.errors import UpstreamError
from chat2response.upstreams.base import Reply, Target
from chat2response.upstreams.error_responses import refusal_error
from chat2response.upstreams.whole_answers import check_answer
from chat2response.wire.json import JSONError, decode
from chat2response.wire.large_documents import is_large, run_in_thread, run_in_thread_if
from chat2response.wire.values import Struct

_OPENS_WITH_ERROR = re.compile(rb'\s*\{\s*"error"\s*:\s*[{"]')
_OPENS_OBJECT = re.compile(rb"[ \t\r\n]*+\{")


class WholeReply(Struct):
    """An answer whose whole body has been read."""

    body: bytes
    media_type: str


async def read_whole_reply(reply: Reply, target: Target, ownership: Ownership, *, stored: bool) -> WholeReply:
    """Reads a JSON answer or an error and records the owner of its ids; its bytes stay unchanged.

    Raises UpstreamError for an error that must not be relayed: a rejected gateway key, a shape that OpenAI
    clients cannot read, a missing endpoint, or an error with status 200, which an SDK would take for an empty
    answer.
    """
    body = await reply.read()
    large = is_large(body)
    if large:
        await check_answer(body)
    if reply.status >= 300:
        return await run_in_thread_if(large, _read_refusal, body, reply, target)
    error = await run_in_thread(error_as_answer, body) if large else error_as_answer(body)
    if error is not None:
        raise error
    if not _OPENS_OBJECT.match(body):  # an unexpected stream or plain text: no answer of either API
        return WholeReply(await run_in_thread_if(large, masked, body, target), reply.media_type)
    await ownership.record_body(body, stored=stored)
    return WholeReply(body, reply.media_type)


def _read_refusal(body: bytes, reply: Reply, target: Target) -> WholeReply:
    key_rejected = target.managed and reply.status in (401, 403)
    error = refusal_error(body, reply.status, reply.headers, target)
    if not key_rejected and reply.status >= 400 and not error.no_endpoint and _is_error_object(body):
        return WholeReply(masked(body, target), reply.media_type)
    raise error


def error_as_answer(body: bytes) -> UpstreamError | None:
    """The error in a body with status 200, if it is one. A failed response is an answer."""
    if not _OPENS_WITH_ERROR.match(body):
        return None  # avoids decoding ordinary answers
    try:
        value = decode(body)
    except JSONError:
        return None
    return None if value.get("object") == "response" else read_upstream_error(value)


def _is_error_object(body: bytes) -> bool:
    try:
        value = decode(body)
    except JSONError:
        return False
    return type(value) is dict and type(value.get("error")) is dict
