"""`LiveRuns`: every call that is running, so that it can be stopped from outside: by its key (a revocation),
by its response, or all at once (a shutdown)."""

from collections.abc import Iterator
from typing import Protocol

from chat2response.keys.tokens.token import is_key_id
from chat2response.wire.machine import REVOKED, Fault


class Run(Protocol):
    """A running call, from its first look at the upstream to the last byte."""

    @property
    def tenant(self) -> str | None:
        """The key it runs under."""
        ...

    @property
    def response_id(self) -> str | None:
        """The id its client knows, once there is one."""
        ...

    def stop(self, fault: Fault) -> None:
        """Ends it now: before the first byte with an error, after it with a terminal event."""
        ...


_MAX_REVOKED = 10_000  # revoked keys that are remembered


class LiveRuns:
    """In memory, per process."""

    def __init__(self) -> None:
        self._runs: set[Run] = set()
        self._shutdown_fault: Fault | None = None
        self._revoked: dict[str | None, None] = {}  # keys, in the order in which they were revoked

    def add(self, run: Run) -> None:
        """It has begun; after `end`, or that of its key, it is stopped at once."""
        self._runs.add(run)
        if self._shutdown_fault is not None:
            run.stop(self._shutdown_fault)
        elif self._revoked and run.tenant in self._revoked:
            run.stop(REVOKED)

    def discard(self, run: Run) -> None:
        """It is over."""
        self._runs.discard(run)

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(tuple(self._runs))

    def of_key(self, key_id: str) -> list[Run]:
        """Those under one key."""
        return [run for run in self._runs if run.tenant == key_id]

    def key_ids(self) -> set[str]:
        """The keys of ours under which something runs."""
        return {run.tenant for run in self._runs if run.tenant is not None and is_key_id(run.tenant)}

    def end_key(self, key_id: str) -> None:
        """Ends what runs under a key that was revoked, also what has shown the key and only then begins."""
        if len(self._revoked) >= _MAX_REVOKED:
            del self._revoked[next(iter(self._revoked))]
        self._revoked[key_id] = None
        for run in self.of_key(key_id):
            run.stop(REVOKED)

    def of_response(self, response_id: str) -> list[Run]:
        """That which makes this response."""
        return [run for run in self._runs if run.response_id == response_id]

    def stop_all(self, fault: Fault) -> None:
        """Ends every one."""
        for run in self:
            run.stop(fault)

    def end(self, fault: Fault) -> None:
        """Ends every one, and those that would still begin."""
        self._shutdown_fault = fault
        self.stop_all(fault)
