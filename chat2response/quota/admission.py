"""Admission: what a key may do and spend is checked before a call runs, and settled when it has run.

All that a call may use is reserved first: a request, a slot, the tokens of its input and the most that it may
put out, and their price. So what is admitted never exceeds a limit divided by what each call reserves,
however many come at once, and a limit is passed by no more than one answer's excess over its estimate. What a
call really used then takes the place of what it had reserved. Leases outlive a dead process by a minute.

Each lease has its id before the store is asked for it, so that it can be given back though its answer was
never heard: the client hung up, or the store was slow. A request has no lease: it counts once it was asked
for, unless a limit refuses the call.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from chat2response.errors import InvalidRequest, RateLimited
from chat2response.keys.grants import grants_of
from chat2response.keys.limits import MAX_LIMIT, KeyLimits
from chat2response.keys.record import ApiKey
from chat2response.quota import rate_limit_headers
from chat2response.quota.estimate import DEFAULT_OUTPUT_TOKENS, Ask
from chat2response.quota.prices import Price, Prices
from chat2response.quota.settlements import Due, Settlements
from chat2response.quota.windows import KIND, LEASE_SECONDS, Ledger, Measure, ledgers
from chat2response.stores import Lease, Store, StoreDown, new_lease_id
from chat2response.stores.steady_clock import SteadyClock, monotonic_of
from chat2response.wire.responses import Usage

_log = logging.getLogger(__name__)

RENEW_SECONDS = LEASE_SECONDS / 3


@dataclass(slots=True, eq=False)
class Reservation:
    """`n` of a ledger, under a lease; without one where requests are counted."""

    ledger: Ledger
    n: int
    lease: str


class Grant:
    """A call that was let in; it must be left."""

    __slots__ = (
        "_admission",
        "_reservations",
        "_usage",
        "headers",
        "output_cap",
        "output_tokens",
        "price",
        "since",
    )

    def __init__(self, admission: "Admission", price: Price | None, output_cap: int | None) -> None:
        self.price = price
        self.output_tokens = 0
        """What is reserved of output."""
        self.output_cap = output_cap
        """The most output tokens that the request must be sent with; None: it says so itself, or need not."""
        self.headers: rate_limit_headers.HeaderList = []
        """Of the answer: how the key stands."""
        self.since = 0.0
        self._admission = admission
        self._reservations: list[Reservation] = []
        self._usage: Usage | None = None

    @property
    def counts(self) -> bool:
        """Whether what the call uses must be known: a limit of tokens or cost is in force."""
        return any(each.ledger.measure in ("tokens", "cost") for each in self._reservations)

    def usage(self, usage: Usage) -> None:
        """Notes what was used, for `leave` to settle; the last word counts."""
        self._usage = usage

    async def leave(self) -> None:
        """Settles, once. Never raises StoreDown: what the store does not take now waits for it.

        Where the caller is cancelled, it is settled all the same.
        """
        await self._admission.settlements.settle(self._close())

    async def leave_running(self) -> None:
        """Settles a call that goes on where nobody hears its end: what it has reserved counts as used.

        Its slot stays taken for as long as a lease lasts.
        """
        reservations, self._reservations = self._reservations, []
        self._admission.live.discard(self)
        await self._admission.settlements.settle(
            Due(each.ledger.key, each.lease, each.n)
            for each in reservations
            if each.lease and each.ledger.measure != "slots"
        )

    def abandon(self) -> None:
        """Gives everything back that may have been reserved, and does not wait for it."""
        self._admission.settlements.later(self._close())

    def _close(self) -> list[Due]:
        """What there is to settle; from now on it is the caller's."""
        reservations, self._reservations = self._reservations, []
        self._admission.live.discard(self)
        return [
            Due(each.ledger.key, each.lease, self._used(each.ledger.measure))
            for each in reservations
            if each.lease
        ]

    def _used(self, measure: Measure) -> int:
        if self._usage is None or measure == "slots":
            return 0
        usage = self._usage
        if measure == "tokens":  # some upstreams' totals are less than their parts
            return min(max(usage["total_tokens"], usage["input_tokens"] + usage["output_tokens"]), MAX_LIMIT)
        return min(self.price.of(usage), MAX_LIMIT) if self.price is not None else 0

    # -- for the admission -------------------------------------------------------------------------

    def add(self, reservation: Reservation) -> None:
        """One more reservation; before the store is asked for it."""
        self._reservations.append(reservation)

    def remove(self, reservation: Reservation) -> None:
        """It was refused."""
        self._reservations.remove(reservation)

    def has(self, reservation: Reservation) -> bool:
        """Whether it was not left yet."""
        return reservation in self._reservations

    @property
    def reservations(self) -> tuple[Reservation, ...]:
        """What is reserved now."""
        return tuple(self._reservations)


class Admission:
    """One per process. `clock`: epoch seconds; `monotonic`: what its steps are judged by.

    A clock that jumps ahead begins no new day, which would be a new budget, until it has stayed there.
    """

    def __init__(
        self,
        store: Store,
        prices: Prices,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self.live: set[Grant] = set()
        """Calls that hold leases."""
        self._store = store
        self.prices = prices
        self._clock = SteadyClock(clock, monotonic or monotonic_of(clock))
        self.settlements = Settlements(store)
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
        await self.settlements.close()

    async def enter(self, key: ApiKey, ask: Ask) -> Grant:
        """Lets the call in.

        Raises Forbidden (a scope is missing), InvalidRequest (more output than the key may ask for),
        RateLimited (a limit is reached), StoreDown.
        """
        granted = grants_of(key.scopes)
        for model in (ask.model, *ask.fallbacks):
            granted.check_model(model)
        granted.check_upstream(ask.upstream)
        granted.check_tools(ask.tools)
        price = self.prices.of(ask.model)
        limits = key.limits
        if limits is None:
            return Grant(self, price, None)
        output, cap = _output(limits, ask)
        grant = Grant(self, price, cap)
        grant.output_tokens = output
        cost = min(price.at_most(ask.input_tokens, output), MAX_LIMIT) if price is not None else 0
        wanted = {
            "requests": 1,
            "slots": 1,
            "tokens": min(ask.input_tokens + output, MAX_LIMIT),
            "cost": cost,
        }
        try:
            standings = await self._reserve(grant, key.id, limits, wanted)
        except RateLimited:
            await self._take_back(grant)
            raise
        except BaseException:  # nobody has heard what the store answered
            grant.abandon()
            raise
        grant.headers = rate_limit_headers.headers(standings)
        self.live.add(grant)
        return grant

    async def count(self, key: ApiKey) -> rate_limit_headers.HeaderList:
        """Counts a request that asks for no answer of a model; the headers of its own answer.

        Raises RateLimited, StoreDown.
        """
        if key.limits is None:
            return []
        grant = Grant(self, None, None)
        try:
            standings = await self._reserve(grant, key.id, key.limits.of_requests(), {"requests": 1})
        except RateLimited:
            await self._take_back(grant)
            raise
        return rate_limit_headers.headers(standings)

    async def renew(self) -> None:
        """Renews the leases of long calls, and settles what a store that was away did not take."""
        now = self._clock()
        for grant in tuple(self.live):
            if abs(now - grant.since) >= RENEW_SECONDS:  # a clock may be set back
                for reservation in grant.reservations:
                    await self._renew(grant, reservation)
        await self.settlements.settle_waiting()

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self.renew()
            except Exception:  # a bug must not end the renewal for good
                _log.exception("renewing leases")

    # -- reserving ---------------------------------------------------------------------------------

    async def _reserve(
        self, grant: Grant, key_id: str, limits: KeyLimits, wanted: dict[str, int]
    ) -> list[rate_limit_headers.Standing]:
        standings: list[rate_limit_headers.Standing] = []
        grant.since = self._clock()
        for ledger in ledgers(key_id, limits, grant.since):
            n = wanted[ledger.measure]
            granted, used = await self._take(grant, ledger, n)
            standings.append(rate_limit_headers.Standing(ledger, used))
            if not granted:
                raise rate_limit_headers.refusal(standings[-1], n, rate_limit_headers.headers(standings))
        return standings

    async def _take(self, grant: Grant, ledger: Ledger, n: int) -> tuple[bool, int]:
        """Whether it is reserved, and what is used then."""
        if ledger.measure == "requests":
            return await self._count(grant, ledger, n)
        reservation = Reservation(ledger, n, new_lease_id())
        grant.add(reservation)
        lease = await self._lease(reservation, ceiling=ledger.ceiling)
        if lease.id is None:
            grant.remove(reservation)
        return lease.id is not None, lease.used

    async def _count(self, grant: Grant, ledger: Ledger, n: int) -> tuple[bool, int]:
        count = await self._store.add(KIND, ledger.key, n, ceiling=ledger.ceiling, ttl=ledger.kept)
        if count is None:
            return False, ledger.ceiling
        grant.add(Reservation(ledger, n, ""))
        return True, count

    async def _lease(self, reservation: Reservation, ceiling: int | None = None) -> Lease:
        ledger = reservation.ledger
        return await self._store.lease(
            KIND,
            ledger.key,
            reservation.n,
            id=reservation.lease,
            ceiling=ceiling,
            ttl=LEASE_SECONDS,
            window=ledger.kept,
        )

    async def _take_back(self, grant: Grant) -> None:
        """What a call that a limit refuses had reserved before, its requests included."""
        requests = [each for each in grant.reservations if not each.lease]
        try:
            for each in requests:
                await self._store.add(KIND, each.ledger.key, -each.n, ttl=each.ledger.kept)
        except StoreDown:
            _log.debug("a refused request counts, for the store is away")
        finally:
            await grant.leave()

    async def _renew(self, grant: Grant, reservation: Reservation) -> None:
        if not reservation.lease:
            return
        try:
            renewed = await self._store.renew(
                KIND, reservation.ledger.key, reservation.lease, reservation.n, ttl=LEASE_SECONDS
            )
            if not renewed and grant.has(reservation):
                await self._lease_anew(grant, reservation)
        except StoreDown:
            _log.debug("a lease is not renewed, for the store is away")

    async def _lease_anew(self, grant: Grant, reservation: Reservation) -> None:
        """The store has lost the lease of a running call: under a new id, for the old one may be refused."""
        anew = Reservation(reservation.ledger, reservation.n, new_lease_id())
        taken = False
        try:
            taken = (await self._lease(anew)).id is not None and grant.has(reservation)
        finally:
            if taken:
                reservation.lease = anew.lease
            else:  # the call has ended meanwhile, or nobody knows what the store did
                self.settlements.later([Due(anew.ledger.key, anew.lease, 0)])


def _output(limits: KeyLimits, ask: Ask) -> tuple[int, int | None]:
    """The output tokens to reserve, and the cap that the request must be given. Raises InvalidRequest."""
    most, asked = limits.max_output_tokens, ask.output_tokens
    if most is not None and asked is not None and asked > most * ask.choices:
        raise InvalidRequest(
            f"This key may ask for at most {most} output tokens; '{ask.output_field}' asks for more.",
            param=ask.output_field,
            code="max_output_tokens_exceeded",
        )
    if asked is not None and not ask.unbounded:
        return asked, None
    likely = (limits.default_output_tokens or most or DEFAULT_OUTPUT_TOKENS) * ask.choices
    cap = most if most is None or asked is None else asked // ask.choices
    return min(max(likely, asked or 0), MAX_LIMIT), cap
