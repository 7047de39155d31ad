"""What a call may spend and what it spent: admission before the upstream is asked, settlement before the end
of the answer reaches the client (who may ask again at once), and the books that usage is told from.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from chat2response.convert.quirks import Quirks
from chat2response.convert.usage import from_chat
from chat2response.convert.usage import read as read_usage
from chat2response.keys.admission import Admission, Grant
from chat2response.keys.ask import input_estimate, read_ask
from chat2response.keys.grants import grants_of
from chat2response.keys.record import ApiKey
from chat2response.keys.usage import UsageBook
from chat2response.keys.use import KeyUse
from chat2response.upstreams.base import HeaderList, Target
from chat2response.wire.json import encode
from chat2response.wire.large import apart_if, is_large
from chat2response.wire.peek import peek_answer
from chat2response.wire.responses import Usage

_OURS = b"x-ratelimit-"


@dataclass(frozen=True, slots=True)
class Books:
    """What all calls of a process are admitted by and written into."""

    admission: Admission
    usage: UsageBook
    use: KeyUse

    def start(self) -> None:
        """Begins to renew and to write down."""
        self.admission.start()
        self.usage.tally.start()
        self.use.tally.start()

    async def close(self) -> None:
        """Ends that; what is not written yet is written."""
        await self.admission.close()
        await self.usage.tally.close()
        await self.use.tally.close()


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
        self._settled = tenant is None

    @property
    def reads_body(self) -> bool:
        """Whether this key's calls have to be looked into: those of others are passed on unread."""
        key = self._key
        return key is not None and (key.limits is not None or grants_of(key.scopes).of_body)

    async def admit(self, body: bytes, fields: Mapping[str, Any]) -> None:
        """Lets the call in. `fields`: of the body, decoded; at least `model`, all of them where `reads_body`.

        Raises as Admission.enter does.
        """
        model = fields.get("model")
        self._model = model if type(model) is str else ""
        self._body = body
        key = self._key
        if key is not None and (key.limits is not None or key.scopes):
            ask = await apart_if(is_large(body), read_ask, body, fields, self._target.dialect)
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

    async def settle(self, usage: Usage | None, *, deltas: int = 0) -> None:
        """The call has used this; the first word counts. `deltas`: heard of an answer that was cut."""
        if self._settled:
            return
        self._settled = True
        estimated = usage is None and deltas > 0
        if estimated:
            usage = _counted(self._input_tokens or input_estimate(self._body), deltas)
        self._note(usage, estimated=estimated)
        if self._grant is not None:
            if usage is not None:
                self._grant.usage(usage)
            await self._grant.leave()

    async def forget_body(self) -> None:
        """Keeps of the body what an answer that is cut may need: a stream may stay open for long."""
        if not self._settled:
            self._input_tokens = await apart_if(is_large(self._body), input_estimate, self._body)
        self._body = b""

    async def leave(self) -> None:
        """Gives back what a call reserved that was never answered."""
        if self._grant is not None:
            await self._grant.leave()

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
    added: dict[str, Any] = {}
    if cap is not None:
        added["max_output_tokens" if dialect == "responses" else quirks.max_tokens] = cap
    hidden = False
    if count and dialect == "chat" and fields.get("stream") is True:
        options = fields.get("stream_options")
        given = options if type(options) is dict else {}
        hidden = given.get("include_usage") is not True
        if hidden:
            added["stream_options"] = {**given, "include_usage": True}
    return (encode({**fields, **added}) if added else None), hidden


def told_usage(body: bytes) -> Usage | None:
    """What a whole answer, of either API, says that it used."""
    answer = peek_answer(body)
    return read_usage(answer.usage) if answer.object == "response" else from_chat(answer.usage)


def _counted(input_tokens: int, deltas: int) -> Usage:
    return {
        "input_tokens": input_tokens,
        "input_tokens_details": {},
        "output_tokens": deltas,
        "output_tokens_details": {},
        "total_tokens": input_tokens + deltas,
    }
