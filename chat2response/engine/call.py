"""`Call`: one request as the engine takes it. `Answer`: what the engine returns."""

from collections.abc import Sequence
from typing import Protocol

from chat2response.convert.client_profiles import DEFAULT, ClientProfile
from chat2response.convert.dialects.surfaces import Surface
from chat2response.convert.losses import Fidelity, Losses
from chat2response.engine.sink import Sink
from chat2response.keys.record import ApiKey
from chat2response.upstreams.base import ClientContext
from chat2response.wire.headers import HeaderList
from chat2response.wire.json_repair import Repair
from chat2response.wire.values import Struct

JSON_TYPE = "application/json"
SSE_TYPE = "text/event-stream; charset=utf-8"


class Call(Struct, kw_only=True):
    """What a client requests. `tenant`: the key's id; `open` where no keys are issued; None in passthrough,
    where no state is stored.
    """

    surface: Surface
    body: bytes
    request_id: str
    tenant: str | None = None
    authorization: str | None = None
    """The client's own credentials, in passthrough."""
    conversation_id: str | None = None
    previous_response_id: str | None = None
    """Both come from the query string of `/proxy`."""
    hops: int = 0
    key: ApiKey | None = None
    """The key that the call runs under, where the gateway issues keys."""
    stall: float = 0.0
    """Seconds of silence allowed to a stream's upstream; 0: the default for all upstreams."""
    client: ClientProfile = DEFAULT
    """What the client needs of the answer's form."""
    fidelity: Fidelity | None = None
    """What to do about losses, as the client requests it; None: the operator's setting."""
    repairs: Sequence[Repair] = ()
    """The repairs that turned `body` into strict JSON."""

    def __repr__(self) -> str:
        return f"Call({self.request_id!r})"  # without the client's credentials

    def client_context(self, *, stream: bool) -> ClientContext:
        """The parts of the client's request that go upstream with the call."""
        stall = self.stall if stream else 0.0
        return ClientContext(self.authorization, self.request_id, stream, self.hops, stall)

    def without_key(self, text: str) -> str:
        """`text` with the client's own credentials masked."""
        token = (self.authorization or "").partition(" ")[2].strip()
        return text.replace(token, "[key]") if token else text


class OutgoingStream(Protocol):
    """The body of a streamed answer."""

    async def send(self, sink: Sink) -> None:
        """Pushes the frames to `sink`, and returns after the terminal event. Does not raise BridgeErrors."""
        ...

    def keepalive(self) -> bytes:
        """A keepalive that fits after the frames written so far; empty if none may be sent now."""
        ...


class Answer(Struct):
    """Exactly one of `body` and `stream` is set. Send `stream` to its end, or leave the context."""

    status: int
    media_type: str
    headers: HeaderList
    losses: Losses
    body: bytes | None = None
    stream: OutgoingStream | None = None
