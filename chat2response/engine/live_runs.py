"""`LiveRuns`: the registry of running calls. It stops them by key (on a revocation), by response, or all at
once (on a shutdown).
"""

from collections.abc import Iterator
from typing import Protocol

from chat2response.keys.tokens.token import is_key_id
from chat2response.wire.fault import REVOKED, Fault


class Run(Protocol):
    """A running call, from before the upstream is called to the last byte."""

    @property
    def tenant(self) -> str | None:
        """The id of the key that it runs under."""
        ...

    @property
    def response_id(self) -> str | None:
        """The id that the client knows, once there is one."""
        ...

    def stop(self, fault: Fault) -> None:
        """Ends the run now: with an error before the first byte, with a terminal event after it."""
        ...


_MAX_REVOKED = 10_000  # revoked keys that are remembered


class LiveRuns:
    """The registry of one process, in memory."""

    def __init__(self) -> None:
        self._runs: set[Run] = set()
        self._shutdown_fault: Fault | None = None
        self._revoked: dict[str | None, None] = {}  # ids of revoked keys, oldest first

    def add(self, run: Run) -> None:
        """Registers a run. It is stopped at once if its key was revoked or the process shuts down."""
        self._runs.add(run)
        if self._shutdown_fault is not None:
            run.stop(self._shutdown_fault)
        elif self._revoked and run.tenant in self._revoked:
            run.stop(REVOKED)

    def discard(self, run: Run) -> None:
        """Removes a run that has ended."""
        self._runs.discard(run)

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(tuple(self._runs))

    def of_key(self, key_id: str) -> list[Run]:
        """The runs under one key."""
        return [run for run in self._runs if run.tenant == key_id]

    def key_ids(self) -> set[str]:
        """The ids of the issued keys that have running calls."""
        return {run.tenant for run in self._runs if run.tenant is not None and is_key_id(run.tenant)}

    def end_key(self, key_id: str) -> None:
        """Stops the runs of a revoked key, and those that start later: they were authenticated before."""
        if len(self._revoked) >= _MAX_REVOKED:
            del self._revoked[next(iter(self._revoked))]
        self._revoked[key_id] = None
        for run in self.of_key(key_id):
            run.stop(REVOKED)

    def of_response(self, response_id: str) -> list[Run]:
        """The run that creates this response, as a list."""
        return [run for run in self._runs if run.response_id == response_id]

    def stop_all(self, fault: Fault) -> None:
        """Stops every run."""
        for run in self:
            run.stop(fault)

    def end(self, fault: Fault) -> None:
        """Stops every run, and every one that starts later."""
        self._shutdown_fault = fault
        self.stop_all(fault)
