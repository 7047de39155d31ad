"""`Upstream`: where a call goes, whatever it speaks."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from chat2response.convert.echoed_fields import Echo
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Fidelity, Losses
from chat2response.convert.policy import ReasoningForm
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.writer.protocol import Writer
from chat2response.observe.redact import shown_url
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.machine import Fault
from chat2response.wire.responses import Response

UpstreamDialect = Literal["chat", "responses", "demo"]
PATHS: Mapping[UpstreamDialect, str] = {"chat": "/chat/completions", "responses": "/responses"}
"""The endpoint of each dialect that is spoken over HTTP, below an upstream's base address."""
HeaderList = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Target:
    """One upstream as the operator configured it."""

    dialect: UpstreamDialect
    base_url: str = ""
    api_key: str | None = field(default=None, repr=False)
    """The operator's key for it: sent in place of the client's credentials. None: none, or theirs."""
    managed: bool = True
    """Whether a 401 of this upstream concerns the operator (our key) rather than the client (theirs)."""
    quirks: Quirks = OPENAI_COMPATIBLE
    """How it differs, where it speaks Chat."""
    model: str | None = None
    """The model that every call goes to, whatever name the client used; None: the client's."""
    text_input: bool = False
    """Whether a Responses server takes `input` as a text only."""

    @property
    def shown_address(self) -> str:
        """Where calls to it go, for the log: without a login; `demo` where they stay here."""
        path = PATHS.get(self.dialect)
        return self.dialect if path is None else f"{shown_url(self.base_url)}{path}"

    def with_model(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """A request's fields with the model's name as this upstream knows it."""
        return fields if self.model is None else {**fields, "model": self.model}


@dataclass(slots=True)  # not frozen: it is made for each call, and freezing is most of what that costs
class ClientContext:
    """What of the client's own request goes along with it."""

    authorization: str | None = field(default=None, repr=False)
    """The client's `Authorization`, where it is passed through."""
    request_id: str = ""
    stream: bool = False
    hops: int = 0
    """Gateways like this one that the call has come through."""
    fidelity: Fidelity = "warn"
    """What becomes of a field that this upstream cannot be told."""
    stall: float = 0.0
    """Seconds of silence that its answer may have once it has begun, where that is more than usual."""
    large: bool = False
    """Whether the request is written beside the loop."""


Read = Callable[[Echo, Ids, Clock, ReasoningForm, Losses], Response]


@dataclass(slots=True)  # not frozen: it is made for each call, and freezing is most of what that costs
class Reply:
    """A whole JSON answer: `read` makes the response of it. Raises UpstreamError where it is none."""

    status: int
    headers: HeaderList
    losses: Losses
    read: Read
    large: bool = False
    """Whether it is read beside the loop."""


class Turn(Protocol):
    """A streamed answer whose head has arrived."""

    status: int
    headers: HeaderList
    """Those of the upstream's that reach the client."""
    losses: Losses

    @property
    def started(self) -> bool:
        """Whether a first event has been read."""
        ...

    @property
    def output_chars(self) -> int:
        """What the model has said so far, in characters, where something bounds it."""
        ...

    def reads(self) -> AsyncIterator[None]:
        """Each step: one network read was fed to the writer. Ends when the turn has its outcome."""
        ...

    def stop(self, fault: Fault) -> None:
        """Ends the turn now, with `fault`: wakes the pending read."""
        ...


class RawReply(Protocol):
    """An answer whose bytes are passed on."""

    status: int
    headers: HeaderList

    @property
    def media_type(self) -> str:
        """The upstream's content type, or what its body shows to be the right one."""
        ...

    async def streams(self) -> bool:
        """Whether the body is a stream of events; waits for its first bytes if its type is another."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """What arrives, as it arrives; ends at the end of the body or with net.Cut."""
        ...

    async def read(self) -> bytes:
        """All of it."""
        ...

    def stop(self, fault: Fault) -> None:
        """Ends it now: wakes the pending read."""
        ...


class Upstream(Protocol):
    """Takes a request from the hub, or a finished body in its own dialect."""

    def body(self, request: HubRequest, target: Target, losses: Losses) -> bytes:
        """The request in this upstream's dialect, as the bytes that will be sent."""
        ...

    def open(
        self,
        request: HubRequest | bytes,
        target: Target,
        writer: Writer,
        context: ClientContext,
        reasoning: ReasoningForm,
    ) -> AbstractAsyncContextManager[Turn]:
        """A stream, read into `writer`. Entering raises UpstreamError: nothing was sent to the client yet.

        Failing to enter closes what was opened.
        """
        ...

    async def once(self, request: HubRequest | bytes, target: Target, context: ClientContext) -> Reply:
        """A JSON answer. Cancelling closes the upstream."""
        ...

    def relay(
        self, body: bytes, target: Target, context: ClientContext
    ) -> AbstractAsyncContextManager[RawReply]:
        """The upstream's own bytes, errors included."""
        ...

    async def models(self, target: Target, context: ClientContext) -> bytes:
        """The upstream's list of models (`{"object": "list", "data": [...]}`), as JSON."""
        ...
