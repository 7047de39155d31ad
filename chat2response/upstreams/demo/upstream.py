"""The built-in upstream: no network, no model, the same answer every time. Only ever chosen by name.

It has no dialect: every call is converted, so it shows the bridge from both sides. What it says is in
`demo_script.py`; here it is said, a word at a time.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from chat2response.convert.dialects.chat.tools.tool_call_restore import restore_tool_calls
from chat2response.convert.dialects.chat.tools.tool_map import ToolMap
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Losses
from chat2response.convert.outcome import Outcome, from_fault
from chat2response.convert.policy import ReasoningForm
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.errors import BridgeError
from chat2response.upstreams.base import HeaderList, Origin, RawReply, Reply, Target
from chat2response.upstreams.demo.request import Ask
from chat2response.upstreams.demo.script import MODELS, Script, script
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.json import encode
from chat2response.wire.machine import Fault
from chat2response.wire.responses import Response

_CREATED = 1_767_225_600  # 2026-01-01
_MODELS = {
    "object": "list",
    "data": [
        {"id": model, "object": "model", "created": _CREATED, "owned_by": "chat2response"} for model in MODELS
    ],
}


class DemoUpstream:
    """Upstream without a server. `delay`: seconds between the words of a stream."""

    def __init__(self, *, delay: float = 0.03) -> None:
        self._delay = delay

    def body(self, ask: HubRequest, target: Target, losses: Losses) -> bytes:
        """There is no dialect to write it in: never asked for."""
        raise _no_bytes()

    def open(
        self,
        ask: HubRequest | bytes,
        target: Target,
        writer: Writer,
        origin: Origin,
        reasoning: ReasoningForm,
    ) -> "DemoTurn":
        """A streamed turn. Raises as `script` does."""
        losses = Losses(origin.fidelity)
        asked = _asked(ask, losses)
        writer = restore_tool_calls(writer, asked.tools)
        return DemoTurn(script(asked), writer, reasoning, self._delay, losses)

    async def once(self, ask: HubRequest | bytes, target: Target, origin: Origin) -> Reply:
        """The whole answer, at once. Raises as `script` does."""
        losses = Losses(origin.fidelity)
        asked = _asked(ask, losses)
        whole = script(asked)

        def read(echo: EchoedFields, ids: Ids, clock: Clock, form: ReasoningForm, lost: Losses) -> Response:
            return _played(whole, ResponseWriter(echo, ids, clock), asked.tools, form)

        return Reply(200, [], losses, read)

    def relay(self, body: bytes, target: Target, origin: Origin) -> AbstractAsyncContextManager[RawReply]:
        """There are no bytes to pass on: never asked for."""
        raise _no_bytes()

    async def models(self, target: Target, origin: Origin) -> bytes:
        """Those of `demo_script`."""
        return encode(_MODELS)


class DemoTurn:
    """A Turn: one step of the script in each read, `delay` seconds apart; the first comes at once."""

    def __init__(
        self, words: Script, writer: Writer, form: ReasoningForm, delay: float, losses: Losses
    ) -> None:
        self.status = 200
        self.headers: HeaderList = []
        self.losses = losses
        self.heard = False
        self.said = 0  # a script has its end
        self._script = words
        self._writer = writer
        self._form: ReasoningForm = form
        self._delay = delay
        self._fault: Fault | None = None
        self._waker: asyncio.Future[None] | None = None

    async def __aenter__(self) -> "DemoTurn":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is open."""

    async def reads(self) -> AsyncIterator[None]:
        """Says the script, to its end or until `stop`."""
        said, steps = 0, self._script.steps
        for step in steps:
            if said:
                await self._pause()
            if self._fault is not None or self._writer.done:
                break
            self._script.play(step, self._writer, self._form)
            self.heard = True
            said += 1
            yield
        self._writer.end_turn(self._script.usage(said), self._ending(whole=said == len(steps)))

    def stop(self, fault: Fault) -> None:
        """Ends the turn now: wakes the pause between two words."""
        self._fault = self._fault or fault
        _wake(self._waker)

    def _ending(self, *, whole: bool) -> Outcome:
        """What has been said to its end stays said, whatever comes then."""
        if whole:
            return self._script.ending
        return Outcome() if self._fault is None else from_fault(self._fault)

    async def _pause(self) -> None:
        loop = asyncio.get_running_loop()
        waker = self._waker = loop.create_future()
        timer = loop.call_later(self._delay, _wake, waker)
        try:
            await waker
        finally:
            timer.cancel()


def _wake(waker: "asyncio.Future[None] | None") -> None:
    if waker is not None and not waker.done():
        waker.set_result(None)


def _asked(ask: HubRequest | bytes, losses: Losses) -> Ask:
    if isinstance(ask, bytes):
        raise _no_bytes()
    return Ask.of(ask, losses)


def _played(whole: Script, writer: ResponseWriter, tools: ToolMap, form: ReasoningForm) -> Response:
    """The script as one response: the fold of its stream. Raises its error where it ends in one."""
    if whole.ending.error is not None:
        raise whole.ending.error
    writer.begin()
    said = restore_tool_calls(writer, tools)
    for step in whole.steps:
        whole.play(step, said, form)
    said.end_turn(whole.usage(len(whole.steps)), whole.ending)
    writer.finish()
    return writer.response


def _no_bytes() -> BridgeError:
    return BridgeError("The gateway failed.", internal="the demo upstream has no dialect: plan must convert")
