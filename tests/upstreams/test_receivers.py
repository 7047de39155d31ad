"""The receivers before the reader of an answer: SecretRemover and KindSniffer, at every cut of the bytes."""

import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat2response.net.transport import StreamInterrupted
from chat2response.observe.secrets import Secret
from chat2response.upstreams.receivers import KindSniffer, SecretRemover
from chat2response.wire.content_sniffing import Kind
from chat2response.wire.fault import RESET, REVOKED
from tests.support.driven_response import CODED, Driven, Recorder, fault_of

KEY = "sk-operator-0123456789"
SECRET = Secret(KEY)
EVENT = b'data: {"text": "the key %b is here"}\n\n'
MASKED = EVENT % b"[key]"


def masking(response: Driven, during: Callable[[bytes], object] | None = None) -> Recorder:
    """A receiver behind a SecretRemover."""
    receiver = Recorder(during)
    response.push(SecretRemover(response, SECRET, receiver))
    return receiver


def cuts(data: bytes) -> list[tuple[bytes, ...]]:
    """The data whole, cut once at every byte, and byte by byte."""
    halves = [(data[:at], data[at:]) for at in range(1, len(data))]
    return [(data,), *halves, tuple(data[at : at + 1] for at in range(len(data)))]


# -- SecretRemover -------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", [KEY.encode(), b"".join(b"\\u%04x" % byte for byte in KEY.encode())])
@pytest.mark.parametrize("coding", CODED)
def test_the_key_is_masked_wherever_it_is_cut(key: bytes, coding: str) -> None:
    text = EVENT % key
    for pieces in cuts(text) if coding == "identity" else [(CODED[coding](text),)]:
        response = Driven(coding)
        receiver = masking(response)
        response.fed(*pieces)
        assert receiver.data == MASKED, "an event that has ended is not kept back"
        response.finish()
        assert (receiver.data, receiver.ends) == (MASKED, [None])


@pytest.mark.parametrize("text", [b"data: half an event", KEY.encode()[:-1], b"data: " + KEY.encode()])
def test_the_rest_passes_at_a_regular_end(text: bytes) -> None:
    for pieces in cuts(text):
        response = Driven()
        receiver = masking(response)
        response.fed(*pieces)
        assert receiver.data == b""
        response.finish()
        assert (receiver.data, receiver.ends) == (text.replace(KEY.encode(), b"[key]"), [None])


@pytest.mark.parametrize("stopped", [True, False])
def test_the_rest_does_not_pass_at_an_interruption(stopped: bool) -> None:
    """It may be a part of the key."""
    response = Driven()
    receiver = masking(response)
    response.fed(MASKED, b"data: " + KEY.encode()[:-1])
    if stopped:
        response.stop(REVOKED)
    else:
        response.fail(StreamInterrupted(RESET))
    assert (receiver.data, fault_of(*receiver.ends)) == (MASKED, REVOKED if stopped else RESET)


def test_a_stop_inside_ends_the_receiver_behind_it_at_once() -> None:
    response = Driven()

    def stop(_: bytes) -> None:
        response.stop(REVOKED)
        assert fault_of(*receiver.ends) == REVOKED

    receiver = masking(response, stop)
    response.fed(MASKED + b"data", MASKED).finish()
    assert receiver.data == MASKED


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("inside", ["pause", "stop"])
def test_the_end_waits_for_a_receiver_that_pauses_at_the_rest(coding: str, inside: str) -> None:
    response = Driven(coding)

    def interrupt(_: bytes) -> None:
        if inside == "pause":
            response.pause()
        else:
            response.stop(REVOKED)
            assert fault_of(*receiver.ends) == REVOKED

    receiver = masking(response, interrupt)
    response.fed(CODED[coding](b"data: rest")).finish()
    assert receiver.data == b"data: rest"
    if inside == "pause":
        assert not receiver.ended
        response.resume()
        assert receiver.ends == [None]


def test_a_receiver_that_pauses_gets_the_masked_rest_later() -> None:
    response = Driven()
    receiver = masking(response, lambda _: response.pause())
    response.fed(MASKED, EVENT % KEY.encode(), b"data: rest").finish()
    assert receiver.data == MASKED
    response.resume()
    assert (receiver.data, receiver.ended) == (MASKED * 2, False)
    response.resume()
    assert (receiver.data, receiver.ended) == (MASKED * 2 + b"data: rest", False)
    response.resume()
    assert receiver.ends == [None]


@given(st.lists(st.sampled_from([KEY, KEY[:9], KEY[9:], "\n\n", "data: ", "x", '"']), max_size=12), st.data())
def test_the_cuts_do_not_matter(words: list[str], data: st.DataObject) -> None:
    text = "".join(words).encode()
    response = Driven()
    receiver = masking(response)
    at = 0
    while at < len(text):
        size = data.draw(st.integers(1, 30))
        response.feed(text[at : at + size])
        at += size
    response.finish()
    assert KEY.encode() not in receiver.data
    assert (receiver.data, receiver.ends) == (text.replace(KEY.encode(), b"[key]"), [None])


# -- KindSniffer ---------------------------------------------------------------------------------------


class Sniffed:
    """A response that is sniffed; its body goes to `receiver`, at once if `follows`."""

    def __init__(self, *, follows: bool = True, coding: str = "identity") -> None:
        self.response = Driven(coding)
        self.receiver = Recorder()
        self.kinds: list[Kind | None] = []
        self._follows = follows

    def start(self) -> "Sniffed":
        self.response.push(KindSniffer(self.response, self._on_kind))
        return self

    def _on_kind(self, kind: Kind | None) -> None:
        self.kinds.append(kind)
        if self._follows:
            self.response.push(self.receiver)


BODIES: list[tuple[bytes, Kind]] = [
    (b"data: 1\n\n", "events"),
    (b"event: a\ndata: 1\n\n", "events"),
    (b"id: 1\nretry: 3\n\n", "events"),
    (b": comment\n\n", "events"),
    (b"error: x\n\n", "events"),
    (b"\xef\xbb\xbfdata: 1\n\n", "events"),
    (b"\r\n \t\ndata: 1\n\n", "events"),
    (b"\n" * 1024 + b"data: 1\n\n", "events"),
    (b'{"a": 1}', "json"),
    (b"[1]", "json"),
    (b'\n\n "text"', "json"),
    (b"\xef\xbb\xbf{}", "json"),
    (b"<html>", "other"),
    (b"database", "other"),
    (b" " * 1025 + b"data: 1\n\n", "other"),
]


@pytest.mark.parametrize(("body", "kind"), BODIES)
@pytest.mark.parametrize("with_head", [True, False])
def test_a_kind_is_known_wherever_its_bytes_are_cut(body: bytes, kind: Kind, with_head: bool) -> None:
    for pieces in cuts(body):
        scene = Sniffed()
        if with_head:
            scene.response.fed(*pieces)
            scene.start()
        else:
            scene.start().response.fed(*pieces)
        scene.response.finish()
        assert scene.kinds == [kind]
        assert (scene.receiver.data, scene.receiver.ends) == (body, [None])


@pytest.mark.parametrize("coding", CODED)
def test_a_kind_is_known_in_every_encoding(coding: str) -> None:
    for body, kind in BODIES:
        scene = Sniffed(coding=coding).start()
        scene.response.fed(CODED[coding](body)).finish()
        assert (scene.kinds, scene.receiver.data, scene.receiver.ends) == ([kind], body, [None])


@pytest.mark.parametrize("blank", [b"\n", b" \t\r\n", b"\xef\xbb\xbf", b"dat", b" " * 1024])
def test_a_kind_waits_for_the_bytes_that_show_it(blank: bytes) -> None:
    scene = Sniffed().start()
    scene.response.feed(blank)
    assert scene.kinds == []
    scene.response.finish()
    assert (scene.kinds, scene.receiver.data, scene.receiver.ends) == (["other"], blank, [None])


@pytest.mark.parametrize("over", ["whole", "failed", "stopped", "broken"])
@pytest.mark.parametrize("start", [b"", b"\n", b"da"])
@pytest.mark.parametrize("with_head", [True, False])
def test_an_end_before_anything_is_known_is_the_next_receivers(
    over: str, start: bytes, with_head: bool
) -> None:
    scene = Sniffed(coding="gzip" if over == "broken" else "identity")
    response = scene.response
    if not with_head:
        scene.start()
    if start or over == "broken":
        response.feed(start or b"broken")
    if over == "failed":
        response.fail(StreamInterrupted(RESET))
    elif over == "stopped":
        response.stop(REVOKED)
    else:
        response.finish()
    if with_head:
        scene.start()
    assert scene.kinds == ["other" if over == "whole" else None]
    assert len(scene.receiver.ends) == 1, "it does not wait for ever"
    assert (scene.receiver.ends == [None]) is (over == "whole")


@pytest.mark.parametrize("over", ["whole", "failed", "stopped"])
async def test_a_kind_that_is_known_comes_once(over: str) -> None:
    """While the response pauses for what follows."""
    scene = Sniffed(follows=False).start()
    response = scene.response
    response.feed(b"data: 1\n\n")
    assert scene.kinds == ["events"]
    response.feed(b"data: 2\n\n")
    if over == "whole":
        response.finish()
    elif over == "failed":
        response.fail(StreamInterrupted(RESET))
    else:
        response.stop(REVOKED)
    assert scene.kinds == ["events"]
    response.push(scene.receiver)
    receiver = scene.receiver
    assert receiver.data == (b"" if over == "stopped" else b"data: 1\n\ndata: 2\n\n")
    assert len(receiver.ends) == 1


@pytest.mark.parametrize("body", [b'{"a": 1}', b'\n{"a": 1}'])
async def test_a_body_of_a_known_kind_can_be_read_whole(body: bytes) -> None:
    for pieces in cuts(body):
        scene = Sniffed(follows=False).start()
        scene.response.fed(*pieces).finish()
        assert scene.kinds == ["json"]
        assert await scene.response.read() == body


def test_the_bytes_before_a_kind_are_bounded() -> None:
    scene = Sniffed(follows=False).start()
    scene.response.fed(*[b" " * 100] * 100)
    assert scene.kinds == ["other"]
    assert scene.response._received.size == 10_000


@pytest.mark.parametrize("secret", [True, False])
async def test_a_closed_response_and_its_receivers_are_freed_at_once(secret: bool) -> None:
    gc.collect()
    gc.disable()
    try:
        scene: Any = Sniffed()
        if secret:
            scene.receiver = SecretRemover(scene.response, SECRET, Recorder(lambda _: None))
        scene.start().response.fed(b"data: 1\n\n", b"data: 2")
        await scene.response.close()
        left = [weakref.ref(scene.response), weakref.ref(scene)]
        del scene
        assert [each() for each in left] == [None, None]
    finally:
        gc.enable()
