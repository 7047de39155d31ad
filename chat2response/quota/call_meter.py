"""What a call may spend and what it spent: admission before the upstream is asked, settlement before the end
of the answer reaches the client (who may ask again at once), and the books that usage is told from.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from chat2response.convert.dialects.responses.response import RUNNING
from chat2response.convert.hub import HubRequest
from chat2response.convert.quirks.quirks import Quirks
from chat2response.errors import UpstreamError
from chat2response.keys.grants import grants_of
from chat2response.keys.last_used import LastUsedTracker
from chat2response.keys.record import ApiKey
from chat2response.quota.admission import Admission, Grant
from chat2response.quota.estimate import OUTPUT_LIMITS, input_estimate, read_ask
from chat2response.quota.usage_estimate import (
    answer_tokens,
    estimated,
    output_tokens,
    runs_on,
    spoken,
    told_usage,
    usage_of,
)
from chat2response.quota.usage_log import UsageBook
from chat2response.upstreams.base import HeaderList, Target
from chat2response.wire.json import encode
from chat2response.wire.large_documents import apart_if, is_large
from chat2response.wire.machine import Fault
from chat2response.wire.responses import Response, Usage

_OURS = b"x-ratelimit-"


@dataclass(frozen=True, slots=True)
class Books:
    """What all calls of a process are admitted by and written into."""

    admission: Admission
    usage: UsageBook
    use: LastUsedTracker

    def start(self) -> None:
        """Begins to renew and to write down."""
        self.admission.start()
        self.usage.write_behind.start()
        self.use.write_behind.start()

    async def close(self) -> None:
        """Ends that; what is not written yet is written."""
        await self.admission.close()
        await self.usage.write_behind.close()
        await self.use.write_behind.close()


class Metered(Protocol):
    """A stream whose use is settled with its end."""

    @property
    def over(self) -> bool:
        """Whether the batch that was made last holds the end."""
        ...

    @property
    def usage(self) -> Usage | None: ...

    @property
    def deltas(self) -> int:
        """How many pieces the model has said: what is counted where the upstream does not count."""
        ...

    def batches(self) -> AsyncIterator[bytes]: ...


class Spending:
    """Of one call. `tenant` None: whose call it is, nobody knows, and nothing is written down."""

    def __init__(self, books: Books, key: ApiKey | None, tenant: str | None, target: Target) -> None:
        self._books = books
        self._key = key
        self._tenant = tenant
        self._target = target
        self._grant: Grant | None = None
        self._model = ""
        self._body = b""
        self._input_tokens = 0  # of a body that is forgotten
        self._background = False
        self._settled = tenant is None
        self.asked = False
        """The upstream is asked: from here on a call costs its input, whether or not its client waits."""
        self._failed: Usage | None = None  # what the upstream says that the call used which it then failed
        self._runs_on = False  # at the upstream, though the client gets an error

    @property
    def reads_body(self) -> bool:
        """Whether this key's calls have to be looked into: those of others are passed on unread."""
        key = self._key
        return key is not None and (key.limits is not None or grants_of(key.scopes).restrict_body)

    async def admit(self, body: bytes, fields: Mapping[str, Any]) -> None:
        """Lets the call in. `fields`: of the body, decoded; at least `model`, all of them where `reads_body`.

        Raises as Admission.enter does.
        """
        model = fields.get("model")
        self._model = model if type(model) is str else ""
        self._body = body
        self._background = fields.get("background") is True
        key = self._key
        if key is not None and (key.limits is not None or key.scopes):
            target = self._target
            ask = await apart_if(
                is_large(body), read_ask, body, fields, target.dialect, target.quirks.max_tokens
            )
            self._grant = await self._books.admission.enter(key, ask)

    @property
    def reserved(self) -> bool:
        """Whether something waits to be settled."""
        return self._grant is not None and bool(self._grant.reservations)

    @property
    def headers(self) -> HeaderList:
        """How the key stands, for the answer."""
        return self._grant.headers if self._grant is not None else []

    def answered(self, headers: HeaderList) -> HeaderList:
        """The answer's headers: a limited key's limits are its own, not those of the operator's account."""
        own = self.headers
        return (
            [*(each for each in headers if not each[0].lower().startswith(_OURS)), *own] if own else headers
        )

    @property
    def counts(self) -> bool:
        """Whether what the call uses must be known exactly."""
        return self._grant is not None and self._grant.counts

    @property
    def output_cap(self) -> int | None:
        """The most output tokens that the request must be sent with."""
        return self._grant.output_cap if self._grant is not None else None

    async def settle(self, usage: Usage | None, *, deltas: int = 0, answered: bool = False) -> None:
        """The call has used this; the first word counts.

        `deltas`: what was heard of an answer that does not say what it used. `answered`: there was one,
        however little was heard; so its input counts.
        """
        if self._settled:
            return
        usage = spoken(usage) or self._failed
        if usage is None and self._background and (answered or self.asked):
            await self.settle_running()
            return
        self._settled = True
        guess = usage is None and (deltas > 0 or answered)
        if guess:
            usage = estimated(self._input(), deltas)
        self._note(usage, estimated=guess)
        if self._grant is not None:
            if usage is not None:
                self._grant.usage(usage)
            await self._grant.leave()

    async def forget_body(self) -> None:
        """Keeps of the body what an answer that is cut may need: a stream may stay open for long."""
        if not self._settled:
            self._input_tokens = await apart_if(is_large(self._body), input_estimate, self._body)
        self._body = b""

    def _input(self) -> int:
        """The tokens of the request, estimated."""
        return self._input_tokens or input_estimate(self._body)

    def fail(self, error: UpstreamError) -> None:
        """The upstream's error takes the place of an answer."""
        self._failed = usage_of(error.usage, response=False)
        self._runs_on = error.runs_on

    async def settle_running(self) -> None:
        """The call goes on at its upstream, and nobody hears its end: it keeps what it has reserved."""
        if self._settled:
            return
        self._settled = True
        self._note(estimated(self._input(), self._reserved_output()), estimated=True)
        if self._grant is not None:
            await self._grant.leave_running()

    async def settle_body(self, body: bytes, *, refused: bool) -> None:
        """By a whole answer, or a refusal, of either API."""
        if self._settled:
            return
        large = is_large(body)
        usage = await apart_if(large, told_usage, body)
        if usage is None and not refused and await apart_if(large, runs_on, body):
            await self.settle_running()
        else:
            unknown = usage is None and not refused
            heard = await apart_if(large, answer_tokens, body) if unknown else 0
            await self.settle(usage, deltas=heard, answered=not refused)

    async def settle_response(self, response: Response, usage: Usage | None, deltas: int) -> None:
        """By a whole response; `usage`: what it says, `deltas`: what was heard of it."""
        if spoken(usage) is not None or self._settled:
            await self.settle(usage)
        elif response.get("status") in RUNNING:
            await self.settle_running()
        else:
            await self.settle(None, deltas=deltas or output_tokens(response), answered=True)

    async def settle_rest(self, stream: Metered | None, fault: Fault | None) -> None:
        """What no end of an answer has settled: one that was cut, that failed, or that nobody waited for."""
        left = self.asked and fault is not None and fault.cause == "cancel"
        if self._runs_on:
            await self.settle_running()
        elif stream is not None:
            await self.settle(stream.usage, deltas=stream.deltas, answered=left)
        elif left or self._failed is not None:
            await self.settle(None, answered=left)
        if self._grant is not None:
            await self._grant.leave()

    def _reserved_output(self) -> int:
        return self._grant.output_tokens if self._grant is not None else 0

    async def settling(self, stream: Metered) -> AsyncIterator[bytes]:
        """The stream's batches; what it used is settled before the last of them."""
        async for batch in stream.batches():
            if stream.over:
                await self.settle(stream.usage, deltas=stream.deltas)
            yield batch

    def _note(self, usage: Usage | None, *, estimated: bool) -> None:
        assert self._tenant is not None
        price = self._books.admission.prices.of(self._model)
        cost = price.of(usage) if price is not None and usage is not None else None
        self._books.usage.note(self._tenant, self._model, usage, cost, estimated=estimated)
        if self._key is not None and usage is not None:
            self._books.use.note(self._key.id, tokens=usage["total_tokens"])


def limited(
    fields: Mapping[str, Any], dialect: str, quirks: Quirks, *, cap: int | None, count: bool
) -> tuple[bytes | None, bool]:
    """The body of a relayed call with what its key's limits add, None where they add nothing; and whether the
    usage that was asked for has to be kept from the client.

    `cap`: the most output tokens; `count`: the usage of a Chat stream must be told.
    """
    body = fields if cap is None else capped(fields, cap, _name_of_limit(dialect, quirks))
    hidden = False
    if count and dialect == "chat" and fields.get("stream") is True:
        options = fields.get("stream_options")
        given = options if type(options) is dict else {}
        hidden = given.get("include_usage") is not True
        if hidden:
            body = {**body, "stream_options": {**given, "include_usage": True}}
    return (encode(body) if body is not fields else None), hidden


def capped(fields: Mapping[str, Any], cap: int, name: str) -> dict[str, Any]:
    """A request with `cap` as its only output limit, under this name."""
    return {**_uncapped(fields, name), name: cap}


def capped_hub(hub: HubRequest, cap: int, quirks: Quirks) -> HubRequest:
    """The same for a request in the hub, and what rides beside it."""
    body: Any = capped(hub.body, cap, "max_output_tokens")
    return replace(hub, body=body, extra=_uncapped(hub.extra, quirks.max_tokens))


def _uncapped(fields: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Without an output limit of any name."""
    return {key: value for key, value in fields.items() if key not in OUTPUT_LIMITS and key != name}


def _name_of_limit(dialect: str, quirks: Quirks) -> str:
    return "max_output_tokens" if dialect == "responses" else quirks.max_tokens
