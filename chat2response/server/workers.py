"""`--workers N`: several processes that serve at one address.

The parent opens the listeners, composes the services, forks, and then only supervises. It serves nothing: the
workers share their state through the key store. Each worker reports through a pipe that it serves; the pipe
closes when the worker dies. A pipe in the other direction closes when the parent dies: the workers then
drain, so no orphan keeps the port.

    a worker dies after it has served    another replaces it, at most one per second
    a worker dies before that            the start has failed: all workers stop, with its exit code
    SIGTERM, SIGINT                      each becomes a SIGTERM to every worker. The parent closes its
                                         own copy of the sockets; the port closes with the last worker's copy

uvicorn's own supervisor keeps the socket open while its workers drain (it would accept new connections and
never answer them), and exits with code 0 after a failed start.
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
from chat2response.server.bootstrap import PreparedGateway, check_workers
from chat2response.server.signals import stop_signals

log = logging.getLogger("chat2response")

_SERVING = b"u"
_MIN_LIFETIME = 1.0  # seconds between the start of a worker that died and the start of its replacement


@dataclass(slots=True)
class Worker:
    """One process. `pipe`: the end that the parent reads; the worker writes to it once it serves."""

    pid: int
    pipe: int
    started: float = field(default_factory=time.monotonic)
    serving: bool = False


class WorkerFailed(SystemExit):
    """A worker could not start and has printed the reason. Its exit code becomes the parent's."""


class Workers:
    """The supervisor. `on_serving` is called once, when all workers serve."""

    def __init__(self, prepared: PreparedGateway, count: int, on_serving: Callable[[], None]) -> None:
        self._prepared = prepared
        self._count = count
        self._on_serving: Callable[[], None] | None = on_serving
        self._workers: dict[int, Worker] = {}  # by pipe
        # Not epoll: forks share it, so a worker's unregister would also take effect in the parent.
        self._selector = selectors.SelectSelector()
        self._signals, self._signalled = socket.socketpair()
        self._alive, self._parent_alive = os.pipe()
        self._stopping = False
        self._restarts: list[float] = []  # times at which replacements start
        self._exit_code = 0
        """The exit code of the first worker that failed."""

    def run(self) -> None:
        """Supervises until the last worker has ended. Raises WorkerFailed.

        Also returns in each worker process, after that has stopped serving.
        """
        logs.set_up(self._prepared.services.settings, self._prepared.services.admin.token or "")
        self._take_signals()
        self._selector.register(self._signals, selectors.EVENT_READ)
        for _ in range(self._count):
            if self._fork():
                return
        while self._workers or self._restarts:
            if self._step():
                return
        if self._exit_code:
            raise WorkerFailed(self._exit_code)

    # -- supervising -------------------------------------------------------------------------------

    def _step(self) -> bool:
        """Waits for one event and handles it. True in a forked worker, after it has served."""
        now = time.monotonic()
        if self._restarts and self._restarts[0] <= now:
            self._restarts.pop(0)
            return self._fork()
        wait = max(0.0, self._restarts[0] - now) if self._restarts else None
        for key, _ in self._selector.select(wait):
            if key.fileobj is self._signals:
                for _ in self._signals.recv(64):
                    self._stop_workers()
            else:
                self._read_pipe(self._workers[key.fd])
        return False

    def _read_pipe(self, worker: Worker) -> None:
        if os.read(worker.pipe, 1):
            worker.serving = True
            if self._on_serving is not None and all(each.serving for each in self._workers.values()):
                on_serving, self._on_serving = self._on_serving, None
                on_serving()
            return
        self._forget(worker)
        _, status = os.waitpid(worker.pid, 0)
        self._handle_exit(worker, os.waitstatus_to_exitcode(status))

    def _handle_exit(self, worker: Worker, code: int) -> None:
        if self._stopping:
            clean = code in (0, -signal.SIGTERM)  # the signal may come before the worker handles it
            self._exit_code = self._exit_code or (0 if clean else max(code, 1))
        elif worker.serving:
            log.error("worker %d died (%s); starting another", worker.pid, _exit_reason(code))
            self._restarts.append(max(time.monotonic(), worker.started + _MIN_LIFETIME))
            self._restarts.sort()
        else:
            self._exit_code = code if code > 0 else 1
            log.error("worker %d could not start (%s); stopping the gateway", worker.pid, _exit_reason(code))
            self._stop_workers()

    def _stop_workers(self) -> None:
        """Sends SIGTERM to every worker, whichever signal came.

        The first call also closes the parent's copy of the sockets.
        """
        if not self._stopping:
            self._stopping = True
            self._restarts.clear()
            for listener in (*self._prepared.listeners, *self._prepared.admin_listeners):
                listener.close()
        for worker in self._workers.values():
            os.kill(worker.pid, signal.SIGTERM)

    # -- forking -----------------------------------------------------------------------------------

    def _fork(self) -> bool:
        """Forks a worker. False in the parent; True in the worker, after it has served."""
        read_end, write_end = os.pipe()
        pid = os.fork()
        if pid:
            os.close(write_end)
            self._workers[read_end] = Worker(pid, read_end)
            self._selector.register(read_end, selectors.EVENT_READ)
            return False
        os.close(read_end)
        self._become_worker(write_end)
        return True

    def _become_worker(self, write_end: int) -> None:
        # In a process group of its own, Ctrl-C in a terminal reaches only the parent, which forwards it.
        os.setpgid(0, 0)
        signal.set_wakeup_fd(-1)
        for number in stop_signals():
            signal.signal(number, signal.SIG_DFL)
        for worker in tuple(self._workers.values()):
            self._forget(worker)
        self._selector.close()
        self._signals.close()
        self._signalled.close()
        os.close(self._parent_alive)

        async def report_serving() -> None:
            os.write(write_end, _SERVING)

        server.run(self._prepared, report_serving, parent=self._alive)

    def _forget(self, worker: Worker) -> None:
        self._selector.unregister(worker.pipe)
        del self._workers[worker.pipe]
        os.close(worker.pipe)

    def _take_signals(self) -> None:
        """Turns signals into bytes that wake the selector."""
        self._signalled.setblocking(False)
        signal.set_wakeup_fd(self._signalled.fileno(), warn_on_full_buffer=False)
        for number in stop_signals():
            signal.signal(number, _ignore)


def _ignore(number: int, frame: FrameType | None) -> None:
    """Does nothing: the byte in the wake-up pipe is enough, but without a handler the process would end."""


def _exit_reason(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def run(prepared: PreparedGateway, count: int, on_serving: Callable[[], None]) -> None:
    """Serves with `count` processes until a signal stops them; one serves in this process.

    Raises CannotStart.
    """
    check_workers(prepared.services.store, count)
    if count > 1:
        Workers(prepared, count, on_serving).run()
        return

    async def call_on_serving() -> None:
        on_serving()

    server.run(prepared, call_on_serving)
