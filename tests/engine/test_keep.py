"""`keep`: a finished response is stored once, before its end passes (law 6, persist, then announce)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer import tap
from chat2response.convert.outcome import failed
from chat2response.engine.run import Run
from chat2response.errors import UpstreamError
from chat2response.stores.base import StoreDown
from chat2response.wire.fault import CANCELLED, REVOKED, STORE_DOWN
from chat2response.wire.json import decode, encode
from tests.support.engine.fakes import JSON, FakeReply, FakeTurn, ends, events_of, says
from tests.support.engine.frames import CHAT_STREAMS, RESPONSES_STREAMS
from tests.support.engine.scene import Client, Scene
from tests.support.stream_grammar import assert_well_formed

CONVERTED = pytest.mark.parametrize(
    ("surface", "dialect"), [("responses", "chat"), ("chat", "responses"), ("proxy", "chat")]
)
RESPONSE: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello"}],
        }
    ],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}
COMPLETION: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5},
}
BROKEN = failed(UpstreamError("It broke.", status=500, code="server_error"))


class Keeper:
    """A store of responses. `sent_before`: what the client had got before each of them."""

    def __init__(self, wait: Callable[[], Awaitable[object]] | None = None, *, down: bool = False) -> None:
        self.responses: list[Any] = []
        self._client: Client | None = None
        self.sent_before: list[bytes] = []
        self._wait = wait
        self._down = down

    async def __call__(self, tenant: str | None, response: Any) -> None:
        assert tenant == "key-1"
        self.sent_before.append(self.sent)
        if self._wait is not None:
            await self._wait()
        if self._down:
            raise StoreDown("it was pulled out")
        self.responses.append(decode(encode(response)))

    def attach(self, run: Run) -> Run:
        """The call, whose response is stored here."""
        object.__setattr__(run.parts, "keep", self)
        return run

    async def read(self, run: Run) -> bytes:
        """The whole answer of a call."""
        async with self.attach(run) as answer:
            if answer.body is not None:
                return answer.body
            async with Client(answer) as self._client:
                return await self._client.rest()

    @property
    def sent(self) -> bytes:
        """What the client has got so far."""
        return b"" if self._client is None else self._client.sent

    @property
    def texts(self) -> list[str]:
        """The text of each response."""
        return [text_of(each) for each in self.responses]


def text_of(response: Any) -> str:
    parts = [part for item in response["output"] for part in item.get("content") or ()]
    return "".join(part["text"] for part in parts if part["type"] == "output_text")


# -- converted answers -------------------------------------------------------------------------------


@CONVERTED
async def test_a_converted_stream_is_kept_before_its_end(scene: Scene, surface: str, dialect: str) -> None:
    keeper = Keeper()
    turn = FakeTurn(says("Hel"), says("lo"), ends())
    out = await keeper.read(scene.open(turn, surface, dialect, stream=True))
    assert keeper.texts == ["Hello"]
    assert [each["status"] for each in keeper.responses] == ["completed"]
    (before,) = keeper.sent_before
    assert b"lo" in before and b"[DONE]" not in before and b'finish_reason":"stop' not in before
    assert b"response.completed" not in before
    if surface != "chat":
        response = assert_well_formed(events_of(out)[:-1])
        assert keeper.responses[0]["id"] == response["id"]


@pytest.mark.parametrize("stream", [True, False])
async def test_every_choice_is_kept_before_the_end(scene: Scene, stream: bool) -> None:
    keeper = Keeper()
    answers: list[Any] = (
        [FakeTurn(says(text), ends()) for text in ("one", "two", "three")] if stream else [RESPONSE] * 3
    )
    out = await keeper.read(scene.open(answers, "chat", "responses", stream=stream, n=3))
    assert sorted(keeper.texts) == (["one", "three", "two"] if stream else ["Hello"] * 3)
    assert all(b"[DONE]" not in before for before in keeper.sent_before)
    if stream:
        assert events_of(out)[-1] == "[DONE]"


async def test_a_converted_json_answer_is_kept(scene: Scene) -> None:
    keeper = Keeper()
    await keeper.read(scene.open(RESPONSE, "chat", "responses"))
    assert keeper.texts == ["Hello"]


async def test_a_json_answer_that_is_watched_for_stop_strings_is_kept(scene: Scene) -> None:
    keeper = Keeper()
    await keeper.read(
        scene.open(FakeTurn(says("Hello ST"), says("OP"), ends()), "chat", "responses", stop="STOP")
    )
    assert keeper.texts == ["Hello "]


@CONVERTED
async def test_a_converted_stream_that_fails_is_not_kept(scene: Scene, surface: str, dialect: str) -> None:
    keeper = Keeper()
    await keeper.read(scene.open(FakeTurn(says("Hel"), ends(BROKEN)), surface, dialect, stream=True))
    assert keeper.sent_before == []


@CONVERTED
async def test_a_store_that_is_down_fails_a_converted_stream(
    scene: Scene, surface: str, dialect: str
) -> None:
    keeper = Keeper(down=True)
    turn = FakeTurn(says("Hello"), ends())
    *events, done = events_of(await keeper.read(scene.open(turn, surface, dialect, stream=True)))
    assert done == "[DONE]"
    assert len(keeper.sent_before) == 1
    if surface == "chat":
        assert events[-1]["error"]["message"] == STORE_DOWN.message
        assert not [choice for each in events[:-1] for choice in each["choices"] if choice["finish_reason"]]
    else:
        response = assert_well_formed(events)
        assert (response["status"], text_of(response)) == ("failed", "Hello")
    assert scene.outcomes == ["failed"]


@pytest.mark.parametrize("n", [1, 2])
async def test_a_store_that_is_down_makes_a_json_answer_a_503(scene: Scene, n: int) -> None:
    keeper = Keeper(down=True)
    with pytest.raises(StoreDown) as caught:
        await keeper.read(scene.open([RESPONSE] * n, "chat", "responses", n=n))
    assert caught.value.status == 503
    assert scene.outcomes == ["error"]
    assert dict(scene.metrics.token_counts) == {"input": 3 * n, "output": 2 * n}, (
        "they were used all the same"
    )


async def test_a_store_that_is_down_fails_a_stream_of_choices_once(scene: Scene) -> None:
    keeper = Keeper(down=True)
    turns = [FakeTurn(says("one"), ends()), FakeTurn(says("two"), ends())]
    out = await keeper.read(scene.open(turns, "chat", "responses", stream=True, n=2))
    *events, done = events_of(out)
    assert done == "[DONE]"
    assert [each["error"]["message"] for each in events if "error" in each] == [STORE_DOWN.message]
    assert scene.outcomes == ["failed"]


# -- relayed answers ---------------------------------------------------------------------------------

RELAYED: dict[str, Any] = {
    "chat": (CHAT_STREAMS["text"], {"store": True}, COMPLETION),
    "responses": (RESPONSES_STREAMS["text"], {}, RESPONSE),
}
EVERY_DIALECT = pytest.mark.parametrize("dialect", RELAYED)


@EVERY_DIALECT
@pytest.mark.parametrize("at_once", [True, False])
async def test_a_relayed_stream_is_kept_before_its_end(scene: Scene, dialect: str, at_once: bool) -> None:
    keeper = Keeper()
    frames, fields, _ = RELAYED[dialect]
    reply = FakeReply(b"".join(frames)) if at_once else FakeReply(*frames)
    out = await keeper.read(scene.open(reply, dialect, dialect, stream=True, **fields))
    assert out == b"".join(frames)
    assert keeper.texts == ["Hello"]
    (before,) = keeper.sent_before
    assert b"[DONE]" not in before and b"response.completed" not in before
    assert scene.outcomes == ["completed"]


@EVERY_DIALECT
async def test_a_relayed_answer_that_the_client_does_not_store_is_not_kept(
    scene: Scene, dialect: str
) -> None:
    keeper = Keeper()
    frames, _, whole = RELAYED[dialect]
    run = scene.open(FakeReply(*frames), dialect, dialect, stream=True, store=False)
    await keeper.read(run)
    await keeper.read(scene.open(FakeReply(encode(whole), media_type=JSON), dialect, dialect, store=False))
    assert keeper.sent_before == []
    assert run.record.losses == [], "nobody lost anything"


@EVERY_DIALECT
async def test_relayed_json_is_kept(scene: Scene, dialect: str) -> None:
    keeper = Keeper()
    _, fields, whole = RELAYED[dialect]
    body = encode(whole)
    out = await keeper.read(scene.open(FakeReply(body, media_type=JSON), dialect, dialect, **fields))
    assert out == body
    assert keeper.texts == ["Hello"]


FAILED: dict[str, bytes] = {
    "responses": encode(
        {**RESPONSE, "status": "failed", "error": {"code": "server_error", "message": "No."}}
    ),
    "chat": b'{"id": "chatcmpl-1", "error": {"message": "No."}}',
}


@EVERY_DIALECT
async def test_relayed_json_that_failed_is_not_kept(scene: Scene, dialect: str) -> None:
    keeper = Keeper()
    reply = FakeReply(FAILED[dialect], media_type=JSON)
    await keeper.read(scene.open(reply, dialect, dialect, **RELAYED[dialect][1]))
    assert keeper.sent_before == []


async def test_a_response_that_still_runs_is_not_kept(scene: Scene) -> None:
    keeper = Keeper()
    body = encode({**RESPONSE, "status": "queued", "output": []})
    await keeper.read(scene.open(FakeReply(body, media_type=JSON), "responses", "responses"))
    assert keeper.sent_before == []


@EVERY_DIALECT
async def test_a_relayed_stream_that_breaks_off_is_not_kept(scene: Scene, dialect: str) -> None:
    keeper = Keeper()
    frames, fields, _ = RELAYED[dialect]
    run = scene.open(FakeReply(*frames[:3]), dialect, dialect, stream=True, **fields)
    await keeper.read(run)
    assert keeper.sent_before == []
    assert run.record.losses == [], "it failed: that says enough"
    assert scene.outcomes == ["failed"]


def without_done() -> list[bytes]:
    return [frame for frame in CHAT_STREAMS["text"] if b"[DONE]" not in frame]


async def test_a_chat_stream_without_its_last_event_is_kept(scene: Scene) -> None:
    keeper = Keeper()
    out = await keeper.read(scene.open(FakeReply(*without_done()), "chat", "chat", stream=True, store=True))
    assert keeper.texts == ["Hello"]
    assert out.endswith(b"data: [DONE]\n\n")
    assert scene.outcomes == ["completed"]


@pytest.mark.parametrize("room", [0, -1])
async def test_a_chat_stream_is_kept_up_to_a_limit(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    frames = CHAT_STREAMS["text"]
    assert tap.MAX_COPY == 16 * 1024 * 1024
    monkeypatch.setattr(tap, "MAX_COPY", len(b"".join(frames)) + room)
    keeper = Keeper()
    run = scene.open(FakeReply(*frames), "chat", "chat", stream=True, store=True)
    assert await keeper.read(run) == b"".join(frames)
    assert keeper.texts == ([] if room else ["Hello"])
    assert run.record.losses == (["store"] if room else [])
    assert scene.outcomes == ["completed"]


@pytest.mark.parametrize("frames", [CHAT_STREAMS["text"], without_done()], ids=["done", "no done"])
async def test_a_store_that_is_down_fails_a_relayed_chat_stream(scene: Scene, frames: list[bytes]) -> None:
    keeper = Keeper(down=True)
    run = scene.open(FakeReply(*frames), "chat", "chat", stream=True, store=True)
    *_, end, done = events_of(await keeper.read(run))
    assert (end["error"]["message"], done) == (STORE_DOWN.message, "[DONE]")
    assert len(keeper.sent_before) == 1
    assert scene.outcomes == ["failed"]


async def test_a_store_that_is_down_fails_a_relayed_response(scene: Scene) -> None:
    keeper = Keeper(down=True)
    run = scene.open(FakeReply(*RESPONSES_STREAMS["text"]), "responses", "responses", stream=True)
    *events, done = events_of(await keeper.read(run))
    assert (events[-1]["type"], done) == ("response.failed", "[DONE]")
    assert [each["sequence_number"] for each in events] == list(range(len(events)))
    assert text_of(events[-1]["response"]) == "Hello"
    assert len(keeper.sent_before) == 1
    assert scene.outcomes == ["failed"]


@EVERY_DIALECT
async def test_a_store_that_is_down_makes_relayed_json_a_503(scene: Scene, dialect: str) -> None:
    keeper = Keeper(down=True)
    _, fields, whole = RELAYED[dialect]
    with pytest.raises(StoreDown) as caught:
        await keeper.read(scene.open(FakeReply(encode(whole), media_type=JSON), dialect, dialect, **fields))
    assert caught.value.status == 503
    assert scene.outcomes == ["error"]


# -- a slow store ------------------------------------------------------------------------------------

WAYS: dict[str, Callable[[Scene], Run]] = {
    "converted": lambda scene: scene.open(FakeTurn(says("Hello"), ends()), "responses", "chat", stream=True),
    "relayed": lambda scene: scene.open(
        FakeReply(*RESPONSES_STREAMS["text"]), "responses", "responses", stream=True
    ),
    "choices": lambda scene: scene.open(
        [FakeTurn(says("Hello"), ends()), FakeTurn(says("Hello"), asyncio.Event(), ends())],
        "chat",
        "responses",
        stream=True,
        n=2,
    ),
    "json": lambda scene: scene.open(RESPONSE, "chat", "responses"),
}
EVERY_WAY = pytest.mark.parametrize("way", WAYS)


@EVERY_WAY
async def test_a_write_that_a_stop_finds_pending_may_finish(scene: Scene, way: str) -> None:
    waiting, stored = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        waiting.set()
        await stored.wait()

    keeper = Keeper(wait)
    run = WAYS[way](scene)
    reading = asyncio.ensure_future(keeper.read(run))
    await waiting.wait()
    assert b"response.completed" not in keeper.sent and b"[DONE]" not in keeper.sent
    run.stop(REVOKED)
    stored.set()
    out = await reading
    assert keeper.texts[0] == "Hello"
    if way in ("converted", "relayed"):
        assert b"response.completed" in out
        assert scene.outcomes == ["completed"]
    elif way == "choices":  # the other choice was stopped
        *_, end, done = events_of(out)
        assert (end["error"]["message"], done) == (REVOKED.message, "[DONE]")


@EVERY_WAY
async def test_a_client_that_leaves_while_the_store_is_slow_leaves_nothing(scene: Scene, way: str) -> None:
    waiting = asyncio.Event()

    async def never() -> None:
        waiting.set()
        await asyncio.Event().wait()

    before = asyncio.all_tasks()
    keeper = Keeper(never)
    run = WAYS[way](scene)
    reading = asyncio.ensure_future(keeper.read(run))
    await waiting.wait()
    run.stop(CANCELLED)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before
    assert keeper.responses == []
