"""Request bodies in memory: a bound on the sum of them all, and a share of it for each client.

Whoever comes when there is no room left gets 503 and may come again; nobody is made to wait, because those
who hold room might wait for each other.
"""

from chat2response.errors import BridgeError, Unavailable

RETRY_AFTER = "1"  # seconds
_SHARES = 4
"""One client may have a quarter of all there is."""


class Buffers:
    """One per process. `limit`: bytes of all bodies, as sent and as unpacked; the sum is in `size`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.share = limit // _SHARES
        self.size = 0
        self._of: dict[str, int] = {}

    def hold(self, client: str | None) -> "Hold":
        """For the body of one call. `client`: whose it is; None: nobody's, and no share bounds it."""
        return Hold(self, client)

    def take(self, client: str | None, size: int) -> None:
        """Raises Unavailable where there is no room."""
        if self.size + size > self.limit:
            raise busy(
                f"The gateway is busy: the request bodies that it is reading fill their {self.limit} bytes."
            )
        if client is not None:
            total = self._of.get(client, 0) + size
            if total > self.share:
                raise busy(
                    f"Too much at once: your request bodies may fill {self.share} bytes together. "
                    "Send fewer large requests at a time."
                )
            self._of[client] = total
        self.size += size

    def give_back(self, client: str | None, size: int) -> None:
        """What was taken."""
        self.size -= size
        if client is not None:
            rest = self._of[client] - size
            if rest:
                self._of[client] = rest
            else:
                del self._of[client]

    def of(self, client: str) -> int:
        """Bytes that one client has taken."""
        return self._of.get(client, 0)


class Hold:
    """What one call has taken. `release` may be called at any time, and again."""

    __slots__ = ("_buffers", "_client", "size")

    def __init__(self, buffers: Buffers, client: str | None) -> None:
        self._buffers = buffers
        self._client = client
        self.size = 0

    def add(self, size: int) -> None:
        """For so many bytes more. Raises Unavailable."""
        if size:
            self._buffers.take(self._client, size)
            self.size += size

    def release(self, size: int | None = None) -> None:
        """So many bytes of it are let go of; without a number, all."""
        given = self.size if size is None else size
        if given:
            self.size -= given
            self._buffers.give_back(self._client, given)


def busy(message: str) -> BridgeError:
    """503; what is still to come of the body is not read."""
    return Unavailable(
        f"{message} Retry after a second.",
        code="server_busy",
        headers={"retry-after": RETRY_AFTER, "connection": "close"},
    )
