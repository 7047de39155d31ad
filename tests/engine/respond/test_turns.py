"""A response of several turns: one writer, one end, summed usage, and errors at any turn."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.outcome import failed
from chat2response.convert.writer.call_delta import CallDelta
from chat2response.engine.call import JSON_TYPE, Answer
from chat2response.engine.respond.hub_call import hub_call
from chat2response.engine.respond.question import Question
from chat2response.engine.respond.respond import respond
from chat2response.engine.respond.turns import NextTurn
from chat2response.engine.respond.whole_answer import ask
from chat2response.engine.run import Run
from chat2response.errors import BridgeError, InvalidRequest, UpstreamError
from chat2response.stores.base import StoreDown
from chat2response.wire.fault import DRAINING, REVOKED, Fault
from chat2response.wire.json import decode, encode
from chat2response.wire.responses import Response
from tests.support.engine.fakes import FakeReply, FakeTurn, FakeUpstream, ends, events_of, says
from tests.support.engine.scene import BODIES, KEY, Scene, call_of, rest, whole
from tests.support.stream_grammar import assert_well_formed

JSON_REFUSAL = b'{"error":{"message":"Slow down.","type":"rate_limit_error","code":"rate_limit_exceeded"}}'


def thinks(text: str) -> Callable[[Any], None]:
    return lambda writer: writer.reasoning(text)


def calls(name: str, arguments: str) -> Callable[[Any], None]:
    """A step: the model calls a function, in the slot that every turn begins with."""
    return lambda writer: writer.call(CallDelta(0, name=name, delta=arguments))


def turn(number: int) -> FakeTurn:
    """A turn with reasoning, text and a call."""
    return FakeTurn(
        thinks(f"think {number}"), says(f"text {number}"), calls("look", f'{{"n":{number}}}'), ends()
    )


def again(times: int, seen: list[Any] | None = None) -> NextTurn:
    """Asks for `times` more turns; `seen` gets the number of output items before each."""
    left = times

    async def next_turn(response: Response) -> HubRequest | None:
        nonlocal left
        if seen is not None:
            seen.append(len(response["output"]))
        left -= 1
        return HubRequest({"model": "m", "input": f"again {left}"}, "responses") if left >= 0 else None

    return next_turn


def open_turns(
    scene: Scene, surface: str, answers: list[Any], next_turn: NextTurn, dialect: str = "chat", **fields: Any
) -> Run:
    """A call that takes several turns."""

    async def answer_call(run: Run) -> Answer:
        return await respond(run, await hub_call(run), next_turn)

    engine = scene.engine(FakeUpstream(answers), dialect)
    scene.opened += 1
    body = encode({**BODIES[surface], **fields})
    return Run(engine, call_of(surface, body, "key-1"), answer_call)


# -- streams -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [2, 3])
async def test_every_turn_adds_to_one_response(scene: Scene, count: int) -> None:
    seen: list[int] = []
    answers = [turn(number) for number in range(count)]
    _, out = await whole(open_turns(scene, "responses", answers, again(count - 1, seen), stream=True))
    *events, done = events_of(out)
    assert done == "[DONE]"
    response = assert_well_formed(events)
    kinds = [item["type"] for item in response["output"]]
    assert kinds == ["reasoning", "message", "function_call"] * count
    assert len({item["id"] for item in response["output"]}) == 3 * count
    assert len({item["call_id"] for item in response["output"] if "call_id" in item}) == count
    assert [item["arguments"] for item in response["output"] if "call_id" in item] == [
        f'{{"n":{number}}}' for number in range(count)
    ]
    assert response["usage"]["total_tokens"] == 5 * count
    assert [event["type"] for event in events if event["type"] == "response.completed"] == [
        "response.completed"
    ]
    assert seen == [3 * (number + 1) for number in range(count)]
    assert scene.outcomes == ["completed"]
    assert scene.upstream.left == count, "each answer is closed before the next is asked for"


async def test_a_chat_client_gets_the_turns_as_one_answer(scene: Scene) -> None:
    run = open_turns(scene, "chat", [turn(0), turn(1)], again(1), "responses", stream=True)
    _, out = await whole(run)
    *chunks, done = events_of(out)
    assert done == "[DONE]"
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "text 0text 1"
    indices = [call["index"] for delta in deltas for call in delta.get("tool_calls", ()) if "id" in call]
    assert indices == [0, 1]
    finishes = [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"]]
    assert [each for each in finishes if each] == ["tool_calls"]


@pytest.mark.parametrize("surface", ["responses", "chat"])
async def test_a_whole_answer_equals_the_stream(scene: Scene, surface: str) -> None:
    dialect = "chat" if surface == "responses" else "responses"
    answer, body = await whole(open_turns(scene, surface, [turn(0), turn(1)], again(1), dialect))
    assert (answer.status, answer.media_type) == (200, JSON_TYPE)
    value = decode(body)
    if surface == "chat":
        message = value["choices"][0]["message"]
        assert message["content"] == "text 0text 1"
        assert [call["function"]["arguments"] for call in message["tool_calls"]] == ['{"n":0}', '{"n":1}']
        assert value["usage"]["total_tokens"] == 10
        return
    _, out = await whole(open_turns(scene, surface, [turn(0), turn(1)], again(1), dialect, stream=True))
    streamed = events_of(out)[-2]["response"]
    own = ("id", "call_id", "created_at", "completed_at")
    assert _without(value, own) == _without(streamed, own)


def _without(value: Any, names: tuple[str, ...]) -> Any:
    if isinstance(value, dict):
        return {name: _without(each, names) for name, each in value.items() if name not in names}
    return [_without(each, names) for each in value] if isinstance(value, list) else value


# -- stop strings ------------------------------------------------------------------------------------


async def test_a_stop_string_ends_the_second_turn_and_the_response(scene: Scene) -> None:
    first = FakeTurn(says("one "), says("two. "), ends())
    second = FakeTurn(says("three ST"), says("OP four"), ends())
    run = open_turns(scene, "chat", [first, second], again(5), "responses", stream=True, stop="STOP")
    _, out = await whole(run)
    deltas = [choice["delta"] for chunk in events_of(out)[:-1] for choice in chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "one two. three "
    assert scene.upstream.entered == 2


async def test_a_stop_string_in_the_first_turn_leaves_no_second(scene: Scene) -> None:
    first = FakeTurn(says("one ST"), says("OP two"), ends())
    answer, body = await whole(open_turns(scene, "chat", [first], again(5), "responses", stop=["STOP"]))
    assert decode(body)["choices"][0]["message"]["content"] == "one "
    assert answer.status == 200
    assert scene.upstream.entered == 1


# -- errors ------------------------------------------------------------------------------------------

LATER_ERRORS = {
    "refusal": FakeReply(
        JSON_REFUSAL, status=429, media_type="application/json", headers=[(b"retry-after", b"7")]
    ),
    "connection": UpstreamError("Slow down.", status=429, code="rate_limit_exceeded"),
    "event": FakeTurn(ends(failed(UpstreamError("Slow down.", status=429, code="rate_limit_exceeded")))),
}


def later_error(kind: str) -> Any:
    """A fresh reply: each can be played once."""
    each = LATER_ERRORS[kind]
    if isinstance(each, FakeTurn):
        return FakeTurn(*each.steps)
    if isinstance(each, FakeReply):
        return FakeReply(*each.steps, status=429, media_type="application/json", headers=list(each.headers))
    return each


@pytest.mark.parametrize("kind", LATER_ERRORS)
async def test_an_error_in_the_second_turn_fails_the_stream_with_the_output_so_far(
    scene: Scene, kind: str
) -> None:
    answers = [turn(0), later_error(kind)]
    _, out = await whole(open_turns(scene, "responses", answers, again(1), stream=True))
    *events, done = events_of(out)
    response = assert_well_formed(events)
    assert (response["status"], done) == ("failed", "[DONE]")
    assert response["error"] == {"code": "rate_limit_exceeded", "message": "Slow down."}
    assert [item["type"] for item in response["output"]] == ["reasoning", "message", "function_call"]
    assert scene.outcomes == ["failed"]


@pytest.mark.parametrize("kind", LATER_ERRORS)
async def test_a_whole_response_says_that_it_failed(scene: Scene, kind: str) -> None:
    answer, body = await whole(open_turns(scene, "responses", [turn(0), later_error(kind)], again(1)))
    response = decode(body)
    assert (answer.status, response["status"]) == (200, "failed")
    assert response["error"] == {"code": "rate_limit_exceeded", "message": "Slow down."}
    assert [item["type"] for item in response["output"]] == ["reasoning", "message", "function_call"]
    assert scene.outcomes == ["failed"]


@pytest.mark.parametrize("kind", LATER_ERRORS)
async def test_a_completion_that_failed_is_a_status_that_no_sdk_retries(scene: Scene, kind: str) -> None:
    answers = [turn(0), later_error(kind)]
    with pytest.raises(BridgeError) as caught:
        await whole(open_turns(scene, "chat", answers, again(1), "responses"))
    assert (caught.value.status, caught.value.message) == (429, "Slow down.")
    assert caught.value.headers == {"x-should-retry": "false"}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_later_error_has_no_secrets(scene: Scene, stream: bool) -> None:
    error = UpstreamError(f"Not with {KEY} at inner.example:8000.")
    answers = [turn(0), FakeTurn(ends(failed(error)))]
    _, out = await whole(open_turns(scene, "responses", answers, again(1), stream=stream))
    assert b"Not with [key] at [upstream]." in out
    assert KEY.encode() not in out and b"inner.example" not in out


async def test_an_error_in_the_first_turn_is_a_status(scene: Scene) -> None:
    with pytest.raises(UpstreamError) as caught:
        await whole(open_turns(scene, "responses", [later_error("refusal")], again(1), stream=True))
    assert (caught.value.status, caught.value.headers["retry-after"]) == (429, "7")


async def test_a_request_that_cannot_be_written_fails_the_turn(scene: Scene) -> None:
    async def refuse(response: Response) -> HubRequest | None:
        raise InvalidRequest("The tool's result cannot be sent.", param="input")

    _, out = await whole(open_turns(scene, "responses", [turn(0)], refuse, stream=True))
    response = events_of(out)[-2]["response"]
    assert (response["status"], response["error"]["message"]) == (
        "failed",
        "The tool's result cannot be sent.",
    )


async def test_a_store_that_fails_between_turns_fails_the_stream_once(scene: Scene) -> None:
    async def down(response: Response) -> HubRequest | None:
        raise StoreDown("it was pulled out")

    _, out = await whole(open_turns(scene, "responses", [turn(0)], down, stream=True))
    assert assert_well_formed(events_of(out)[:-1])["status"] == "failed"


# -- stops -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [REVOKED, DRAINING])
async def test_a_stop_while_the_second_head_is_awaited_fails_the_stream(scene: Scene, fault: Fault) -> None:
    second_asked, never = asyncio.Event(), asyncio.Event()

    class Slow(FakeUpstream):
        def send(self, body: bytes, target: Any, context: Any) -> Any:
            if self.entered:
                second_asked.set()
                self.gate = never
            return super().send(body, target, context)

    upstream = Slow([turn(0), turn(1)])

    async def answer_call(run: Run) -> Answer:
        return await respond(run, await hub_call(run), again(1))

    engine = scene.engine(upstream, "chat")
    scene.opened += 1
    body = encode({**BODIES["responses"], "stream": True})
    run = Run(engine, call_of("responses", body, "key-1"), answer_call)
    async with run as answer:
        reading = asyncio.ensure_future(rest(answer))
        await second_asked.wait()
        await asyncio.sleep(0)
        run.stop(fault)
        out = await reading
    response = assert_well_formed(events_of(out)[:-1])
    assert (response["status"], response["error"]["message"]) == ("failed", fault.message)
    assert upstream.cancelled == 1


@pytest.mark.parametrize("fault", [REVOKED, DRAINING])
@pytest.mark.parametrize("stream", [True, False])
async def test_a_stop_between_turns_ends_the_wait_for_the_next(
    scene: Scene, fault: Fault, stream: bool
) -> None:
    waiting = asyncio.Event()

    async def never(response: Response) -> HubRequest | None:
        waiting.set()
        await asyncio.Event().wait()
        return None

    run = open_turns(scene, "responses", [turn(0)], never, stream=stream)
    reading = asyncio.ensure_future(whole(run))
    await waiting.wait()
    run.stop(fault)
    if not stream:
        with pytest.raises(BridgeError, match=fault.message[:20]):
            await reading
        return
    _, out = await reading
    response = assert_well_formed(events_of(out)[:-1])
    assert (response["status"], response["error"]["message"]) == ("failed", fault.message)


async def test_a_head_that_arrives_as_the_client_leaves_is_closed(scene: Scene) -> None:
    """The second head is there, but whoever waits for it is cancelled before it takes it."""
    reading: list[asyncio.Future[bytes]] = []

    class Head:
        closed = False

        async def __aenter__(self) -> FakeReply:
            asyncio.get_running_loop().call_soon(reading[0].cancel)
            return FakeTurn(says("x"), ends())

        async def __aexit__(self, *_: object) -> None:
            self.closed = True

    head = Head()

    class Late(FakeUpstream):
        def send(self, body: bytes, target: Any, context: Any) -> Any:
            return head if self.entered else super().send(body, target, context)

    async def answer_call(run: Run) -> Answer:
        return await respond(run, await hub_call(run), again(1))

    engine = scene.engine(Late([turn(0)]), "chat")
    scene.opened += 1
    body = encode({**BODIES["responses"], "stream": True})
    async with Run(engine, call_of("responses", body, "key-1"), answer_call) as answer:
        reading.append(asyncio.ensure_future(rest(answer)))
        with pytest.raises(asyncio.CancelledError):
            await reading[0]
    assert head.closed


async def test_a_client_that_leaves_between_turns_leaves_nothing_behind(scene: Scene) -> None:
    waiting = asyncio.Event()

    async def never(response: Response) -> HubRequest | None:
        waiting.set()
        await asyncio.Event().wait()
        return None

    async with open_turns(scene, "responses", [turn(0)], never, stream=True) as answer:
        reading = asyncio.ensure_future(rest(answer))
        await waiting.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading


# -- requests of the gateway itself ------------------------------------------------------------------


async def test_a_call_asks_the_model_something_of_its_own_first(scene: Scene) -> None:
    """As a compaction does: `ask` needs a run and a question, and no client."""
    inner: list[Response] = []

    async def answer_call(run: Run) -> Answer:
        call = await hub_call(run)
        summary = HubRequest({"model": "m", "input": "Summarize."}, "responses")
        question = Question(summary, run.target.backend)
        inner.append((await ask(run, question, EchoedFields.of(summary), again(0))).response)
        return await respond(run, call)

    engine = scene.engine(FakeUpstream([FakeTurn(says("Short."), ends()), turn(0)]), "chat")
    scene.opened += 1
    body = encode({**BODIES["responses"], "stream": True})
    async with Run(engine, call_of("responses", body, "key-1"), answer_call) as answer:
        out = await rest(answer)
    (response,) = inner
    output: Any = response["output"]
    assert output[0]["content"][0]["text"] == "Short."
    assert events_of(out)[-2]["response"]["status"] == "completed"
