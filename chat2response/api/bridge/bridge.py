"""`Bridge`: the handler of `/proxy`, `/v1/responses` and `/v1/chat/completions`.

The order is: check the key, then the size, then read the body (law 10, every buffer has a bound). When the
client disconnects, the upstream call is stopped at once, whether the response has begun or not.
"""

from chat2response.api.bridge.authentication import Authenticator
from chat2response.api.bridge.timed_sink import StreamTimeouts, TimedSink
from chat2response.api.http.asgi_sink import AsgiSink
from chat2response.api.http.body_buffers import Allocation, BodyBuffers
from chat2response.api.http.disconnect import on_disconnect
from chat2response.api.http.query import query_parameters
from chat2response.api.http.request import HOPS, Request
from chat2response.convert.client_profiles import CLIENT_PROFILES, DEFAULT, ClientProfile
from chat2response.convert.client_profiles import HEADER as PROFILE_HEADER
from chat2response.convert.dialects.surfaces import PROXY, Surface
from chat2response.convert.losses import FIDELITIES, FIDELITY_HEADER, HEADER, Fidelity
from chat2response.convert.requests.request_body import too_many_containers
from chat2response.engine.call import Call, OutgoingStream
from chat2response.engine.engine import Engine
from chat2response.engine.run import Run
from chat2response.errors import InvalidRequest
from chat2response.wire.fault import CANCELLED, TIMEOUT
from chat2response.wire.headers import HeaderList
from chat2response.wire.json_size import TooManyContainers
from chat2response.wire.large_documents import check_structure, is_large

_LOSSES = HEADER.encode()
_PROFILE = PROFILE_HEADER.encode()
_FIDELITY = FIDELITY_HEADER.encode()
PROXY_PARAMETERS = PROXY.query_parameters
# Tell proxies neither to buffer nor to change a stream.
_STREAM_HEADERS: HeaderList = [(b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no")]


class Bridge:
    """The handler of one surface."""

    def __init__(
        self,
        surface: Surface,
        engine: Engine,
        authenticator: Authenticator,
        max_body: int,
        buffers: BodyBuffers,
        client: ClientProfile = DEFAULT,
        timeouts: StreamTimeouts = StreamTimeouts(),  # noqa: B008  (frozen)
    ) -> None:
        """`client`: the profile for clients that name none."""
        self._client = client
        self._timeouts = timeouts
        self._surface = surface
        self._engine = engine
        self._authenticator = authenticator
        self._max_body = max_body
        self._buffers = buffers

    async def __call__(self, request: Request) -> None:
        caller = await self._authenticator.authenticate(request, self._surface.reads.name)
        request.tenant = caller.tenant
        payer = caller.authorization if caller.key is None else caller.key.id
        request.allocation = Allocation(self._buffers, payer)
        body = await request.body(self._max_body)
        if is_large(body):
            await check_body(body)
        query = request.scope["query_string"]
        params = query_parameters(query, self._surface.query_parameters) if query else {}
        call = Call(
            surface=self._surface,
            body=body,
            request_id=request.id,
            tenant=caller.tenant,
            authorization=caller.authorization,
            conversation_id=params.get("conversation_id"),
            previous_response_id=params.get("previous_response_id"),
            hops=request.hops if HOPS in request.headers else 0,
            key=caller.key,
            stall=self._timeouts.stall,
            client=self._client if _PROFILE not in request.headers else _client(request.header(_PROFILE)),
            fidelity=fidelity_of(request) if _FIDELITY in request.headers else None,
        )
        del body  # the call drops it once it is sent
        await deliver(self._engine.open(call), request, self._timeouts)


async def read_body(request: Request, limit: int) -> bytes:
    """Reads a body that is safe to decode.

    Raises what `Request.body` raises, and InvalidRequest for too many arrays and objects.
    """
    body = await request.body(limit)
    if is_large(body):
        await check_body(body)
    return body


async def check_body(body: bytes) -> None:
    """Raises InvalidRequest for too many arrays and objects, before a large body is decoded."""
    try:
        await check_structure(body)
    except TooManyContainers as error:
        raise too_many_containers(error) from None


def fidelity_of(request: Request) -> Fidelity | None:
    """The fidelity that the client requests; None for the operator's default. Raises InvalidRequest."""
    header = request.headers.get(_FIDELITY)
    if header is None:
        return None
    value = header.decode("latin-1").strip().lower()
    for fidelity in FIDELITIES:
        if value == fidelity:
            return fidelity
    raise InvalidRequest(
        f"The header '{FIDELITY_HEADER}' must be one of {', '.join(FIDELITIES)}, not '{value[:50]}'.",
        param=FIDELITY_HEADER,
        code="invalid_value",
    )


async def deliver(run: Run, request: Request, timeouts: StreamTimeouts) -> None:
    """Sends the answer to the client; stops the call when the client disconnects."""
    request.record = run.record
    unwatch, watching = on_disconnect(request, lambda: run.stop(CANCELLED)), True
    try:
        async with run as answer:
            if request.allocation is not None:
                request.allocation.release()  # the request is sent, its bytes are no longer referenced
            losses, headers = answer.losses.header(), answer.headers
            if losses is not None:
                headers = [*headers, (_LOSSES, losses.encode("ascii"))]
            media_type = answer.media_type.encode("latin-1")
            if answer.body is not None:
                unwatch()
                watching = False
                await request.respond(answer.status, answer.body, media_type, headers)
                return
            await request.start(answer.status, media_type, (*headers, *_STREAM_HEADERS))
            assert answer.stream is not None
            await _stream(answer.stream, run, request, timeouts)
            unwatch()  # from here on a disconnect only means that the response has ended
            watching = False
            await request.send({"type": "http.response.body", "body": b""})
    finally:
        if watching:
            unwatch()


async def _stream(stream: OutgoingStream, run: Run, request: Request, timeouts: StreamTimeouts) -> None:
    sink = request.sink()
    timed = TimedSink(sink, stream.keepalive, lambda: run.stop(TIMEOUT), timeouts)
    try:
        await stream.send(timed)
        timed.close()
        if isinstance(sink, AsgiSink):
            await sink.finish()
    finally:
        timed.close()
        request.size = timed.size
        if isinstance(sink, AsgiSink):
            sink.cancel()


def _client(name: str | None) -> ClientProfile:
    """The profile that a client names. Raises InvalidRequest."""
    client = CLIENT_PROFILES.get((name or "").strip().lower())
    if client is None:
        known = ", ".join(CLIENT_PROFILES)
        message = f"Unknown client profile '{(name or '')[:40]}'. {PROFILE_HEADER} must be one of {known}."
        raise InvalidRequest(message, param=PROFILE_HEADER, code="invalid_value")
    return client
