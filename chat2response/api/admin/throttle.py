"""Failed attempts by address: who guessed wrong too often is not told any more whether a guess is wrong.

In one process alone; bounded. Who has a right credential is never asked here.
"""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_network
from math import ceil

from chat2response.api.http.client_address import Address
from chat2response.errors import Throttled

MOST = 10  # failures that an address has, ...
SECONDS = 60.0  # ... within this time, which then has to pass before it may try again
SIZE = 10_000  # addresses that are remembered; the one that failed longest ago is forgotten first


class Throttle:
    """`clock`: seconds. An IPv6 address stands for its /64, which is what one machine is given."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._failures: OrderedDict[str, tuple[int, float]] = OrderedDict()  # how many, since when

    def check(self, address: Address | None) -> None:
        """Raises Throttled for an address that must wait."""
        count, since = self._failures.get(_name(address), (0, 0.0))
        left = since + SECONDS - self._clock()
        if count >= MOST and 0 < left <= SECONDS:
            raise Throttled(
                "Too many wrong credentials came from this address, and this one is wrong too; "
                "wait, or send a right one.",
                headers={"retry-after": str(ceil(left))},
            )

    def failed(self, address: Address | None) -> bool:
        """One more failure; True when it is the one after which the address must wait."""
        name, now = _name(address), self._clock()
        count, since = self._failures.pop(name, (0, now))
        if not since <= now < since + SECONDS:
            count, since = 0, now
        count += 1
        self._failures[name] = (count, now if count == MOST else since)
        if len(self._failures) > SIZE:
            self._failures.popitem(last=False)
        return count == MOST


def _name(address: Address | None) -> str:
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address)
