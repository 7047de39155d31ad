"""`Dialect`: one API as a value. Everything that depends on an API is one of its methods.

The engine and the upstreams call these methods and never ask for a dialect's name. So a new dialect is a
folder with one such value. The folders in `convert/dialects/` have the same file names.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from chat2response.convert.client_profiles import ClientProfile
from chat2response.convert.dialects.references import Reference
from chat2response.convert.echoed_fields import EchoedFields
from chat2response.convert.hub import HubRequest
from chat2response.convert.losses import Fidelity, Losses
from chat2response.convert.policy import DEFAULT_POLICY, Policy
from chat2response.convert.quirks.quirks import OPENAI_COMPATIBLE, Quirks
from chat2response.convert.reader import Reader
from chat2response.convert.reasoning.reasoning_form import ReasoningForm
from chat2response.convert.writer.events import Event
from chat2response.convert.writer.protocol import Writer
from chat2response.errors import BridgeError, UpstreamError
from chat2response.wire.ids import Clock, Ids
from chat2response.wire.responses import Response, Usage


@dataclass(frozen=True, slots=True)
class Backend:
    """What conversion knows of the server that a request is written for."""

    model: str | None = None
    """The model that every call goes to, whatever the client requests; None: the client's."""
    quirks: Quirks = OPENAI_COMPATIBLE
    """How the server differs, if it speaks Chat."""
    text_input: bool = False
    """Whether a Responses server takes `input` only as text."""
    policy: Policy = DEFAULT_POLICY
    """What to do about tools and calls that the server does not support."""


class Peek(Protocol):
    """The few fields of a request that decide how it is handled, read without decoding the others."""

    @property
    def model(self) -> Any: ...

    @property
    def stream(self) -> Any: ...

    @property
    def ids(self) -> Sequence[str] | None:
        """The ids of the items it names; None: only decoding the whole request shows what it refers to."""
        ...

    @property
    def stored(self) -> bool:
        """Whether the upstream stores the answer."""
        ...

    @property
    def choices(self) -> int:
        """The number of choices requested."""
        ...


class AnswerDecoder(Protocol):
    """Reads the answer to one request; it knows what writing that request decided."""

    def reader(self, writer: Writer) -> Reader:
        """Reads a stream into `writer`."""
        ...

    def response(
        self, answer: Any, echo: EchoedFields, ids: Ids, clock: Clock, losses: Losses | None = None
    ) -> Response:
        """The response in a whole JSON answer. Raises UpstreamError if it is none."""
        ...


class Encoder(Protocol):
    """Encodes the events of one response, batch by batch."""

    def encode(self, events: Sequence[Event]) -> bytes:
        """The frames of a batch."""
        ...


class ChoicesEncoder(Protocol):
    """Encodes several responses as the choices of one stream."""

    failed: bool
    """Whether a choice has failed, which ends the stream."""

    def encode(self, choice: int, events: Sequence[Event]) -> bytes:
        """The frames of a batch of one choice."""
        ...

    def end(self) -> bytes:
        """The frames that end the stream."""
        ...


class Choices(Protocol):
    """How an API returns several answers (`n`) to one request."""

    def encoder(self, hub: HubRequest, losses: Losses, count: int) -> ChoicesEncoder:
        """Encodes `count` responses as one stream."""
        ...

    def write(self, responses: Sequence[Response], model: str, losses: Losses, *, legacy: bool) -> bytes:
        """The whole answer for these responses. `model`: the name that the client requested."""
        ...


class Tap(Protocol):
    """Reads a copy of the whole frames of a relayed stream, and changes nothing."""

    ended: bool
    """Whether the stream has ended."""
    end: bytes
    """The payload of the event that ended the stream; later events do not belong to it."""
    usage: Usage | None
    status: str
    """The final status: completed, incomplete or failed."""
    saw_error: bool
    """Whether an error has been seen: its text may contain secrets."""

    @property
    def response_id(self) -> str | None:
        """The response's id, once it is known; None for Chat."""
        ...

    def feed(self, frames: bytes) -> Sequence[str]:
        """Reads frames before they are relayed.

        Returns the new ids in them that the upstream stores.
        """
        ...

    def withhold(self) -> None:
        """Takes back the last `feed`: its frames could not be relayed."""
        ...

    def response(self, ids: Ids, clock: Clock) -> Response | None:
        """The finished response; None if it failed, or is too large to be kept."""
        ...

    def close(self, error: BridgeError) -> bytes:
        """The bytes that end the stream; empty if it has ended.

        `error`: why the stream stopped; an error in its own frames comes before this one.
        """
        ...


class Dialect(ABC):
    """One API, for clients and for upstreams. The methods with a body are for what not every API has."""

    name: ClassVar[str]
    """The name in settings, scopes and metrics."""
    title: ClassVar[str]
    """The name in messages."""
    path: ClassVar[str]
    """The endpoint over HTTP, below an upstream's base address."""
    stateful: ClassVar[bool] = False
    """Whether its requests refer to stored objects by id."""
    seals_reasoning: ClassVar[bool] = False
    """Whether its servers encrypt reasoning that travels through clients; else the gateway does."""
    stops_at_strings: ClassVar[bool] = True
    """Whether its servers support stop strings; else the gateway watches for them."""
    reports_failure: ClassVar[bool] = False
    """Whether a whole answer can say that the response failed; else that is an HTTP status."""
    choices: ClassVar[Choices | None] = None
    """How it returns several answers; None: a request has one answer."""

    # -- requests ------------------------------------------------------------------------------------

    @abstractmethod
    def peek(self, body: bytes) -> Peek:
        """The fields of `body` that decide how it is handled. Raises JSONError, TypeError (no object)."""

    @abstractmethod
    def read_request(self, fields: Mapping[str, Any]) -> HubRequest:
        """The hub's request for a decoded body. Loses nothing. Raises InvalidRequest."""

    @abstractmethod
    def write_request(self, hub: HubRequest, backend: Backend, losses: Losses) -> tuple[bytes, AnswerDecoder]:
        """The body for a server, and the decoder of its answer.

        What the API cannot express is a loss, or raises InvalidRequest.
        """

    @abstractmethod
    def decoder(self, backend: Backend, form: ReasoningForm) -> AnswerDecoder:
        """The decoder of an answer to a body that the client wrote itself."""

    def correct(
        self, error: UpstreamError, hub: HubRequest, backend: Backend, fidelity: Fidelity
    ) -> Backend | None:
        """The backend to write `hub` for once more, after a server rejected its form; None: no other form.

        No correction returns a backend that leads to itself, so each happens once.
        """
        return None

    # -- requests that the client wrote itself ---------------------------------------------------------

    def for_backend(self, body: bytes, backend: Backend, losses: Losses) -> bytes:
        """The client's own body with the least changes that `backend` needs. Raises InvalidRequest."""
        return body

    def with_usage(self, body: bytes, fields: Mapping[str, Any], hub: HubRequest, backend: Backend) -> bytes:
        """The client's own body for an answer that is converted: its stream is made to report usage.

        `fields`: `body`, decoded. Raises InvalidRequest for what a converted answer cannot have.
        """
        return body

    def limited(
        self, fields: Mapping[str, Any], backend: Backend, *, cap: int | None, needs_usage: bool
    ) -> tuple[Mapping[str, Any], bool]:
        """The client's own request with its key's limits, and whether to hide the usage that they add.

        `cap`: the output limit to set. `needs_usage`: a stream must report its usage. Returns the
        same object if nothing changes.
        """
        return fields, False

    def without_refused_content(self, body: bytes, refusal: bytes, losses: Losses) -> bytes | None:
        """The client's own body without what led to `refusal`, the server's answer; None: nothing to omit."""
        return None

    def references(self, fields: Mapping[str, Any]) -> list[Reference]:
        """The stored objects that a request refers to. Raises InvalidRequest for a shape no client sends."""
        return []

    def references_in_body(self, body: bytes) -> list[Reference]:
        """`references` for a body that goes upstream unchanged. Raises InvalidRequest for a duplicate key."""
        return []

    # -- answers -------------------------------------------------------------------------------------

    @abstractmethod
    def encoder(self, hub: HubRequest, client: ClientProfile, losses: Losses) -> Encoder:
        """The encoder of a stream, with the options of the client's request and its profile."""

    @abstractmethod
    def write_response(
        self, response: Response, model: str, client: ClientProfile, losses: Losses, *, legacy: bool = False
    ) -> bytes:
        """A whole answer. `model`: the name that the client requested. `legacy`: the client uses the
        deprecated `functions`. Raises UpstreamError for a failure.
        """

    @abstractmethod
    def tap(
        self, *, stored: bool, choices: int, client: ClientProfile, max_item_bytes: int, keep: bool
    ) -> Tap:
        """The tap of a relayed stream. `max_item_bytes`: the bytes of output that it may buffer. `keep`: its
        `response` will be needed.
        """

    def created_ids(self, answer: dict[str, Any], *, stored: bool) -> list[str]:
        """The ids of the stored objects that a whole answer created."""
        return []

    def may_create_ids(self, body: bytes, *, stored: bool) -> bool:
        """Whether a whole answer may name stored objects: others are not decoded."""
        return False
