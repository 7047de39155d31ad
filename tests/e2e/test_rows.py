"""Rows of `docs/pitfalls.md` for every pair of APIs, whole and streamed."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from tests.e2e.conftest import Start
from tests.support.e2e.client_calls import QUESTION, Surface, ask, expected
from tests.support.e2e.dialect_pairs import (
    PATH,
    Reading,
    body_for,
    converted_way,
    every_way,
    failure_of,
    json_or_stream,
    post,
)
from tests.support.e2e.scripted_model import PATHS, Call, ModelReply, frames, refused, speaking, sse, stream
from tests.support.e2e.sse_streams import events_of, last_response
from tests.support.open_responses import check_response
from tests.support.scripted_upstream import ScriptedUpstream
from tests.support.stream_grammar import validate_response

REPLY = ModelReply(reasoning=("I think.",), text=("Hello", ", you", " there."))
FULL = ModelReply(reasoning=("Hm.",), text=("Look",), calls=(Call("f", id="call_a"), Call("g", id="call_b")))
CUT_SHORT = (ModelReply(text=("Cut o",), ended="length"), ModelReply(text=("Some",), ended="content_filter"))
CITED = ModelReply(text=("wörld € ", "𝄞 there."), citation="https://example.com/a")


async def _assert_received(
    start: Start,
    upstream: ScriptedUpstream,
    surface: Surface,
    dialect: str,
    streamed: bool,
    *replies: ModelReply,
) -> None:
    """Each reply reaches the client unchanged."""
    gateway = await start(dialect)
    relayed = dialect == ("chat" if surface == "chat" else "responses")
    for reply in replies:
        upstream.play_for(PATHS[dialect], speaking(dialect, reply))
        answer = await ask(gateway, surface, streamed=streamed, logprobs=reply.logprobs)
        assert answer == expected(reply, relayed=relayed)


@converted_way
async def test_row_15_a_failure_is_the_last_event_with_the_streams_id_and_the_next_number(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    """Row 15: `response.failed` alone for a Responses client, an error chunk and no finish for Chat's."""
    error = b'data: {"error": {"message": "It broke.", "code": "rate_limit_exceeded"}}\n\n'
    begun = [step for step in stream(dialect, REPLY).steps if isinstance(step, bytes)][:5]
    upstream.play(frames(dialect, *begun, error, b"data: [DONE]\n\n"))
    gateway = await start(dialect)

    data = (await post(gateway, surface, streamed=True)).content

    result = failure_of(surface, data)
    assert (result["code"], result["message"]) == ("rate_limit_exceeded", "It broke.")
    if surface == "chat":
        return
    events = events_of(data)
    assert [event["type"] for event in events].count("error") == 0
    assert events[-1]["sequence_number"] == len(events) - 1
    assert events[-1]["response"]["id"] == events[0]["response"]["id"]


@json_or_stream
@every_way
async def test_row_16_no_head_before_the_upstreams(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    """Row 16: the client gets no byte before the upstream's status is known."""
    answered = asyncio.Event()
    error = {"message": "Slower.", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    upstream.play(refused(dialect, 429, error).but(before=answered))
    gateway = await start(dialect, hold=0.01)

    body = json.dumps(body_for(surface, streamed=streamed)).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    head = f"POST {PATH[surface]} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {gateway.key}\r\n"
    writer.write(f"{head}connection: close\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
    await upstream.wait_for_request()
    first = asyncio.ensure_future(reader.read(1))
    done, _ = await asyncio.wait([first], timeout=0.05)  # five times what a head is held for
    assert not done

    answered.set()
    assert (await first + await reader.read()).startswith(b"HTTP/1.1 429 ")
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize("surface", ["responses", "proxy"])
async def test_row_24_every_event_is_numbered_and_every_resource_is_full(
    start: Start, upstream: ScriptedUpstream, surface: Surface
) -> None:
    """Row 24: 0, 1, 2 … on every event; the whole resource in `created`, `in_progress` and at the end."""
    upstream.play_for(PATHS["chat"], speaking("chat", FULL))
    gateway = await start("chat")

    events = events_of((await post(gateway, surface, streamed=True)).content)

    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    resources = [event["response"] for event in events if "response" in event]
    assert [each["status"] for each in resources] == ["in_progress", "in_progress", "completed"]
    assert len({frozenset(each) for each in resources}) == 1, "the same fields in each"
    for resource in resources:
        validate_response(resource)
        check_response(resource)


@json_or_stream
@every_way
async def test_row_27_what_was_cut_short_says_so(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    """Row 27: `length` and `content_filter` correspond to `incomplete` with its reason."""
    await _assert_received(start, upstream, surface, dialect, streamed, *CUT_SHORT)


@json_or_stream
@every_way
async def test_row_42_a_citation_is_heard_at_its_place(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    """Row 42: indexes count characters, not bytes or surrogates."""
    await _assert_received(start, upstream, surface, dialect, streamed, CITED)


async def test_row_42_a_citation_is_an_event_of_its_own(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play_for(PATHS["chat"], speaking("chat", CITED))
    gateway = await start("chat")
    data = (await post(gateway, "responses", streamed=True)).content
    added = [e for e in events_of(data) if e["type"] == "response.output_text.annotation.added"]
    (whole,) = last_response(data)["output"][0]["content"][0]["annotations"]
    assert [event["annotation"] for event in added] == [whole]
    assert (whole["url"], whole["start_index"], whole["end_index"]) == (CITED.citation, 0, 16)


@json_or_stream
@every_way
async def test_row_59_a_refusal_is_heard_as_one(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    reply = ModelReply(refusal=("I will ", "not."))
    await _assert_received(
        start, upstream, surface, dialect, streamed, reply, ModelReply(text=("Well. ",), refusal=("No.",))
    )


AUDIO: Mapping[str, Any] = {"modalities": ["text", "audio"], "audio": {"voice": "ash", "format": "wav"}}


@json_or_stream
async def test_row_59_audio_is_refused_by_name_but_where_both_sides_speak_chat(
    start: Start, upstream: ScriptedUpstream, streamed: bool
) -> None:
    upstream.play_for(PATHS["chat"], speaking("chat", REPLY))
    gateway = await start("responses")
    answer = await post(gateway, "chat", streamed=streamed, **AUDIO)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] in AUDIO

    gateway = await start("chat")
    assert (await post(gateway, "chat", streamed=streamed, **AUDIO)).status_code == 200
    assert AUDIO.items() <= upstream.last.json().items()


@pytest.mark.parametrize("surface", ["responses", "proxy"])
async def test_row_60_ids_and_order_are_those_that_were_announced(
    start: Start, upstream: ScriptedUpstream, surface: Surface
) -> None:
    """Row 60: the id of the response in all its resources; the items at the end as they were added."""
    upstream.play_for(PATHS["chat"], speaking("chat", FULL))
    gateway = await start("chat")
    events = events_of((await post(gateway, surface, streamed=True)).content)

    assert len({event["response"]["id"] for event in events if "response" in event}) == 1
    added = [
        (e["output_index"], e["item"]["id"]) for e in events if e["type"] == "response.output_item.added"
    ]
    last = [(at, item["id"]) for at, item in enumerate(events[-1]["response"]["output"])]
    assert added == last and len(last) == 4


@every_way
async def test_row_60_what_has_begun_is_never_asked_for_again(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str
) -> None:
    """Row 60: a response that breaks after its first text fails visibly."""
    begun = (
        sse(*REPLY.chunks(), done=False)[:3] if dialect == "chat" else sse(*REPLY.events(), done=False)[:7]
    )
    upstream.play(frames(dialect, *begun).but(end="reset"), stream(dialect, REPLY))
    gateway = await start(dialect)

    body = body_for(surface, streamed=True)
    async with gateway.http.stream("POST", PATH[surface], json=body) as answer:
        data = await Reading(answer).rest()

    assert failure_of(surface, data)["message"]
    assert len(upstream.requests) == 1
    assert QUESTION in json.dumps(upstream.last.json())


@json_or_stream
@every_way
async def test_row_55_logprobs_are_heard_by_who_asked_for_them(
    start: Start, upstream: ScriptedUpstream, surface: Surface, dialect: str, streamed: bool
) -> None:
    """Row 55: `include` corresponds to `logprobs`."""
    await _assert_received(
        start, upstream, surface, dialect, streamed, ModelReply(text=("A", "B"), logprobs=True)
    )


@json_or_stream
async def test_row_55_top_logprobs_alone_show_none(
    start: Start, upstream: ScriptedUpstream, streamed: bool
) -> None:
    """Row 55: as OpenAI's own: `include` says whether there are any, `top_logprobs` how many. Those that a
    backend sends unasked are not shown either."""
    reply = ModelReply(text=("A", "B"), logprobs=True)
    upstream.play_for(PATHS["chat"], speaking("chat", reply))
    gateway = await start("chat")

    answer = await post(gateway, "responses", streamed=streamed, top_logprobs=2)

    body = last_response(answer.content) if streamed else answer.json()
    assert body["top_logprobs"] == 2
    assert body["output"][0]["content"][0]["logprobs"] == []
    assert b'"logprob":' not in answer.content
    assert upstream.last.json().keys().isdisjoint({"logprobs", "top_logprobs"})
