"""Properties of every stream: law 1 (one terminal event), law 3 (chunking must not matter), round trips.

Streams are made by machines of hypothesis: sensible ones (what a model may say, however a backend splits
it), and garbage of two kinds (bytes, and JSON with anything anywhere).
"""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from chat2response.convert.dialects.chat.answer.stream_encoder import ChatEncoder
from chat2response.convert.dialects.chat.answer.whole_answer import as_chunk, read_response, write_response
from chat2response.convert.dialects.chat.request.request_fields_in import LOGPROBS
from chat2response.convert.dialects.responses.answer.stream_reader import ResponsesReader
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.event_feed import EventFeed
from chat2response.convert.hub import HubRequest
from chat2response.convert.library.streams import ChatToResponses, ResponsesToChat
from chat2response.convert.losses import Losses
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.wire.fault import RESET
from chat2response.wire.json import encode
from tests.support import openai_sdk
from tests.support.upstream_streams import (
    CHAT_STREAMS,
    DONE,
    RESPONSES_STREAMS,
    Numbered,
    chat,
    checked_chunks,
    chunk,
    citation,
    deltas,
    named,
    now,
    pieces,
    response_of,
    sse,
    to_chunks,
    to_events,
    token,
    usage_chunk,
)

FORMS = st.sampled_from(["content", "summary", "hide"])
FAULTS = st.sampled_from([None, RESET])
CUTS = st.lists(st.integers(0, 3000), max_size=20)

# -- garbage ------------------------------------------------------------------------------------------

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(
        ["stop", "error", "text", "function", "output_text", "message", "url_citation", "{}", "call_1"]
    )
)
JUNK = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["type", "text", "id", "name", "arguments", "content", "thinking", "url", "token", "bytes"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


def maybe(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with some of these fields, each valid or not."""
    return st.fixed_dictionaries({}, optional={name: value | JUNK for name, value in fields.items()})


FUNCTION = maybe(name=st.sampled_from(["f", "g"]), arguments=st.sampled_from(['{"a":', "1}", "{}", ""]))
CALL = maybe(
    index=st.integers(0, 2), id=st.sampled_from(["a", "b", ""]), type=st.just("function"), function=FUNCTION
)
TOKEN = maybe(
    token=st.text(max_size=3), logprob=st.floats(-9, 0), bytes=st.just([97]), top_logprobs=st.just([])
)
CONTENT = maybe(
    type=st.sampled_from(["text", "refusal", "thinking", "reasoning", "image_url"]),
    text=st.text(max_size=5),
    refusal=st.text(max_size=5),
    thinking=st.just([{"type": "text", "text": "hm"}]),
)
DELTA = maybe(
    role=st.just("assistant"),
    content=st.text(max_size=5) | st.lists(CONTENT, max_size=3),
    reasoning_content=st.text(max_size=5),
    reasoning=st.text(max_size=5),
    reasoning_details=st.just([{"text": "hm"}]),
    refusal=st.text(max_size=5),
    tool_calls=st.lists(CALL, max_size=3),
    function_call=FUNCTION,
    annotations=st.just([citation(0, 1)]),
    audio=st.just({"id": "x"}),
)
CHOICE = maybe(
    index=st.integers(0, 1),
    delta=DELTA,
    finish_reason=st.sampled_from([None, "stop", "length", "tool_calls"]),
    logprobs=maybe(content=st.lists(TOKEN, max_size=2)),
    usage=st.just({"prompt_tokens": 1}),
)
CHUNK = maybe(
    choices=st.lists(CHOICE, max_size=2),
    usage=maybe(prompt_tokens=st.integers(0, 5), prompt_tokens_details=st.just({})),
    service_tier=st.sampled_from(["default", "flex"]),
    x_groq=JUNK,
)
ODD_FRAMES = st.sampled_from(
    [
        b"",
        DONE,
        b": ping\n\n",
        b"data: {\n\n",
        b"data:\n\n",
        b"\xff\xfe\n\n",
        b'data: {"error":{"code":"x"}}\n\n',
    ]
)


@st.composite
def frames(draw: st.DrawFn, payload: st.SearchStrategy[Any]) -> bytes:
    """Payloads as frames, with a few odd ones among them."""
    out = b""
    for each in draw(st.lists(payload, max_size=6)):
        out += b"data: " + encode(each) + b"\n\n"
        out += draw(ODD_FRAMES) if draw(st.integers(0, 9)) == 0 else b""
    return out + draw(st.sampled_from([b"", DONE]))


PART = maybe(
    type=st.sampled_from(["output_text", "refusal", "reasoning_text", "summary_text"]),
    text=st.text(max_size=5),
    refusal=st.text(max_size=5),
    annotations=st.just([{"type": "url_citation", "url": "u"}]),
    logprobs=st.lists(TOKEN, max_size=2),
)
ITEM = maybe(
    id=st.sampled_from(["i", "j", ""]),
    type=st.sampled_from(["message", "reasoning", "function_call", "compaction"]),
    status=st.sampled_from(["completed", "incomplete", "in_progress"]),
    content=st.lists(PART, max_size=2),
    summary=st.lists(PART, max_size=2),
    encrypted_content=st.text(max_size=3),
    call_id=st.sampled_from(["a", "b"]),
    name=st.sampled_from(["f", "g"]),
    arguments=st.sampled_from(["{}", '{"a":1}']),
)
EVENT_TYPES = sorted({event["type"] for stream in RESPONSES_STREAMS.values() for event in stream})
EVENT = maybe(
    type=st.sampled_from([*EVENT_TYPES, "error", "response.reasoning.delta", "response.cancelled"]),
    output_index=st.integers(0, 2),
    content_index=st.integers(0, 1),
    summary_index=st.integers(0, 1),
    item_id=st.sampled_from(["i", "j"]),
    delta=st.sampled_from(["a", '{"a":', "1}", ""]),
    text=st.text(max_size=5),
    arguments=st.sampled_from(["{}", '{"a":1}']),
    item=ITEM,
    part=PART,
    annotation=st.just({"type": "url_citation", "url": "u"}),
    response=maybe(
        status=st.sampled_from(["completed", "incomplete", "failed"]),
        output=st.lists(ITEM, max_size=3),
        usage=st.just({"input_tokens": 1}),
        error=st.none(),
    ),
)


@given(st.binary(max_size=200), CUTS, FAULTS)
def test_row_1_bytes_of_any_kind_have_one_end(data: bytes, cuts: list[int], fault: Any):
    assert to_events(pieces(data, cuts), fault=fault)[-1]["type"] == "response.failed"
    assert "error" in to_chunks(pieces(data, cuts), fault=fault)[-1]


@given(st.sampled_from(sorted(CHAT_STREAMS)), st.integers(0, 2500), st.binary(min_size=1, max_size=6))
def test_a_stream_with_bytes_that_do_not_belong_has_one_end(name: str, at: int, intruder: bytes):
    data = sse(CHAT_STREAMS[name])
    to_events(data[:at] + intruder + data[at:])
    data = named(RESPONSES_STREAMS[sorted(RESPONSES_STREAMS)[at % len(RESPONSES_STREAMS)]])
    to_chunks(data[:at] + intruder + data[at:])


@settings(max_examples=300)
@given(frames(CHUNK), CUTS, FAULTS, FORMS)
def test_row_23_anything_anywhere_in_a_chunk_has_one_end(data: bytes, cuts: list[int], fault: Any, form: Any):
    reads = pieces(data, cuts)
    whole = to_events(data, fault=fault, reasoning=form)
    assert to_events(reads, fault=fault, reasoning=form) == whole


@settings(max_examples=300)
@given(frames(EVENT), CUTS, FAULTS)
def test_row_23_anything_anywhere_in_an_event_has_one_end(data: bytes, cuts: list[int], fault: Any):
    assert to_chunks(pieces(data, cuts), fault=fault) == to_chunks(data, fault=fault)


# -- sensible answers ---------------------------------------------------------------------------------

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=12)
ARGUMENTS = st.dictionaries(WORDS, WORDS | st.integers() | st.just({"deep": [{}]}), max_size=2).map(
    lambda value: encode(value).decode()
)


@st.composite
def messages(draw: st.DrawFn) -> dict[str, Any]:
    """An assistant message of a completion."""
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    if draw(st.booleans()):
        message["reasoning_content"] = draw(WORDS)
    if draw(st.booleans()):
        message["content"] = draw(WORDS)
    if draw(st.integers(0, 4)) == 0:
        message["refusal"] = draw(WORDS)
    if message["content"] and draw(st.integers(0, 3)) == 0:
        message["annotations"] = [citation(0, len(message["content"]))]
    names = draw(st.lists(st.sampled_from(["f", "g"]), max_size=3))
    if names:
        message["tool_calls"] = [
            {
                "id": f"call_{n}",
                "type": "function",
                "function": {"name": name, "arguments": draw(ARGUMENTS | st.just(""))},
            }
            for n, name in enumerate(names)
        ]
    return message


@st.composite
def split(draw: st.DrawFn, text: str) -> list[str]:
    """The text in pieces, some of them empty."""
    at = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[start:end] for start, end in zip([0, *at], [*at, len(text)], strict=True)]


@st.composite
def streamed(draw: st.DrawFn, message: dict[str, Any]) -> list[dict[str, Any]]:
    """The deltas of `message`, split and interleaved as a backend might send them."""
    parts: list[dict[str, Any]] = []
    for field in ("reasoning_content", "content"):
        parts += [{field: piece} for piece in draw(split(message.get(field) or ""))]
    parts += [{"annotations": [each]} for each in message.get("annotations", ())]
    parts += [{"refusal": piece} for piece in draw(split(message.get("refusal") or ""))]
    style = draw(st.sampled_from(["plain", "no index", "every id", "whole"]))
    calls = [draw(called(number, each, style)) for number, each in enumerate(message.get("tool_calls", ()))]
    if style == "plain" and draw(st.booleans()):
        openings, rests = [call[0] for call in calls], [call[1:] for call in calls]
        parts += openings
        while any(rests):
            parts.append(draw(st.sampled_from([rest for rest in rests if rest])).pop(0))
    else:
        parts += [delta for call in calls for delta in call]
    nothing: list[dict[str, Any]] = [{}, {"content": ""}, {"content": None, "tool_calls": None}]
    chunks = []
    for delta in parts:
        chunks += [chunk(delta), *([chunk(draw(st.sampled_from(nothing)))] if draw(st.booleans()) else [])]
    return chunks


@st.composite
def called(draw: st.DrawFn, number: int, call: dict[str, Any], style: str) -> list[dict[str, Any]]:
    function = call["function"]
    place = {} if style == "no index" else {"index": number}
    if style == "whole":
        return [{"tool_calls": [{**place, **call}]}]
    again = {"id": call["id"]} if style == "every id" else {}
    opening = {
        **place,
        "id": call["id"],
        "type": "function",
        "function": {"name": function["name"], "arguments": ""},
    }
    rest = [
        {**place, **again, "function": {"arguments": piece}} for piece in draw(split(function["arguments"]))
    ]
    return [{"tool_calls": [each]} for each in (opening, *rest)]


FINISHES = st.sampled_from(["stop", "length", "content_filter", "tool_calls"])


@st.composite
def answers(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A completion, and the equivalent chunk stream."""
    message, finish = draw(messages()), draw(FINISHES)
    usage = draw(st.none() | st.just({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}))
    tier = draw(st.none() | st.just("flex"))
    completion = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "up",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
        "usage": usage,
        "service_tier": tier,
    }
    stream = chat(*draw(streamed(message)), finish=finish, role=draw(st.booleans()))
    if usage:
        stream.append(usage_chunk(usage))
    if tier:
        stream[0]["service_tier"] = tier
    return completion, stream


@given(answers(), CUTS, FORMS)
def test_row_56_a_completion_is_the_fold_of_its_stream(answer: Any, cuts: list[int], form: Any):
    """The result depends neither on how deltas are split nor on how reads are cut."""
    completion, stream = answer
    echo = EchoedFields.of(HubRequest(body={"model": "m"}, dialect="responses"))
    whole = read_response(completion, echo, Numbered(), now, reasoning=form)
    assert response_of(to_events(pieces(sse(stream), cuts), reasoning=form)) == whole
    assert response_of(to_events(sse([as_chunk(completion)]), reasoning=form)) == whole


# -- the deprecated form of calls ---------------------------------------------------------------------


@st.composite
def legacy_answers(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A completion and its stream with at most one call, in the deprecated form `function_call`."""
    message = draw(messages())
    called = message.pop("tool_calls", [])[:1]
    parts = draw(streamed(message))
    for call in called:
        function = message["function_call"] = call["function"]
        whole = draw(st.booleans())
        pieces_ = [function["arguments"]] if whole else draw(split(function["arguments"]))
        head = {"name": function["name"], "arguments": pieces_[0]}
        parts += [chunk({"function_call": each}) for each in (head, *({"arguments": p} for p in pieces_[1:]))]
    finish = draw(FINISHES)
    finish = "function_call" if finish == "tool_calls" else finish
    completion = {
        "id": "x",
        "object": "chat.completion",
        "created": 1,
        "model": "up",
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
    }
    return completion, chat(*parts, finish=finish, role=draw(st.booleans()))


@given(legacy_answers(), CUTS, FORMS)
def test_row_56_a_legacy_completion_is_the_fold_of_its_stream(answer: Any, cuts: list[int], form: Any):
    """Row 56: answers of old backends, whole and streamed."""
    completion, stream = answer
    echo = EchoedFields.of(HubRequest(body={"model": "m"}, dialect="responses"))
    whole = read_response(completion, echo, Numbered(), now, reasoning=form)
    assert response_of(to_events(pieces(sse(stream), cuts), reasoning=form)) == whole
    assert response_of(to_events(sse([as_chunk(completion)]), reasoning=form)) == whole


@given(answers() | legacy_answers(), CUTS)
def test_row_56_the_chunks_of_a_response_add_up_to_its_legacy_completion(answer: Any, cuts: list[int]):
    """Row 56: answers to old clients, whole and streamed, and their losses."""
    _, stream = answer
    events = to_events(sse(stream))
    lost = Losses()
    whole: Any = write_response(response_of(events), losses=lost, legacy=True)["choices"][0]
    chunks, losses = legacy_chunks(pieces(named(events), cuts))
    summed = openai_sdk.added_up(chunks)["choices"][0]
    assert visible(summed["message"]) == visible(whole["message"])
    assert summed["finish_reason"] == whole["finish_reason"]
    assert "tool_calls" not in visible(whole["message"])
    assert list(losses) == list(lost)


@given(legacy_answers(), CUTS)
def test_row_56_a_legacy_answer_comes_back_as_it_was(answer: Any, cuts: list[int]):
    completion, stream = answer
    chunks, losses = legacy_chunks(pieces(named(to_events(sse(stream))), cuts))
    sent, back = completion["choices"][0], openai_sdk.added_up(chunks)["choices"][0]
    assert visible(back["message"]) == visible(sent["message"])
    ends = {"length": "length", "content_filter": "content_filter"}
    called = "function_call" if sent["message"].get("function_call") else "stop"
    assert back["finish_reason"] == ends.get(sent["finish_reason"], called)
    assert not losses


def legacy_chunks(reads: list[bytes]) -> tuple[list[dict[str, Any]], Losses]:
    """A Responses stream for a client that sent `functions`."""
    writer = ResponseWriter(EchoedFields.of(HubRequest(body={"model": "m"}, dialect="chat")), Numbered(), now)
    reader, encoder = EventFeed(ResponsesReader(writer)), ChatEncoder(legacy=True, losses=writer.losses)
    writer.begin()
    output = b""
    for read in reads:
        reader.feed(read)
        output += encoder.encode(writer.take())
    reader.close()
    writer.finish()
    return checked_chunks(output + encoder.encode(writer.take())), writer.losses


@given(answers(), CUTS)
def test_face_to_face_the_answer_comes_back(answer: Any, cuts: list[int]):
    completion, stream = answer
    sent = completion["choices"][0]
    back = openai_sdk.added_up(face_to_face(pieces(sse(stream), cuts)))["choices"][0]
    assert visible(back["message"]) == visible(sent["message"])
    called = bool(sent["message"].get("tool_calls"))
    ends = {"length": "length", "content_filter": "content_filter"}
    assert back["finish_reason"] == ends.get(sent["finish_reason"], "tool_calls" if called else "stop")


@given(answers())
def test_the_canonical_form_is_a_form_of_its_own(answer: Any):
    """Reading it again gives the same deltas. Reasoning is one block here, so no blank lines are added."""
    _, stream = answer
    once = face_to_face([sse(stream)])
    assert deltas(face_to_face([sse(once)])) == deltas(once)


@given(answers())
def test_row_56_the_chunks_of_a_response_add_up_to_its_completion(answer: Any):
    completion, _ = answer
    echo = EchoedFields.of(HubRequest(body={"model": "m"}, dialect="responses"))
    response = read_response(completion, echo, Numbered(), now)
    event = {"type": f"response.{response['status']}", "response": response}
    summed = openai_sdk.added_up(to_chunks(named([event])))["choices"][0]
    whole: Any = write_response(response)["choices"][0]
    assert visible(summed["message"]) == visible(whole["message"])
    assert summed["finish_reason"] == whole["finish_reason"]


@given(st.lists(WORDS, min_size=1, max_size=8), CUTS)
def test_one_delta_stays_one_event_with_its_tokens(words: list[str], cuts: list[int]):
    stream = [chunk({"content": word}, logprobs={"content": [token(word)]}) for word in words]
    events = to_events(pieces(sse(chat(*stream)), cuts))
    text_deltas = [
        (event["delta"], event["logprobs"])
        for event in events
        if event["type"] == "response.output_text.delta"
    ]
    assert text_deltas == [(word, [token(word)]) for word in words]
    chunks = face_to_face(pieces(sse(chat(*stream)), cuts))
    assert [each["content"] for each in deltas(chunks)] == words


def face_to_face(reads: list[bytes]) -> list[dict[str, Any]]:
    there = ChatToResponses({"model": "m", "include": [LOGPROBS]}, ids=Numbered(), clock=now)
    back = ResponsesToChat(model="m", include_usage=True, logprobs=True, ids=Numbered(), clock=now)
    output = b"".join([back.feed(there.feed(read)) for read in reads])
    return checked_chunks(output + back.feed(there.close()) + back.close())


def visible(message: dict[str, Any]) -> dict[str, Any]:
    """The non-empty content; blank arguments become an empty object."""
    shown = {key: value for key, value in message.items() if value}
    if calls := shown.get("tool_calls"):
        shown["tool_calls"] = [{**call, "function": filled(call["function"])} for call in calls]
    if called := shown.get("function_call"):
        shown["function_call"] = filled(called)
    return shown


def filled(function: dict[str, Any]) -> dict[str, Any]:
    return {**function, "arguments": function["arguments"] or "{}"}
