"""`Upstream`: the interface of everything that answers calls."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Fidelity, Losses
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.reasoning_form import ReasoningForm
from chat2response.convert.writer.protocol import Writer
from chat2response.observe.redact import shown_url
from chat2response.wire.fault import Fault
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.responses import Response

UpstreamDialect = Literal["chat", "responses", "demo"]
PATHS: Mapping[UpstreamDialect, str] = {"chat": "/chat/completions", "responses": "/responses"}
"""The endpoint of each dialect over HTTP, below an upstream's base address."""
HeaderList = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Target:
    """One upstream, as the operator configured it."""

    dialect: UpstreamDialect
    base_url: str = ""
    api_key: str | None = field(default=None, repr=False)
    """The operator's key, sent in place of the client's credentials. None: no key, or passthrough."""
    managed: bool = True
    """Whether a 401 concerns the operator (the gateway's key) rather than the client (its own key)."""
    quirks: Quirks = OPENAI_COMPATIBLE
    """How the server differs, if it speaks Chat."""
    model: str | None = None
    """The model that every call goes to, whatever the client requests; None: the client's."""
    text_input: bool = False
    """Whether a Responses server takes `input` only as text."""

    @property
    def shown_address(self) -> str:
        """The address of its calls for the log, without credentials; `demo` for the demo."""
        path = PATHS.get(self.dialect)
        return self.dialect if path is None else f"{shown_url(self.base_url)}{path}"

    def with_model(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """A request's fields with the upstream's name of the model."""
        return fields if self.model is None else {**fields, "model": self.model}


@dataclass(slots=True)  # not frozen: one is created per call, and freezing is most of its cost
class ClientContext:
    """The parts of the client's request that an upstream needs."""

    authorization: str | None = field(default=None, repr=False)
    """The client's `Authorization` in passthrough."""
    request_id: str = ""
    stream: bool = False
    hops: int = 0
    """The number of gateways like this one that the call has passed."""
    fidelity: Fidelity = "warn"
    """What to do about fields that this upstream does not support."""
    stall: float = 0.0
    """Seconds of silence allowed within the answer, if longer than usual; 0: the usual limit."""
    large: bool = False
    """Whether to write the request in a thread."""


Read = Callable[[EchoedFields, Ids, Clock, ReasoningForm, Losses], Response]


@dataclass(slots=True)  # not frozen: one is created per call, and freezing is most of its cost
class Reply:
    """A whole JSON answer. `read` makes it a response, or raises UpstreamError."""

    status: int
    headers: HeaderList
    losses: Losses
    read: Read
    large: bool = False
    """Whether to read it in a thread."""


class Turn(Protocol):
    """A streamed answer whose head has arrived."""

    status: int
    headers: HeaderList
    """The upstream's headers that reach the client."""
    losses: Losses

    @property
    def started(self) -> bool:
        """Whether the first event has been read."""
        ...

    @property
    def output_chars(self) -> int:
        """The characters of output so far, for the size limit."""
        ...

    def reads(self) -> AsyncIterator[None]:
        """Yields after each network read that was fed to the writer. Ends when the turn has its outcome."""
        ...

    def stop(self, fault: Fault) -> None:
        """Ends the turn with `fault`: wakes the pending read."""
        ...


class RawReply(Protocol):
    """An answer whose bytes are relayed."""

    status: int
    headers: HeaderList

    @property
    def media_type(self) -> str:
        """The upstream's content type, or the type that the body proves to have."""
        ...

    async def streams(self) -> bool:
        """Whether the body is an event stream. Waits for its first bytes if the content type is another."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """The chunks as they arrive. Ends with the body, or raises StreamInterrupted."""
        ...

    async def read(self) -> bytes:
        """The whole body."""
        ...

    def stop(self, fault: Fault) -> None:
        """Ends the answer: wakes the pending read."""
        ...


class Upstream(Protocol):
    """Takes a hub request, or a finished body in its own dialect."""

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
        """A stream that is read into `writer`. Entering raises UpstreamError before anything is sent to the
        client.

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
