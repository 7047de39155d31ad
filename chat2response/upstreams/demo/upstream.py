"""The demo upstream. It is chosen only by name.

It has no dialect: every call is converted, so it shows the bridge from both sides. `script.py` writes its
answers; this module plays them, one word at a time.
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
from chat2response.convert.reasoning_form import ReasoningForm
from chat2response.convert.writer.protocol import Writer
from chat2response.convert.writer.response_writer import ResponseWriter
from chat2response.errors import BridgeError
from chat2response.upstreams.base import ClientContext, HeaderList, RawReply, Reply, Target
from chat2response.upstreams.demo.request import DemoRequest
from chat2response.upstreams.demo.script import MODELS, Script, script
from chat2response.wire.fault import Fault
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.json import encode
from chat2response.wire.responses import Response

_CREATED = 1_767_225_600  # 2026-01-01
_MODELS = {
    "object": "list",
    "data": [
        {"id": model, "object": "model", "created": _CREATED, "owned_by": "chat2response"} for model in MODELS
    ],
}


class DemoUpstream:
    """An upstream without a server. `delay`: seconds between the words of a stream."""

    def __init__(self, *, delay: float = 0.03) -> None:
        self._delay = delay

    def body(self, request: HubRequest, target: Target, losses: Losses) -> bytes:
        """Never called: the demo has no dialect to write."""
        raise _no_bytes()

    def open(
        self,
        request: HubRequest | bytes,
        target: Target,
        writer: Writer,
        context: ClientContext,
        reasoning: ReasoningForm,
    ) -> "DemoTurn":
        """A streamed turn. Raises what `script` raises."""
        losses = Losses(context.fidelity)
        demo_request = _demo_request(request, losses)
        writer = restore_tool_calls(writer, demo_request.tools)
        return DemoTurn(script(demo_request), writer, reasoning, self._delay, losses)

    async def once(self, request: HubRequest | bytes, target: Target, context: ClientContext) -> Reply:
        """The whole answer at once. Raises what `script` raises."""
        losses = Losses(context.fidelity)
        demo_request = _demo_request(request, losses)
        whole_script = script(demo_request)

        def read(
            echo: EchoedFields, ids: Ids, clock: Clock, form: ReasoningForm, response_losses: Losses
        ) -> Response:
            return _play_whole(whole_script, ResponseWriter(echo, ids, clock), demo_request.tools, form)

        return Reply(200, [], losses, read)

    def relay(
        self, body: bytes, target: Target, context: ClientContext
    ) -> AbstractAsyncContextManager[RawReply]:
        """Never called: the demo has no bytes to relay."""
        raise _no_bytes()

    async def models(self, target: Target, context: ClientContext) -> bytes:
        """The demo models."""
        return encode(_MODELS)


class DemoTurn:
    """A Turn that plays one step of the script per read, `delay` seconds apart; the first comes at once."""

    def __init__(
        self, whole_script: Script, writer: Writer, form: ReasoningForm, delay: float, losses: Losses
    ) -> None:
        self.status = 200
        self.headers: HeaderList = []
        self.losses = losses
        self.started = False
        self.output_chars = 0  # not bounded: a script ends
        self._script = whole_script
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
        """Plays the script until its end or until `stop`."""
        played, steps = 0, self._script.steps
        for step in steps:
            if played:
                await self._pause()
            if self._fault is not None or self._writer.done:
                break
            self._script.play(step, self._writer, self._form)
            self.started = True
            played += 1
            yield
        self._writer.end_turn(self._script.usage(played), self._ending(complete=played == len(steps)))

    def stop(self, fault: Fault) -> None:
        """Ends the turn: wakes the pause between two words."""
        self._fault = self._fault or fault
        _wake(self._waker)

    def _ending(self, *, complete: bool) -> Outcome:
        """The script's ending if it was played completely, whatever came later; else the fault's."""
        if complete:
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


def _demo_request(request: HubRequest | bytes, losses: Losses) -> DemoRequest:
    if isinstance(request, bytes):
        raise _no_bytes()
    return DemoRequest.of(request, losses)


def _play_whole(
    whole_script: Script, writer: ResponseWriter, tools: ToolMap, form: ReasoningForm
) -> Response:
    """The script as one response. Raises the error that it ends with."""
    if whole_script.ending.error is not None:
        raise whole_script.ending.error
    writer.begin()
    output_chars = restore_tool_calls(writer, tools)
    for step in whole_script.steps:
        whole_script.play(step, output_chars, form)
    output_chars.end_turn(whole_script.usage(len(whole_script.steps)), whole_script.ending)
    writer.finish()
    return writer.response


def _no_bytes() -> BridgeError:
    return BridgeError("The gateway failed.", internal="the demo upstream has no dialect: plan must convert")
