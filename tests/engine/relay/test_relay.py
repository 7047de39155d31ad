"""The relay: the client gets the upstream's bytes, and every stream ends exactly once."""

import asyncio
import logging
from typing import Any

import pytest

from chat2response.convert.dialects.chat.answer.tap import ChatTap
from chat2response.convert.dialects.responses.answer.tap import ResponsesTap
from chat2response.engine.ownership import Ownership
from chat2response.engine.relay.relayed_stream import RelayedStream
from chat2response.errors import BridgeError, UpstreamError
from chat2response.net.transport import StreamInterrupted
from chat2response.stores.base import StoreDown
from chat2response.wire import sse
from chat2response.wire.fault import RESET, TIMEOUT
from chat2response.wire.json import encode
from tests.support.engine.fakes import FakeReply, Ticking, events_of
from tests.support.engine.frames import (
    CHAT_STREAMS,
    DONE,
    RESPONSES_STREAMS,
    ROLE,
    chunk,
    item_events,
    message,
    responses,
)
from tests.support.engine.scene import KEY, Client, Scene, bare_run, rest, whole

STREAMS = {
    **{f"responses: {name}": frames for name, frames in RESPONSES_STREAMS.items()},
    **{f"chat: {name}": frames for name, frames in CHAT_STREAMS.items()},
}
TEXT = RESPONSES_STREAMS["text"]
TERMINAL = ("response.completed", "response.incomplete", "response.failed")


def relay_of(name: str, *steps: Any) -> RelayedStream:
    """The relay of a named stream; `steps`: what the upstream does."""
    tap = ChatTap(stored=False) if name.startswith("chat") else ResponsesTap(stored=False)
    return RelayedStream(bare_run(), FakeReply(*steps), tap)


async def passed(stream: RelayedStream) -> bytes:
    """The whole output, with no wait for the first event."""
    await stream.begin(0)
    async with Client(stream) as client:
        out = await client.rest()
    await stream.close()
    return out


def last_boundary(data: bytes) -> int:
    """The offset after the last whole frame."""
    at = end = 0
    for number, line in enumerate(data.splitlines(keepends=True)):
        at += len(line)
        if number and not line.strip(b"\r\n"):
            end = at
    return end


# -- cuts --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STREAMS)
async def test_a_stream_cut_at_any_byte_passes_up_to_its_last_whole_frame_and_then_ends(name: str) -> None:
    stream = b"".join(STREAMS[name])
    for length in range(len(stream) + 1):
        out = await passed(relay_of(name, stream[:length], StreamInterrupted(RESET)))
        end = last_boundary(stream[:length])
        assert out[:end] == stream[:end]
        match events_of(out[end:]):
            case [{"type": "response.failed"}, "[DONE]"] | [{"error": _}, "[DONE]"] | ["[DONE]"]:
                pass
            case added:
                assert added == []
        assert_one_end(out, name)


def assert_one_end(out: bytes, name: str) -> None:
    """One terminal event; in Chat one finish or one error, then `[DONE]`."""
    events = events_of(out)
    if name.startswith("responses"):
        kinds = [event["type"] for event in events if event != "[DONE]"]
        terminal = [kind for kind in kinds if kind in TERMINAL]
        assert len(terminal) == 1
        assert kinds[-1] == terminal[0]
    else:
        assert events[-1] == "[DONE]"
        finished = [
            each for each in events[:-1] for choice in each.get("choices", ()) if choice["finish_reason"]
        ]
        assert len(finished) + sum("error" in each for each in events[:-1]) == 1


@pytest.mark.parametrize("name", STREAMS)
async def test_bytes_pass_untouched_one_by_one_and_frame_by_frame(name: str) -> None:
    stream = b"".join(STREAMS[name])
    assert await passed(relay_of(name, *(stream[at : at + 1] for at in range(len(stream))))) == stream
    assert await passed(relay_of(name, *STREAMS[name])) == stream
    assert await passed(relay_of(name, stream)) == stream


@pytest.mark.parametrize("name", STREAMS)
async def test_row_1_an_end_of_the_body_at_any_byte_is_a_cut_too_but_for_a_whole_last_event(
    name: str,
) -> None:
    stream = b"".join(STREAMS[name])
    for length in range(0, len(stream) + 1, 3):
        out = await passed(relay_of(name, stream[:length]))
        end = last_boundary(stream[:length])
        assert out[:end] == stream[:end]
        assert_one_end(out, name)


@pytest.mark.parametrize("line_end", [b"", b"\n", b"\r\n"])
async def test_a_last_event_without_its_blank_line_is_completed(line_end: bytes) -> None:
    stream = b"".join(TEXT[:-1]).rstrip(b"\n") + line_end
    out = await passed(relay_of("responses", stream))
    assert out == b"".join(TEXT[:-1])


async def test_a_done_without_its_blank_line_is_completed() -> None:
    stream = b"".join(CHAT_STREAMS["text"])
    assert await passed(relay_of("chat", stream[:-2])) == stream


async def test_a_frame_without_an_end_is_not_read_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = relay_of("responses", TEXT[0], b"data: " + b"x" * 400, b"x" * 400)
    stream._cut = sse.FrameSplitter(limit=500)
    out = await passed(stream)
    assert out.startswith(TEXT[0])
    failed, _ = events_of(out[len(TEXT[0]) :])
    assert failed["response"]["error"]["message"] == "The upstream sent an event that is too large."


# -- before the head ---------------------------------------------------------------------------------

ERROR = b'data: {"error":{"message":"No room, sk-abcdef123456.","type":"server_error","code":503}}\n\n'


@pytest.mark.parametrize("surface", ["chat", "responses"])
@pytest.mark.parametrize(
    "steps",
    [
        [ERROR],
        [ERROR, DONE],
        [ERROR.strip()],
        [b": waiting\n\n", b": waiting\n\n", ERROR],
        [ERROR[:20], ERROR[20:]],
        [b"\xef\xbb\xbf" + ERROR],
        [b"event: error\n" + ERROR],
    ],
)
async def test_an_error_as_first_event_is_a_status_and_its_secrets_are_masked(
    scene: Scene, surface: Any, steps: list[bytes]
) -> None:
    with pytest.raises(UpstreamError) as caught:
        await whole(scene.open(FakeReply(*steps), surface, surface, stream=True))
    assert (caught.value.status, caught.value.message) == (503, "No room, [key].")
    assert scene.outcomes == ["error"]


async def test_a_leading_error_keeps_the_upstreams_headers(scene: Scene) -> None:
    reply = FakeReply(ERROR, headers=[(b"retry-after", b"7"), (b"x-upstream-request-id", b"r")])
    with pytest.raises(UpstreamError) as caught:
        await whole(scene.open(reply, "chat", "chat", stream=True))
    assert caught.value.headers == {"retry-after": "7", "x-upstream-request-id": "r"}


async def test_the_upstreams_address_is_masked_in_an_error(scene: Scene) -> None:
    error = {"error": {"message": f"{KEY} at http://inner.example:8000/v1, inner.example", "code": 500}}
    with pytest.raises(UpstreamError) as caught:
        await whole(scene.open(FakeReply(b"data: %b\n\n" % encode(error)), "chat", "chat", stream=True))
    assert caught.value.message == "[key] at [upstream], [upstream]"


@pytest.mark.parametrize(
    "steps", [[], [b": only a comment\n\n"], [b'data: {"id'], [StreamInterrupted(RESET)]]
)
async def test_an_end_before_anything_is_a_502(scene: Scene, steps: list[Any]) -> None:
    with pytest.raises(UpstreamError) as caught:
        await whole(scene.open(FakeReply(*steps), "responses", "responses", stream=True))
    assert caught.value.status == 502


async def test_silence_before_anything_is_a_504(scene: Scene) -> None:
    with pytest.raises(UpstreamError) as caught:
        await whole(scene.open(FakeReply(StreamInterrupted(TIMEOUT)), "responses", "responses", stream=True))
    assert caught.value.status == 504


async def test_a_first_event_that_only_mentions_errors_passes(scene: Scene) -> None:
    stream = chunk({"content": "the word error"}, error=None) + DONE
    _, out = await whole(scene.open(FakeReply(stream), "chat", "chat", stream=True))
    assert out == stream


async def test_an_upstream_that_keeps_silent_does_not_hold_the_head_for_ever(scene: Scene) -> None:
    speak, late = asyncio.Event(), ERROR.replace(b"sk-abcdef123456", b"as it is")
    async with scene.open(
        FakeReply(speak, late, DONE), "chat", "chat", stream=True, first_event_timeout=0.01
    ) as answer:
        assert answer.status == 200
        speak.set()
        assert await rest(answer) == late + DONE
    assert scene.outcomes == ["failed"]


async def test_comments_do_not_prolong_the_hold_and_go_out_with_the_head(scene: Scene) -> None:
    speak = asyncio.Event()
    reply = FakeReply(b": waiting\n\n", speak, ROLE, chunk(finish="stop"), DONE)
    run = scene.open(reply, "chat", "chat", stream=True, first_event_timeout=0.01)
    async with run as answer, Client(answer) as client:
        assert await client.next() == b": waiting\n\n"
        speak.set()
        assert await client.rest() == ROLE + chunk(finish="stop") + DONE
    assert scene.outcomes == ["completed"]


async def test_an_upstream_that_comments_without_end_lets_the_head_go(scene: Scene) -> None:
    run = scene.open(Ticking(), "chat", "chat", stream=True, first_event_timeout=0.01)
    async with run as answer, Client(answer) as client:
        assert (await client.next()).startswith(b": tick")
    assert scene.outcomes == ["cancel"]


# -- owners ------------------------------------------------------------------------------------------


async def test_the_owner_is_recorded_before_the_id_passes(scene: Scene) -> None:
    recorded: list[str | None] = []
    go = asyncio.Event()
    reply = FakeReply(b"".join(TEXT[:-2]), go, TEXT[-2], TEXT[-1])
    run = scene.open(reply, "responses", "responses", stream=True)
    async with run as answer, Client(answer) as client:
        recorded.append(await scene.owner("resp_up"))
        assert await client.next() == b"".join(TEXT[:-2])
        assert await scene.owner("msg_1") is None
        go.set()
        assert await client.next() == TEXT[-2]
        recorded.append(await scene.owner("msg_1"))
        assert await client.rest() == TEXT[-1]
    assert recorded == ["key-1", "key-1"]


async def test_frames_wait_for_the_record(scene: Scene) -> None:
    writing, go = asyncio.Event(), asyncio.Event()

    async def slowly() -> None:
        writing.set()
        await go.wait()

    scene.store.before = slowly
    call = asyncio.ensure_future(whole(scene.open(FakeReply(*TEXT), "responses", "responses", stream=True)))
    await writing.wait()
    assert not call.done()
    go.set()
    assert (await call)[1] == b"".join(TEXT)


@pytest.mark.parametrize(
    ("surface", "store", "stored"),
    [
        ("responses", None, True),
        ("responses", True, True),
        ("responses", False, False),
        ("chat", None, False),
        ("chat", True, True),
        ("chat", False, False),
    ],
)
async def test_only_what_the_upstream_keeps_has_an_owner(
    scene: Scene, surface: Any, store: bool | None, stored: bool
) -> None:
    frames = TEXT if surface == "responses" else CHAT_STREAMS["text"]
    more: dict[str, Any] = {} if store is None else {"store": store}
    await whole(scene.open(FakeReply(*frames), surface, surface, stream=True, **more))
    name = "resp_up" if surface == "responses" else "chatcmpl-up"
    assert await scene.owner(name) == ("key-1" if stored else None)


async def test_a_proxied_answer_is_kept_only_when_the_chat_client_said_so(scene: Scene) -> None:
    await whole(scene.open(FakeReply(*TEXT), "proxy", "responses", stream=True))
    assert await scene.owner("resp_up") is None
    await whole(scene.open(FakeReply(*TEXT), "proxy", "responses", stream=True, store=True))
    assert await scene.owner("resp_up") == "key-1"


async def test_in_passthrough_nobody_owns_anything(scene: Scene) -> None:
    await whole(scene.open(FakeReply(*TEXT), "responses", "responses", stream=True, managed=False))
    assert await scene.owner("resp_up") is None


async def test_a_store_that_fails_before_the_first_byte_is_a_503(scene: Scene) -> None:
    scene.store.down = True
    with pytest.raises(StoreDown):
        await whole(scene.open(FakeReply(*TEXT), "responses", "responses", stream=True))


async def test_a_store_that_fails_at_the_end_makes_the_end_a_failure(scene: Scene) -> None:
    go = asyncio.Event()
    reply = FakeReply(*TEXT[:-2], go, TEXT[-2], TEXT[-1])
    async with scene.open(reply, "responses", "responses", stream=True) as answer:
        scene.store.down = True
        go.set()
        out = await rest(answer)
    sent = b"".join(TEXT[:-2])
    assert out.startswith(sent)
    failed, done = events_of(out[len(sent) :])
    assert (failed["type"], failed["response"]["id"], done) == ("response.failed", "resp_up", "[DONE]")
    assert failed["sequence_number"] == len(TEXT) - 2
    message = "The gateway could not record the answer. Retry the request."
    assert failed["response"]["error"]["message"] == message
    assert scene.outcomes == ["failed"]


# -- what was learned --------------------------------------------------------------------------------


@pytest.mark.parametrize("terminal", ["completed", "incomplete", "failed"])
async def test_how_it_ended_and_what_it_used_is_counted(scene: Scene, terminal: str) -> None:
    frames = responses(*item_events(message("x"), "x"), terminal=terminal)
    await whole(scene.open(FakeReply(*frames), "responses", "responses", stream=True))
    assert scene.outcomes == [terminal]
    assert dict(scene.metrics.token_counts) == {"input": 11, "output": 7}


async def test_a_client_that_leaves_is_no_failure_of_the_upstream(scene: Scene) -> None:
    run = scene.open(FakeReply(*TEXT[:2], asyncio.Event()), "responses", "responses", stream=True)
    async with run as answer, Client(answer) as client:
        await client.next()
    assert scene.outcomes == ["cancel"]


async def test_the_run_is_found_by_its_response(scene: Scene) -> None:
    go = asyncio.Event()
    async with scene.open(FakeReply(TEXT[0], go), "responses", "responses", stream=True):
        (run,) = scene.engine_.runs.of_response("resp_up")
        assert run.tenant == "key-1"
        assert scene.engine_.runs.of_response("resp_other") == []


# -- bugs --------------------------------------------------------------------------------------------


def fail(stream: RelayedStream, frames: bytes) -> bytes:
    raise RuntimeError("a secret detail")


@pytest.mark.parametrize("surface", ["chat", "responses"])
async def test_a_bug_in_the_middle_still_ends_the_stream_once(
    scene: Scene, surface: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = STREAMS[f"{surface}: text"][0]
    reply = FakeReply(first, asyncio.Event(), *STREAMS[f"{surface}: text"][1:])
    async with scene.open(reply, surface, surface, stream=True) as answer:
        monkeypatch.setattr(RelayedStream, "_client_frames", fail)
        reply.steps[1].set()
        out = await rest(answer)
    assert out.startswith(first)
    end, done = events_of(out[len(first) :])
    assert done == "[DONE]"
    error = end["response"]["error"] if surface == "responses" else end["error"]
    assert error["message"] == "The gateway failed to relay the answer."
    assert end.get("sequence_number", 1) == 1
    assert "secret" not in out.decode()
    assert scene.outcomes == ["failed"]
    (record,) = caplog.get_records("call")
    assert record.levelno == logging.ERROR
    assert record.exc_info is not None


async def test_a_bug_in_the_tap_passes_nothing_that_it_did_not_read(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = asyncio.Event()
    reply = FakeReply(TEXT[0], go, b"".join(TEXT[1:]))
    async with scene.open(reply, "responses", "responses", stream=True) as answer:
        monkeypatch.setattr(Ownership, "record", None)
        go.set()
        out = await rest(answer)
    end, _ = events_of(out[len(TEXT[0]) :])
    assert (end["type"], end["sequence_number"]) == ("response.failed", 1)
    assert scene.outcomes == ["failed"]


@pytest.mark.parametrize("before", [[], [TEXT[0]]])
async def test_a_body_that_cannot_be_decoded_is_the_upstreams_error(
    scene: Scene, before: list[bytes]
) -> None:
    reply = FakeReply(*before, UpstreamError("The upstream's answer cannot be read."))
    run = scene.open(reply, "responses", "responses", stream=True)
    if before:
        *_, failed, _done = events_of((await whole(run))[1])
        assert failed["response"]["error"]["message"] == "The upstream's answer cannot be read."
        return
    with pytest.raises(UpstreamError, match="cannot be read"):
        await whole(run)


async def test_a_bug_before_the_head_is_an_error_of_the_gateway(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RelayedStream, "_client_frames", fail)
    with pytest.raises(BridgeError, match="The gateway failed") as caught:
        await whole(scene.open(FakeReply(STREAMS["chat: text"][0]), "chat", "chat", stream=True))
    assert caught.value.status == 500


@pytest.mark.parametrize("name", ["responses: text", "chat: text"])
async def test_a_secret_in_an_error_is_masked_wherever_it_stands_in_the_stream(name: str) -> None:
    begun = STREAMS[name][:2]
    error_frame = (
        b'data: {"type":"error","error":{"message":"no sk-test-000111222333 at inner.example:8000"}}\n\n'
    )
    out = await passed(relay_of(name, *begun, error_frame))
    assert b"sk-test-000111222333" not in out and b"inner.example" not in out
    assert out.startswith(b"".join(begun)) and b'"message":"no [key] at [upstream]"' in out
