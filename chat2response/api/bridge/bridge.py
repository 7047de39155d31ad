"""`/proxy`, `/v1/responses`, `/v1/chat/completions`: the bridge itself.

The order at the door (law 10): the key, then the size, then the body. A client that hangs up stops the
upstream at once, whether its answer has begun or not.
"""

from chat2response.api.bridge.authentication import Gate
from chat2response.api.bridge.stream_sender import Heart, Rhythm
from chat2response.api.http.body_buffers import Buffers
from chat2response.api.http.disconnect import on_hang_up
from chat2response.api.http.query import parameters_of
from chat2response.api.http.request import FLOW, Flow, HeaderPairs, Request
from chat2response.convert.client_profiles import CLIENT_PROFILES, DEFAULT, ClientProfile
from chat2response.convert.client_profiles import HEADER as PROFILE_HEADER
from chat2response.convert.losses import FIDELITIES, FIDELITY_HEADER, HEADER, Fidelity
from chat2response.engine.call import Answer, Call
from chat2response.engine.engine import Engine
from chat2response.engine.plan import SPOKEN
from chat2response.engine.request_reader import too_many
from chat2response.engine.respond.choices import FanOut
from chat2response.engine.run import Opening
from chat2response.errors import InvalidRequest
from chat2response.upstreams.routes import Surface
from chat2response.wire.json_size import TooManyContainers
from chat2response.wire.large_documents import check_structure, is_large, run_in_thread_if
from chat2response.wire.machine import CANCELLED, TIMEOUT

_LOSSES = HEADER.encode()
_PROFILE = PROFILE_HEADER.encode()
_FIDELITY = FIDELITY_HEADER.encode()
PROXY_PARAMETERS = ("conversation_id", "previous_response_id")
# Proxies must neither buffer nor change a stream.
_STREAM_HEADERS: HeaderPairs = [(b"cache-control", b"no-cache, no-transform"), (b"x-accel-buffering", b"no")]


class Bridge:
    """The handler of one surface."""

    def __init__(
        self,
        surface: Surface,
        engine: Engine,
        gate: Gate,
        max_body: int,
        buffers: Buffers,
        client: ClientProfile = DEFAULT,
        rhythm: Rhythm = Rhythm(),  # noqa: B008  (frozen)
    ) -> None:
        """`client`: the profile of clients that name none."""
        self._client = client
        self._rhythm = rhythm
        self._surface: Surface = surface
        self._parameters = PROXY_PARAMETERS if surface == "proxy" else ()
        self._endpoint = SPOKEN[surface][0]  # `/proxy` takes Chat requests
        self._engine = engine
        self._gate = gate
        self._max_body = max_body
        self._buffers = buffers

    async def __call__(self, request: Request) -> None:
        caller = await self._gate.admit(request, self._endpoint)
        request.tenant = caller.tenant
        request.hold = self._buffers.hold(caller.payer)
        query = request.scope["query_string"]
        asked = parameters_of(query, self._parameters) if query else {}
        call = Call(
            self._surface,
            await read_body(request, self._max_body),
            request.id,
            caller.tenant,
            caller.authorization,
            asked.get("conversation_id"),
            asked.get("previous_response_id"),
            request.hops,
            caller.key,
            self._rhythm.stall,
            self._client if _PROFILE not in request.headers else _client(request.header(_PROFILE)),
            fidelity_of(request),
        )
        await deliver(
            await run_in_thread_if(is_large(call.body), self._engine.open, call), request, self._rhythm
        )


async def read_body(request: Request, limit: int) -> bytes:
    """The body, fit to be decoded. Raises as `Request.body` does; InvalidRequest for too many containers."""
    body = await request.body(limit)
    if is_large(body):
        try:
            await check_structure(body)
        except TooManyContainers as error:
            raise too_many(error) from None
    return body


def fidelity_of(request: Request) -> Fidelity | None:
    """What the client asks for; None where it leaves that to the operator. Raises InvalidRequest."""
    asked = request.headers.get(_FIDELITY)
    if asked is None:
        return None
    word = asked.decode("latin-1").strip().lower()
    for known in FIDELITIES:
        if word == known:
            return known
    raise InvalidRequest(
        f"The header '{FIDELITY_HEADER}' is {', '.join(FIDELITIES)}, not '{word[:50]}'.",
        param=FIDELITY_HEADER,
        code="invalid_value",
    )


async def deliver(opening: Opening | FanOut, request: Request, rhythm: Rhythm) -> None:
    """The answer to the client; its hang-up to the upstream."""
    request.record = opening
    forget = on_hang_up(request, lambda: opening.stop(CANCELLED))
    try:
        async with opening as answer:
            if request.hold is not None:
                request.hold.release()  # the upstream has the request: nobody keeps its bytes any more
            headers = _headers(answer)
            media_type = answer.media_type.encode("latin-1")
            if answer.body is not None:
                forget()
                await request.answer(answer.status, answer.body, media_type, headers)
                return
            await request.start(answer.status, media_type, (*headers, *_STREAM_HEADERS))
            await _stream(answer, opening, request, rhythm)
            forget()  # from here on a disconnect is only the server saying that we are done
            await request.send({"type": "http.response.body", "body": b""})
    finally:
        forget()


async def _stream(answer: Answer, opening: Opening | FanOut, request: Request, rhythm: Rhythm) -> None:
    assert answer.batches is not None and answer.beat is not None
    heart = Heart(request.send, answer.beat, lambda: opening.stop(TIMEOUT), rhythm)
    flow: Flow | None = (request.scope.get("extensions") or {}).get(FLOW)
    try:
        async for batch in answer.batches:
            request.size += len(batch)
            await heart.pass_on(batch)
            if flow is not None and flow.write_paused:
                del batch  # the connection has it: a client that does not read costs it once
                await heart.wait_for(flow.drain())
        await heart.end()
    finally:
        heart.cancel()


def _client(name: str | None) -> ClientProfile:
    """The profile that a client names. Raises InvalidRequest."""
    client = CLIENT_PROFILES.get((name or "").strip().lower())
    if client is None:
        known = ", ".join(CLIENT_PROFILES)
        told = f"There is no client profile '{(name or '')[:40]}': {PROFILE_HEADER} is one of {known}."
        raise InvalidRequest(told, param=PROFILE_HEADER, code="invalid_value")
    return client


def _headers(answer: Answer) -> HeaderPairs:
    lost = answer.losses.header()
    return answer.headers if lost is None else [*answer.headers, (_LOSSES, lost.encode("ascii"))]
