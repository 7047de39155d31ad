"""Admission: checks what a key may do and spend before a call runs, and settles the actual use afterwards.

Everything that a call may use is reserved first: a request, a slot, the tokens of its input, its maximum
output, and their price. So concurrent calls never exceed a limit together. If an answer is longer than its
estimate, only that answer exceeds the limit. Actual use then replaces the reservation. Leases outlive a dead
process by a minute (law 16, reservations are leases).

Each lease gets its id before the store is called, so that it can be released even if the store's reply was
never seen, because the client disconnected or the store was slow. A request has no lease: it counts as soon
as it is added, unless a limit refuses the call.
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
from chat2response.quota.prices import Price, Prices
from chat2response.quota.request_estimate import DEFAULT_OUTPUT_TOKENS, Estimate
from chat2response.quota.settlements import Settlement, Settlements
from chat2response.quota.windows import KIND, LEASE_SECONDS, Measure, Window, windows_of
from chat2response.stores import Lease, Store, StoreDown, new_lease_id
from chat2response.stores.steady_clock import SteadyClock, monotonic_of
from chat2response.wire.headers import HeaderList
from chat2response.wire.responses import Usage

log = logging.getLogger(__name__)

RENEW_SECONDS = LEASE_SECONDS / 3


@dataclass(slots=True, eq=False)
class Reservation:
    """An amount in a window, under a lease; requests are counted without a lease."""

    window: Window
    amount: int
    lease: str


class Grant:
    """An admitted call. It must be left."""

    __slots__ = (
        "_admission",
        "_reservations",
        "_usage",
        "headers",
        "output_cap",
        "output_tokens",
        "price",
        "reserved_at",
    )

    def __init__(self, admission: "Admission", price: Price | None, output_cap: int | None) -> None:
        self.price = price
        self.output_tokens = 0
        """The output tokens that are reserved."""
        self.output_cap = output_cap
        """The output limit to add to the request; None if it needs none, or has its own."""
        self.headers: HeaderList = []
        """The rate limit headers of the answer."""
        self.reserved_at = 0.0
        self._admission = admission
        self._reservations: list[Reservation] = []
        self._usage: Usage | None = None

    @property
    def needs_usage(self) -> bool:
        """Whether the call's usage must be known: a limit on tokens or cost is in force."""
        return any(each.window.measure in ("tokens", "cost") for each in self._reservations)

    def usage(self, usage: Usage) -> None:
        """Stores the usage for `leave` to settle; the last call counts."""
        self._usage = usage

    async def leave(self) -> None:
        """Settles the call, once. Never raises StoreDown: a settlement that the store does not accept waits.

        The settlement also happens if the caller is cancelled.
        """
        await self._admission.settlements.settle(self._close())

    async def leave_running(self) -> None:
        """Settles a call that goes on upstream after the answer: its reservation counts as used.

        Its slot stays taken until the lease expires.
        """
        reservations, self._reservations = self._reservations, []
        self._admission.live.discard(self)
        await self._admission.settlements.settle(
            Settlement(each.window.key, each.lease, each.amount)
            for each in reservations
            if each.lease and each.window.measure != "slots"
        )

    def abandon(self) -> None:
        """Releases everything that may have been reserved, in the background."""
        self._admission.settlements.settle_later(self._close())

    def _close(self) -> list[Settlement]:
        """Ends the grant and returns its settlements."""
        reservations, self._reservations = self._reservations, []
        self._admission.live.discard(self)
        return [
            Settlement(each.window.key, each.lease, self._used(each.window.measure))
            for each in reservations
            if each.lease
        ]

    def _used(self, measure: Measure) -> int:
        if self._usage is None or measure == "slots":
            return 0
        usage = self._usage
        if measure == "tokens":  # some upstreams report totals below the sum of their parts
            return min(max(usage["total_tokens"], usage["input_tokens"] + usage["output_tokens"]), MAX_LIMIT)
        return min(self.price.of(usage), MAX_LIMIT) if self.price is not None else 0

    # -- for Admission -----------------------------------------------------------------------------

    def add(self, reservation: Reservation) -> None:
        """Adds a reservation, before the store is called."""
        self._reservations.append(reservation)

    def remove(self, reservation: Reservation) -> None:
        """Removes a reservation that was refused."""
        self._reservations.remove(reservation)

    def has(self, reservation: Reservation) -> bool:
        """Whether the reservation is still held."""
        return reservation in self._reservations

    @property
    def reservations(self) -> tuple[Reservation, ...]:
        """The current reservations."""
        return tuple(self._reservations)


class Admission:
    """The admission of a process. `clock`: epoch seconds; `monotonic`: the clock that checks its steps.

    A clock that jumps ahead does not start a new day, and so a new budget, until it has stayed ahead.
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
        """The admitted calls that hold leases."""
        self._store = store
        self.prices = prices
        self._clock = SteadyClock(clock, monotonic or monotonic_of(clock))
        self.settlements = Settlements(store)
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Starts the renewal of leases, once."""
        if self._task is None:
            self._task = asyncio.create_task(self._renew_forever())

    async def close(self) -> None:
        """Stops the renewal, and settles what waits."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        await self.settlements.close()

    async def enter(self, key: ApiKey, estimate: Estimate) -> Grant:
        """Admits the call.

        Raises Forbidden (a scope is missing), InvalidRequest (more output than the key may request),
        RateLimited (a limit is reached), StoreDown.
        """
        granted = grants_of(key.scopes)
        for model in (estimate.model, *estimate.fallbacks):
            granted.check_model(model)
        granted.check_upstream(estimate.upstream)
        granted.check_tools(estimate.tools)
        price = self.prices.of(estimate.model)
        limits = key.limits
        if limits is None:
            return Grant(self, price, None)
        output, cap = _output(limits, estimate)
        grant = Grant(self, price, cap)
        grant.output_tokens = output
        cost = min(price.at_most(estimate.input_tokens, output), MAX_LIMIT) if price is not None else 0
        amounts = {
            "requests": 1,
            "slots": 1,
            "tokens": min(estimate.input_tokens + output, MAX_LIMIT),
            "cost": cost,
        }
        try:
            window_usages = await self._reserve(grant, key.id, limits, amounts)
        except RateLimited:
            await self._release_refused(grant)
            raise
        except BaseException:  # the store's reply was not seen
            grant.abandon()
            raise
        grant.headers = rate_limit_headers.headers(window_usages)
        self.live.add(grant)
        return grant

    async def count_request(self, key: ApiKey) -> HeaderList:
        """Counts a request that calls no model, and returns its rate limit headers.

        Raises RateLimited, StoreDown.
        """
        if key.limits is None:
            return []
        grant = Grant(self, None, None)
        try:
            window_usages = await self._reserve(grant, key.id, key.limits.of_requests(), {"requests": 1})
        except RateLimited:
            await self._release_refused(grant)
            raise
        return rate_limit_headers.headers(window_usages)

    async def renew(self) -> None:
        """Renews the leases of long calls, and retries settlements that wait."""
        now = self._clock()
        for grant in tuple(self.live):
            if abs(now - grant.reserved_at) >= RENEW_SECONDS:  # the clock may go backwards
                for reservation in grant.reservations:
                    await self._renew(grant, reservation)
        await self.settlements.settle_waiting()

    async def _renew_forever(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            try:
                await self.renew()
            except Exception:  # a bug must not end the renewal for good
                log.exception("cannot renew leases")

    # -- reserving ---------------------------------------------------------------------------------

    async def _reserve(
        self, grant: Grant, key_id: str, limits: KeyLimits, amounts: dict[str, int]
    ) -> list[rate_limit_headers.WindowUsage]:
        window_usages: list[rate_limit_headers.WindowUsage] = []
        grant.reserved_at = self._clock()
        for window in windows_of(key_id, limits, grant.reserved_at):
            amount = amounts[window.measure]
            granted, used = await self._reserve_in(grant, window, amount)
            window_usages.append(rate_limit_headers.WindowUsage(window, used))
            if not granted:
                raise rate_limit_headers.refusal(
                    window_usages[-1], amount, rate_limit_headers.headers(window_usages)
                )
        return window_usages

    async def _reserve_in(self, grant: Grant, window: Window, amount: int) -> tuple[bool, int]:
        """Whether the amount is reserved, and the window's use afterwards."""
        if window.measure == "requests":
            return await self._count_requests(grant, window, amount)
        reservation = Reservation(window, amount, new_lease_id())
        grant.add(reservation)
        lease = await self._lease(reservation, ceiling=window.ceiling)
        if lease.id is None:
            grant.remove(reservation)
        return lease.id is not None, lease.used

    async def _count_requests(self, grant: Grant, window: Window, amount: int) -> tuple[bool, int]:
        count = await self._store.add(KIND, window.key, amount, ceiling=window.ceiling, ttl=window.ttl)
        if count is None:
            return False, window.ceiling
        grant.add(Reservation(window, amount, ""))
        return True, count

    async def _lease(self, reservation: Reservation, ceiling: int | None = None) -> Lease:
        window = reservation.window
        return await self._store.lease(
            KIND,
            window.key,
            reservation.amount,
            id=reservation.lease,
            ceiling=ceiling,
            ttl=LEASE_SECONDS,
            window=window.ttl,
        )

    async def _release_refused(self, grant: Grant) -> None:
        """Releases what a refused call had reserved, its counted requests included."""
        requests = [each for each in grant.reservations if not each.lease]
        try:
            for each in requests:
                await self._store.add(KIND, each.window.key, -each.amount, ttl=each.window.ttl)
        except StoreDown:
            log.debug("the store is down: a refused request stays counted")
        finally:
            await grant.leave()

    async def _renew(self, grant: Grant, reservation: Reservation) -> None:
        if not reservation.lease:
            return
        try:
            renewed = await self._store.renew(
                KIND, reservation.window.key, reservation.lease, reservation.amount, ttl=LEASE_SECONDS
            )
            if not renewed and grant.has(reservation):
                await self._lease_anew(grant, reservation)
        except StoreDown:
            log.debug("the store is down: a lease is not renewed")

    async def _lease_anew(self, grant: Grant, reservation: Reservation) -> None:
        """Replaces a lease that the store has lost, under a new id: the store may refuse the old one."""
        replacement = Reservation(reservation.window, reservation.amount, new_lease_id())
        leased = False
        try:
            leased = (await self._lease(replacement)).id is not None and grant.has(reservation)
        finally:
            if leased:
                reservation.lease = replacement.lease
            else:  # the call has ended, or the store's reply was not seen
                self.settlements.settle_later([Settlement(replacement.window.key, replacement.lease, 0)])


def _output(limits: KeyLimits, estimate: Estimate) -> tuple[int, int | None]:
    """The output tokens to reserve, and the output cap to add to the request. Raises InvalidRequest."""
    max_output, requested = limits.max_output_tokens, estimate.output_tokens
    if max_output is not None and requested is not None and requested > max_output * estimate.choices:
        raise InvalidRequest(
            f"This key may request at most {max_output} output tokens. Lower '{estimate.output_field}'.",
            param=estimate.output_field,
            code="max_output_tokens_exceeded",
        )
    if requested is not None and not estimate.unbounded:
        return requested, None
    default_output = (limits.default_output_tokens or max_output or DEFAULT_OUTPUT_TOKENS) * estimate.choices
    cap = max_output if max_output is None or requested is None else requested // estimate.choices
    return min(max(default_output, requested or 0), MAX_LIMIT), cap
