"""`Upstream`: the interface of everything that answers calls. `Target`: where a call goes."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from chat2response.convert.dialects.dialect import Backend, Dialect
from chat2response.net.transport import SLICE, Receiver
from chat2response.observe.redact import shown_url
from chat2response.wire.content_sniffing import Kind
from chat2response.wire.fault import Fault
from chat2response.wire.headers import HeaderList
from chat2response.wire.values import Struct


@dataclass(frozen=True, slots=True)
class Target:
    """One upstream, as the operator configured it."""

    dialect: Dialect
    base_url: str = ""
    api_key: str | None = field(default=None, repr=False)
    """The operator's key, sent in place of the client's credentials. None: no key, or passthrough."""
    managed: bool = True
    """Whether a 401 concerns the operator (the gateway's key) rather than the client (its own key)."""
    backend: Backend = field(default_factory=Backend)
    """What conversion knows of it."""
    name: str = ""
    """The name in metrics, scopes and the log; the dialect's, unless it has its own."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.dialect.name)

    @property
    def url(self) -> str:
        """The address of its calls."""
        return self.base_url + self.dialect.path

    @property
    def shown_address(self) -> str:
        """The address of its calls for the log, without credentials; or its own name, if it has one."""
        if self.name != self.dialect.name:
            return self.name
        return f"{shown_url(self.base_url)}{self.dialect.path}"


class ClientContext(Struct):
    """The parts of the client's request that an upstream needs."""

    authorization: str | None = None
    """The client's `Authorization` in passthrough."""
    request_id: str = ""
    stream: bool = False
    hops: int = 0
    """The number of gateways like this one that the call has passed."""
    stall: float = 0.0
    """Seconds of silence allowed within the answer, if longer than usual; 0: the usual limit."""

    def __repr__(self) -> str:
        return f"ClientContext({self.request_id!r})"  # without the client's credentials


OnKind = Callable[[Kind | None], None]
"""Takes what a body is; None: it was interrupted before its first bytes showed that."""


class Reply(Protocol):
    """An answer whose head has arrived."""

    status: int
    headers: HeaderList
    """The upstream's headers that reach the client."""
    finished: bool
    """Set by the reader after the last event. The body may go on, so closing waits for its end."""

    @property
    def media_type(self) -> str:
        """The upstream's content type, or the type that the body proves to have."""
        ...

    @property
    def claims_stream(self) -> bool | None:
        """Whether the content type is that of an event stream; None if there is none."""
        ...

    def sniff(self, on_kind: OnKind) -> None:
        """Calls `on_kind` when the first bytes show what the body is: at once, if they have arrived.

        Then the answer pauses until `push` or `read`, which get these bytes too.
        """
        ...

    def push(self, receiver: Receiver, slice_size: int = SLICE) -> None:
        """Passes the body to `receiver`: at once what has arrived, then each piece as it arrives.

        `slice_size`: the most bytes that it gets at once.
        """
        ...

    def pause(self) -> None:
        """Passes nothing on until `resume`, except the end of a stop."""
        ...

    def resume(self) -> None:
        """Continues after `pause`."""
        ...

    async def read(self, limit: int = ...) -> bytes:
        """The whole body. Raises UpstreamError if it is interrupted, or larger than `limit` bytes."""
        ...

    def stop(self, fault: Fault) -> None:
        """Ends the answer now: its receiver gets the end at once."""
        ...


class Upstream(Protocol):
    """Sends bodies in a target's dialect."""

    def send(self, body: bytes, target: Target, context: ClientContext) -> AbstractAsyncContextManager[Reply]:
        """Sends `body`. Entering waits for the head, whatever its status; raises UpstreamError.

        Leaving closes the answer, and failing to enter closes what was opened.
        """
        ...

    async def models(self, target: Target, context: ClientContext) -> bytes:
        """The upstream's list of models (`{"object": "list", "data": [...]}`), as JSON."""
        ...
