"""`Call`: one request as the engine takes it. `Answer`: what it gives back."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from chat2response.convert.client_profiles import DEFAULT, ClientProfile
from chat2response.convert.losses import Fidelity, Losses
from chat2response.keys.record import ApiKey
from chat2response.upstreams.base import ClientContext, HeaderList
from chat2response.upstreams.routes import Surface
from chat2response.wire.json_repair import Repair

JSON_TYPE = "application/json"
SSE_TYPE = "text/event-stream; charset=utf-8"
_MAX_MODEL_LENGTH = 200  # characters


@dataclass(slots=True)  # not frozen: it is made for each call, and freezing is most of what that costs
class Call:
    """What a client asked. `tenant` is the key's id, `open` where nobody has one, or None where
    nobody's state is kept (passthrough)."""

    surface: Surface
    body: bytes
    request_id: str
    tenant: str | None = None
    authorization: str | None = field(default=None, repr=False)
    """The client's own credentials, where they are passed through."""
    conversation_id: str | None = None
    previous_response_id: str | None = None
    """Both from the query of `/proxy`."""
    hops: int = 0
    key: ApiKey | None = None
    """The key it runs under, where keys are issued here."""
    stall: float = 0.0
    """Seconds that the upstream of a stream may be silent; 0: as long as any upstream may."""
    client: ClientProfile = DEFAULT
    """What its client needs of an answer of ours."""
    fidelity: Fidelity | None = None
    """How faithful the client wants it; None: as the operator does."""
    repairs: Sequence[Repair] = ()
    """What was mended in `body`, for it was no strict JSON."""
    model: str | None = None
    """The model that it asks for, for the log: known once its body is read, and cut where it is long."""

    def note_model(self, model: object) -> None:
        """Keeps the model of its body, which may be whatever JSON allows."""
        self.model = model[:_MAX_MODEL_LENGTH] if type(model) is str else None if model is None else "?"

    def client_context(self, fidelity: Fidelity, *, stream: bool) -> ClientContext:
        """What of the client goes along upstream."""
        stall = self.stall if stream else 0.0
        return ClientContext(self.authorization, self.request_id, stream, self.hops, fidelity, stall)

    def without_key(self, text: str) -> str:
        """`text` without the credentials that the client's own call was sent up with."""
        token = (self.authorization or "").partition(" ")[2].strip()
        return text.replace(token, "[key]") if token else text


@dataclass(slots=True)
class Answer:
    """Exactly one of `body` and `batches` is set; `batches` is iterated to its end, or the call left."""

    status: int
    media_type: str
    headers: HeaderList
    losses: Losses
    body: bytes | None = None
    batches: AsyncIterator[bytes] | None = None
    keepalive: Callable[[], bytes] | None = None
    """With `batches`: a sign of life that fits behind those that were taken; nothing where there is none."""
