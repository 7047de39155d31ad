"""A pushed body in every order of events: a random test against a simple model.

The connection feeds, finishes or fails; the user pushes, pauses, resumes, puts back, stops and closes, also
inside the callbacks. Whatever they do, each receiver gets the next bytes of the body, and one end.
"""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chat2response.net.received_bytes import SLICE
from chat2response.net.transport import StreamInterrupted
from chat2response.wire.fault import CANCELLED, RESET, REVOKED, Fault
from tests.support.driven_response import CODED, Driven, End

TEXT = bytes(range(251)) * 300 + b"\0" * 200_000  # more than four slices, and what compresses well
CODED_TEXTS = {coding: encode(TEXT) for coding, encode in CODED.items()}
TURNS = 8  # of the loop: enough to decode the text


class Model:
    """What must hold of a response, and the receivers that check it."""

    def __init__(self, coding: str, inside: Iterator[str]) -> None:
        self.coded = coding != "identity"
        self.coded_text = CODED_TEXTS[coding]
        self.response = Driven(coding)
        self.inside = inside
        self.fed = 0  # encoded bytes
        self.taken = 0  # decoded bytes
        self.paused = False
        self.fault: Fault | None = None
        self.stopped = False
        self.finished = False
        self.receiver: Checked | None = None

    def act(self, action: str, last: bytes = b"") -> None:
        response = self.response
        if action == "push":
            self.receiver, self.paused = Checked(self), False
            response.push(self.receiver)
        elif action == "pause":
            self.paused = True
            response.pause()
        elif action == "resume":
            self.paused = False
            response.resume()
        elif action == "put back" and not self.stopped:
            self.taken -= len(last)
            response.put_back(last)
            self.act("push")
        elif action == "stop":
            self.stop()

    def stop(self) -> None:
        self.fault = self.fault or REVOKED
        self.stopped, self.paused = True, False
        receiver = self.receiver
        self.response.stop(REVOKED)
        assert receiver is None or receiver.ended, "a stop ends the receiver at once"

    def feed(self, size: int) -> None:
        data = self.coded_text[self.fed : self.fed + size]
        if data and not (self.finished or self.fault is RESET or self.response.line.paused):
            self.fed += len(data)
            self.response.feed(data)
            if self.fault is None:
                assert self.response._received.size <= 16 * 1024 or self.response.line.paused

    def finish(self) -> None:
        if self.fault is not RESET:
            self.finished = True
            self.response.finish()

    def fail(self) -> None:
        if not self.finished:
            self.fault = self.fault or RESET
            self.response.fail(StreamInterrupted(CANCELLED if self.fault is REVOKED else RESET))

    async def close(self, *, finished: bool) -> None:
        self.receiver = None
        await self.response.close(finished=finished)
        assert self.response.line.aborts or self.finished

    async def check(self) -> None:
        """Once nothing moves, all that may pass has passed."""
        for _ in range(TURNS if self.coded else 0):
            await asyncio.sleep(0)
        if self.receiver is None or self.paused:
            return
        if not self.coded and not self.stopped:
            assert self.taken == self.fed
        if self.finished or self.fault is not None:
            assert self.receiver.ended, "an end does not get lost"
        elif self.fed < len(self.coded_text):
            assert not self.response.line.paused, "reading goes on when all is taken"


class Checked:
    """A receiver that does what the model says inside its callbacks."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.ended = False

    def on_data(self, data: bytes, /) -> None:
        model = self.model
        assert model.receiver is self and not self.ended
        assert not (model.paused or model.stopped)
        assert 0 < len(data) <= SLICE
        assert data == TEXT[model.taken : model.taken + len(data)], "the next bytes of the body"
        model.taken += len(data)
        model.act(next(model.inside, ""), data)

    def on_end(self, error: End, /) -> None:
        model = self.model
        assert model.receiver is self and not self.ended
        assert not model.paused
        self.ended = True
        if model.fault is not None and not (model.finished and model.fault is RESET):
            assert isinstance(error, StreamInterrupted) and error.fault in (model.fault, RESET)
        elif model.fed == len(model.coded_text):
            assert error is None and model.taken == len(TEXT)
        else:
            assert model.coded is (error is not None) or model.fed == 0
        if next(model.inside, "") == "push":
            model.act("push")


ACTIONS = st.sampled_from(["", "", "", "push", "pause", "resume", "put back", "stop"])
STEPS = st.one_of(
    st.tuples(st.just("feed"), st.sampled_from([1, 7, 1000, SLICE, 64 * 1024])),
    st.tuples(st.sampled_from(["push", "pause", "resume", "turn"]), st.just(0)),
    st.tuples(st.sampled_from(["stop", "finish", "fail", "rest"]), st.just(0)),
)


@pytest.mark.parametrize("coding", CODED)
def test_whatever_happens_the_body_passes_in_order_and_ends_once(coding: str) -> None:
    @settings(max_examples=200)
    @given(
        st.lists(STEPS, max_size=25),
        st.lists(ACTIONS, max_size=20),
        st.sampled_from([None, True, False]),
    )
    def run(steps: list[tuple[str, int]], inside: list[str], close: bool | None) -> None:
        asyncio.run(_run(Model(coding, iter(inside)), steps, close))

    run()


async def _run(model: Model, steps: list[tuple[str, int]], close: bool | None) -> None:
    for name, size in steps:
        if name == "feed":
            model.feed(size)
        elif name == "rest":
            model.feed(len(model.coded_text))
        elif name == "finish":
            model.finish()
        elif name == "fail":
            model.fail()
        elif name == "turn":
            await asyncio.sleep(0)
        else:
            model.act(name)
        await model.check()
    if close is not None and (model.finished or model.fault is not None or not close):
        await model.close(finished=close)
