"""Admission: what a key may do and spend is checked before a call runs, and settled when it has run.

All that a call may use is reserved first: a request, a slot, the tokens of its input and the most that it may
put out, and their price. So what is admitted never exceeds a limit divided by what each call reserves,
however many come at once, and a limit is passed by no more than one answer's excess over its estimate. What a
call really used then takes the place of what it had reserved. Leases outlive a dead process by a minute.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from chat2response.errors import InvalidRequest
from chat2response.keys import quota
from chat2response.keys.ask import DEFAULT_OUTPUT_TOKENS, Ask
from chat2response.keys.grants import grants_of
from chat2response.keys.ledgers import KIND, LEASE_SECONDS, Ledger, Measure, ledgers
from chat2response.keys.limits import KeyLimits
from chat2response.keys.prices import Price, Prices
from chat2response.keys.record import ApiKey
from chat2response.stores import Store, StoreDown
from chat2response.wire.responses import Usage

_log = logging.getLogger(__name__)

RENEW_SECONDS = LEASE_SECONDS / 3
_MAX_UNSETTLED = 10_000  # settlements that wait for a store that is away; older ones run out as leases do


@dataclass(slots=True)
class Held:
    """A reservation: `n` of a ledger. A request has no lease: it counts, however it ends."""

    ledger: Ledger
    n: int
    lease: str


class Grant:
    """A call that was let in; it must be left."""

    __slots__ = ("_admission", "_held", "_usage", "cost", "headers", "output_cap", "price", "since")

    def __init__(self, admission: "Admission", price: Price | None, output_cap: int | None) -> None:
        self.price = price
        self.output_cap = output_cap
        """The most output tokens that the request must be sent with; None: it says so itself, or need not."""
        self.headers: quota.HeaderList = []
        """Of the answer: how the key stands."""
        self.since = 0.0
        self._admission = admission
        self._held: list[Held] = []
        self._usage: Usage | None = None

    @property
    def counts(self) -> bool:
        """Whether what the call uses must be known: a limit of tokens or cost is in force."""
        return any(held.ledger.measure in ("tokens", "cost") for held in self._held)

    def usage(self, usage: Usage) -> None:
        """Notes what was used, for `leave` to settle; the last word counts."""
        self._usage = usage

    async def leave(self) -> None:
        """Settles, once. Never raises: what the store does not take now waits for it."""
        held, self._held = self._held, []
        self._admission.live.discard(self)
        await asyncio.gather(
            *(self._admission.settle(each, self._used(each.ledger.measure)) for each in held)
        )

    def _used(self, measure: Measure) -> int:
        if self._usage is None or measure == "slots":
            return 0
        if measure == "tokens":
            return self._usage["total_tokens"]
        return self.price.of(self._usage) if self.price is not None else 0

    # -- for the admission -------------------------------------------------------------------------

    def hold(self, held: Held) -> None:
        """One more reservation."""
        self._held.append(held)

    def holds(self, held: Held) -> bool:
        """Whether it was not left yet."""
        return held in self._held

    @property
    def held(self) -> tuple[Held, ...]:
        """What is reserved now."""
        return tuple(self._held)


class Admission:
    """One per process. `clock`: epoch seconds."""

    def __init__(self, store: Store, prices: Prices, *, clock: Callable[[], float]) -> None:
        self.live: set[Grant] = set()
        """Calls that hold leases."""
        self._store = store
        self.prices = prices
        self._clock = clock
        self._unsettled: deque[tuple[Held, int]] = deque(maxlen=_MAX_UNSETTLED)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to renew what long calls hold; once."""
        if self._task is None:
            self._task = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """Ends that, and settles what waits."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self._settle_waiting()

    async def enter(self, key: ApiKey, ask: Ask) -> Grant:
        """Lets the call in.

        Raises Forbidden (a scope is missing), InvalidRequest (more output than the key may ask for),
        RateLimited (a limit is reached), StoreDown.
        """
        granted = grants_of(key.scopes)
        granted.check_model(ask.model)
        granted.check_upstream(ask.upstream)
        granted.check_tools(ask.tools)
        price = self.prices.of(ask.model)
        limits = key.limits
        if limits is None:
            return Grant(self, price, None)
        output, cap = _output(limits, ask)
        grant = Grant(self, price, cap)
        cost = price.at_most(ask.input_tokens, output) if price is not None else 0
        wanted = {"requests": 1, "slots": 1, "tokens": ask.input_tokens + output, "cost": cost}
        try:
            await self._reserve(grant, key.id, limits, wanted)
        except BaseException:
            await self._take_back(grant)
            raise
        return grant

    async def renew(self) -> None:
        """Renews the leases of long calls, and settles what a store that was away did not take."""
        now = self._clock()
        for grant in tuple(self.live):
            if now - grant.since >= RENEW_SECONDS:
                for held in grant.held:
                    await self._renew(grant, held)
        await self._settle_waiting()

    async def settle(self, held: Held, used: int) -> None:
        """Replaces a reservation by what was used."""
        if not held.lease:
            return
        try:
            await self._store.settle(KIND, held.ledger.key, held.lease, used)
        except StoreDown as down:
            _log.warning("what a call used is kept until the store is back: %s", down.internal)
            self._unsettled.append((held, used))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self.renew()
            except Exception:  # a bug must not end the renewal for good
                _log.exception("renewing leases")

    async def _settle_waiting(self) -> None:
        for _ in range(len(self._unsettled)):
            await self.settle(*self._unsettled.popleft())

    # -- reserving ---------------------------------------------------------------------------------

    async def _reserve(self, grant: Grant, key_id: str, limits: KeyLimits, wanted: dict[str, int]) -> None:
        standings: list[quota.Standing] = []
        grant.since = self._clock()
        for ledger in ledgers(key_id, limits, grant.since):
            n = wanted[ledger.measure]
            taken, used = await self._take(ledger, n)
            standings.append(quota.Standing(ledger, used))
            if taken is None:
                raise quota.refusal(standings[-1], n, quota.headers(standings))
            grant.hold(taken)
        grant.headers = quota.headers(standings)
        self.live.add(grant)

    async def _take(self, ledger: Ledger, n: int) -> tuple[Held | None, int]:
        """The reservation, None where it is refused; and what is used then."""
        store = self._store
        if ledger.measure == "requests":
            count = await store.add(KIND, ledger.key, n, ceiling=ledger.ceiling, ttl=ledger.kept)
            return (None, ledger.ceiling) if count is None else (Held(ledger, n, ""), count)
        lease = await store.lease(
            KIND, ledger.key, n, ceiling=ledger.ceiling, ttl=LEASE_SECONDS, window=ledger.kept
        )
        return None if lease.id is None else Held(ledger, n, lease.id), lease.used

    async def _take_back(self, grant: Grant) -> None:
        """What a call that is refused had reserved before, its request included."""
        for held in grant.held:
            if not held.lease:
                try:
                    await self._store.add(KIND, held.ledger.key, -held.n, ttl=held.ledger.kept)
                except StoreDown:
                    _log.debug("a refused request counts, for the store is away")
        await grant.leave()

    async def _renew(self, grant: Grant, held: Held) -> None:
        if not held.lease:
            return
        old = held.lease
        try:
            renewed = await self._store.lease(
                KIND, held.ledger.key, held.n, ttl=LEASE_SECONDS, window=held.ledger.kept
            )
            stale = old
            if grant.holds(held) and renewed.id is not None:
                held.lease = renewed.id
            else:  # the call ended meanwhile, and settled the old one
                stale = renewed.id or ""
            await self._store.settle(KIND, held.ledger.key, stale, 0)
        except StoreDown:
            _log.debug("a lease is not renewed, for the store is away")


def _output(limits: KeyLimits, ask: Ask) -> tuple[int, int | None]:
    """The output tokens to reserve, and the cap that the request must be given. Raises InvalidRequest."""
    most = limits.max_output_tokens
    if ask.output_tokens is not None:
        if most is not None and ask.output_tokens > most * ask.choices:
            raise InvalidRequest(
                f"This key may ask for at most {most} output tokens; '{ask.output_field}' asks for more.",
                param=ask.output_field,
                code="max_output_tokens_exceeded",
            )
        return ask.output_tokens, None
    likely = limits.default_output_tokens or most or DEFAULT_OUTPUT_TOKENS
    return likely * ask.choices, most
