"""Several processes that serve at one address: `--workers N`.

The parent takes the ports and makes the parts, forks, and from then on only watches. It serves nothing:
what is of all workers is in the key store. Each worker tells through a pipe that it serves; the end of the
pipe tells that it is dead. A pipe the other way tells the workers that the parent is dead: they drain, and
no orphan keeps the port.

    a worker dies after it has served    another takes its place, at most one a second
    a worker dies before                 the start has failed: all are stopped, and the exit code is its own
    SIGTERM, SIGINT                      go to every worker, each time: see `server`. The parent closes its
                                         own copy of the sockets; the port is closed with the last worker's

uvicorn's own supervisor keeps the socket open while its workers drain (new connections would then be accepted
and never answered), and ends with code 0 when a start has failed.
"""

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType

from chat2response.server import logs, server
from chat2response.server.bootstrap import Prepared, check_workers
from chat2response.server.signals import stopping_signals

log = logging.getLogger("chat2response")

_UP = b"u"
_PAUSE = 1.0  # seconds between the start of a worker that died and the start of the one in its place


@dataclass(slots=True)
class Worker:
    """One process. `pipe`: the parent's end of what it tells."""

    pid: int
    pipe: int
    started: float = field(default_factory=time.monotonic)
    up: bool = False


class WorkerFailed(SystemExit):
    """A worker could not start; it has said why, and its exit code is ours."""


class Workers:
    """The parent. `once_up` is called when all of them serve for the first time."""

    def __init__(self, ready: Prepared, count: int, once_up: Callable[[], None]) -> None:
        self._ready = ready
        self._count = count
        self._once_up: Callable[[], None] | None = once_up
        self._workers: dict[int, Worker] = {}  # by pipe
        # Not epoll: a fork shares it, and what a worker let go of would be gone for the parent.
        self._selector = selectors.SelectSelector()
        self._signals, self._signalled = socket.socketpair()
        self._alive, self._parent_alive = os.pipe()
        self._stopping = False
        self._due: list[float] = []  # when workers that are missing are started
        self._failed = 0
        """The exit code of the first worker that did not end well."""

    def run(self) -> None:
        """Watches until the last worker has ended. Raises WorkerFailed.

        Returns in each worker too, when that has ended: it is then a process of its own.
        """
        logs.set_up(self._ready.services.settings, self._ready.services.admin.token or "")
        self._take_signals()
        self._selector.register(self._signals, selectors.EVENT_READ)
        for _ in range(self._count):
            if self._fork():
                return
        while self._workers or self._due:
            if self._watch():
                return
        if self._failed:
            raise WorkerFailed(self._failed)

    # -- watching ----------------------------------------------------------------------------------

    def _watch(self) -> bool:
        """One thing that happens; whether this is a new worker."""
        now = time.monotonic()
        if self._due and self._due[0] <= now:
            self._due.pop(0)
            return self._fork()
        wait = max(0.0, self._due[0] - now) if self._due else None
        for key, _ in self._selector.select(wait):
            if key.fileobj is self._signals:
                for number in self._signals.recv(64):
                    self._pass_on(number)
            else:
                self._hear(self._workers[key.fd])
        return False

    def _hear(self, worker: Worker) -> None:
        if os.read(worker.pipe, 1):
            worker.up = True
            if self._once_up is not None and all(each.up for each in self._workers.values()):
                once_up, self._once_up = self._once_up, None
                once_up()
            return
        self._forget(worker)
        _, status = os.waitpid(worker.pid, 0)
        self._bury(worker, os.waitstatus_to_exitcode(status))

    def _bury(self, worker: Worker, code: int) -> None:
        if self._stopping:
            well = code in (0, -signal.SIGTERM)  # the signal may come before a worker listens to it
            self._failed = self._failed or (0 if well else max(code, 1))
        elif worker.up:
            log.error("worker %d died (%s); another takes its place", worker.pid, _said(code))
            self._due.append(max(time.monotonic(), worker.started + _PAUSE))
            self._due.sort()
        else:
            self._failed = code if code > 0 else 1
            log.error("worker %d could not start (%s); the gateway stops", worker.pid, _said(code))
            self._pass_on(signal.SIGTERM)

    def _pass_on(self, number: int) -> None:
        """To every worker; the first one closes our copy of the sockets."""
        if not self._stopping:
            self._stopping = True
            self._due.clear()
            for listener in (*self._ready.listeners, *self._ready.admin_listeners):
                listener.close()
        for worker in self._workers.values():
            os.kill(worker.pid, signal.SIGTERM)

    # -- forking -----------------------------------------------------------------------------------

    def _fork(self) -> bool:
        """One more worker; whether this is it, at its end."""
        heard, told = os.pipe()
        pid = os.fork()
        if pid:
            os.close(told)
            self._workers[heard] = Worker(pid, heard)
            self._selector.register(heard, selectors.EVENT_READ)
            return False
        os.close(heard)
        self._become_worker(told)
        return True

    def _become_worker(self, told: int) -> None:
        # A terminal's Ctrl-C goes to the parent alone, which passes it on: it must not count twice.
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in stopping_signals():
            signal.signal(number, signal.SIG_DFL)
        for worker in tuple(self._workers.values()):
            self._forget(worker)
        self._selector.close()
        self._signals.close()
        self._signalled.close()
        os.close(self._parent_alive)

        async def tell() -> None:
            os.write(told, _UP)

        server.run(self._ready, tell, parent=self._alive)

    def _forget(self, worker: Worker) -> None:
        self._selector.unregister(worker.pipe)
        del self._workers[worker.pipe]
        os.close(worker.pipe)

    def _take_signals(self) -> None:
        """Signals become bytes that the selector sees."""
        self._signalled.setblocking(False)
        signal.set_wakeup_fd(self._signalled.fileno(), warn_on_full_buffer=False)
        for number in stopping_signals():
            signal.signal(number, _noted)


def _noted(number: int, frame: FrameType | None) -> None:
    """The byte in the wake-up pipe tells it; without a handler the signal would end the process."""


def _said(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def run(ready: Prepared, count: int, once_up: Callable[[], None]) -> None:
    """Serves with `count` processes until told to stop; with one, in this process. Raises CannotStart."""
    check_workers(ready.services.store, count)
    if count > 1:
        Workers(ready, count, once_up).run()
        return

    async def shown() -> None:
        once_up()

    server.run(ready, shown)
