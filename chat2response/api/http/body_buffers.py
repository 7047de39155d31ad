"""Limits the memory for request bodies: a total for the process, and a share of it for each client.

A request that exceeds a limit gets 503 and may be retried. No request waits for memory, because requests that
already hold some might wait for each other.
"""

from chat2response.errors import BridgeError, Unavailable

RETRY_AFTER = "1"  # seconds
_SHARES = 4
"""A client may use a quarter of the total."""


class BodyBuffers:
    """One per process. `limit`: bytes of all bodies, compressed and decompressed; `size` is their sum."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.share = limit // _SHARES
        self.size = 0
        self.by_client: dict[str, int] = {}
        """The bytes that each client has allocated."""

    def allocation(self, client: str | None) -> "Allocation":
        """An empty allocation for the body of a call. `client` None: unknown, only the total limits it."""
        return Allocation(self, client)

    def of(self, client: str) -> int:
        """The bytes that a client has allocated."""
        return self.by_client.get(client, 0)


class Allocation:
    """The memory of one call's body. `release` may be called at any time, and repeatedly."""

    __slots__ = ("_buffers", "_client", "size")

    def __init__(self, buffers: BodyBuffers, client: str | None) -> None:
        self._buffers = buffers
        self._client = client
        self.size = 0

    def add(self, size: int) -> None:
        """Allocates `size` more bytes. Raises Unavailable if the total or the client's share is exceeded."""
        if not size:
            return
        buffers, client = self._buffers, self._client
        if buffers.size + size > buffers.limit:
            raise busy(
                f"The gateway is busy: request bodies use all of the {buffers.limit} bytes reserved for them."
            )
        if client is not None:
            total = buffers.by_client.get(client, 0) + size
            if total > buffers.share:
                raise busy(
                    f"Your concurrent request bodies exceed {buffers.share} bytes together. "
                    "Send fewer large requests at the same time."
                )
            buffers.by_client[client] = total
        buffers.size += size
        self.size += size

    def release(self, size: int | None = None) -> None:
        """Frees `size` bytes, or all of them."""
        freed = self.size if size is None else size
        if not freed:
            return
        self.size -= freed
        buffers, client = self._buffers, self._client
        buffers.size -= freed
        if client is not None:
            total = buffers.by_client[client] - freed
            if total:
                buffers.by_client[client] = total
            else:
                del buffers.by_client[client]


def busy(message: str) -> BridgeError:
    """A 503. The rest of the body is not read."""
    return Unavailable(
        f"{message} Retry after a second.",
        code="server_busy",
        headers={"retry-after": RETRY_AFTER, "connection": "close"},
    )
