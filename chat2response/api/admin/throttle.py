"""`Throttle`: limits the failed attempts of an address.

Counts per process, for a bounded number of addresses. Valid credentials are never throttled.
"""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network
from math import ceil

from chat2response.api.http.client_address import Address
from chat2response.errors import Throttled

MAX_FAILURES = 10  # failures of an address within the window after which it must wait
WINDOW_SECONDS = 60.0  # length of the window, and of the wait
MAX_ADDRESSES = 10_000  # addresses that are stored; the one that failed longest ago is dropped first


class Throttle:
    """`clock`: seconds. IPv6 addresses count by their /64, which is what one machine usually has."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()  # count, start of the window

    def check(self, address: Address | None) -> None:
        """Raises Throttled for an address that must wait."""
        count, since = self._failures.get(_name(address), (0, 0.0))
        left = since + WINDOW_SECONDS - self._clock()
        if count >= MAX_FAILURES and 0 < left <= WINDOW_SECONDS:
            raise Throttled(
                "Too many wrong credentials came from this address, and this one is wrong too. "
                "Wait, or send a valid one.",
                headers={"retry-after": str(ceil(left))},
            )

    def record_failure(self, address: Address | None) -> bool:
        """Counts a failure; returns True if the address must wait from now on."""
        name, now = _name(address), self._clock()
        count, since = self._failures.pop(name, (0, now))
        if not since <= now < since + WINDOW_SECONDS:
            count, since = 0, now
        count += 1
        self._failures[name] = (count, now if count == MAX_FAILURES else since)
        if len(self._failures) > MAX_ADDRESSES:
            self._failures.popitem(last=False)
        return count == MAX_FAILURES


def _name(address: Address | None) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)
