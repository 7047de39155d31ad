"""Measures one cell: one contender, one row, one round."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from bench import large, unread
from bench.bodies import Mode, expected, http_request
from bench.contenders import Fleet, Server, probe
from bench.procs import Process
from bench.rows import Row, Work
from bench.tools import Load, LoadResult

_SETTLE = 0.05
"""Seconds to wait after the last answer: work that the server deferred is part of a request's cost."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A cell's figure in the row's unit (None if there is no process to measure), and further details."""

    value: float | None
    failed: int = 0
    detail: dict[str, Any] = field(default_factory=dict)


class Bench:
    """Measures cells with the servers of one fleet; `folder` holds the request files."""

    def __init__(self, fleet: Fleet, folder: Path) -> None:
        self._fleet = fleet
        self._folder = folder
        self._request_file = cache(self._write_request)
        self._warm: set[tuple[Server, str]] = set()
        """The servers, and the models that each has answered."""
        self._pending: dict[tuple[str, Mode], dict[str, Sample]] = {}
        """Samples that were measured together with another row, and are not used yet."""

    def measure(self, row: Row, name: str) -> Sample:
        """Measures a cell.

        Raises StartError if the contender does not start, RuntimeError if it dies under load.
        """
        match row.kind:
            case "cold":
                with self._fleet.fresh(name, row.mode) as (_, _, listening):
                    return Sample(listening)
            case "idle":
                with self._fleet.fresh(name, row.mode) as (process, port, _):
                    return Sample(_idle(process, port))
            case "open":
                return self._open(row, name)
            case "livez" | "memory" | "callback":
                return self._shared(row, name, self._send_large)
            case "unread" | "again":
                return self._shared(row, name, self._send_unread)
            case _:
                return self._load(row, name)

    def prepare(self, row: Row, name: str) -> None:
        """Warms the contender up: started once, so that its bytecode is on disk, and loaded."""
        if row.kind in ("cpu", "first"):
            assert row.work is not None
            server = self._fleet.get(name, row.mode)
            for work in (Work(8, 300), row.work.warm_up):
                if (server, work.model) not in self._warm:
                    self._warm.add((server, work.model))
                    self._run(server, row.mode, work)
        else:
            with self._fleet.fresh(name, row.mode):
                pass

    def _load(self, row: Row, name: str) -> Sample:
        assert row.work is not None
        server = self._fleet.get(name, row.mode)
        before = _cpu(server)
        result = self._run(server, row.mode, row.work)
        cpu = _cpu(server) - before
        units = result.counted if row.work.deltas else result.completed
        detail = {
            "cpu_s": cpu, "units": units, "wall_s": result.wall_s,
            "latency_ms": result.latency_ms, "first_ms": result.first_ms, "failure": result.failure,
        }  # fmt: skip
        if row.kind == "first":
            return Sample(result.first_ms["p50"], result.failed, detail)
        value = cpu / units * 1e6 if units and server.process is not None else None
        return Sample(value, result.failed, detail)

    def _open(self, row: Row, name: str) -> Sample:
        assert row.work is not None
        with self._fleet.fresh(name, row.mode) as (process, port, _):
            idle = peak = _idle(process, port)
            server = Server(port, self._fleet.token(name, port), process)
            load = Load(self._arguments(server, row.mode, row.work))
            while load.running():
                time.sleep(0.1)
                peak = max(peak, process.rss_mib())
            result = _result_of(load, process)
        detail = {
            "idle_mib": idle,
            "peak_mib": peak,
            "latency_ms": result.latency_ms,
            "failure": result.failure,
        }
        return Sample(peak - idle, result.failed, detail)

    def _shared(self, row: Row, name: str, send: Callable[[Mode, str], dict[str, Sample]]) -> Sample:
        """Returns the sample of a row whose mode is measured for several rows in one run."""
        pending = self._pending.setdefault((name, row.mode), {})
        if row.kind not in pending:
            pending.update(send(row.mode, name))
        return pending.pop(row.kind)

    def _send_large(self, mode: Mode, name: str) -> dict[str, Sample]:
        log = self._folder / f"callbacks-{name}-{mode}.log"
        log.unlink(missing_ok=True)
        with self._fleet.fresh(name, mode, log) as (process, port, _):
            idle = _idle(process, port)
            results = large.measure(process, port, self._fleet.token(name, port), mode, log)
            process.check()
        detail = {"idle_mib": idle, "bodies": {each: asdict(measured) for each, measured in results.items()}}
        return {
            "callback": Sample(max(measured.callback_ms for measured in results.values()), 0, detail),
            "livez": Sample(max(measured.livez_ms for measured in results.values()), 0, detail),
            "memory": Sample(max(measured.peak_mib for measured in results.values()) - idle, 0, detail),
        }

    def _send_unread(self, mode: Mode, name: str) -> dict[str, Sample]:
        with self._fleet.fresh(name, mode) as (process, port, _):
            request = http_request(mode, unread.MODEL, True, self._fleet.token(name, port))
            idle = _idle(process, port)
            waves = unread.measure(process, port, request, idle)
        detail = {"idle_mib": idle, **asdict(waves), "failure": "a client got no answer or an error"}
        return {
            "unread": Sample(waves.first_mib, waves.failed, detail),
            "again": Sample(waves.added, waves.failed, detail),
        }

    def _run(self, server: Server, mode: Mode, work: Work) -> LoadResult:
        result = _result_of(Load(self._arguments(server, mode, work)), server.process)
        time.sleep(_SETTLE)
        return result

    def _arguments(self, server: Server, mode: Mode, work: Work) -> list[str]:
        request = self._request_file(mode, work.model, work.deltas > 0, work.key or server.token)
        expected_texts = expected(mode, work.deltas > 0, work.model)
        arguments = {
            "--port": server.port, "--request": request, "--ramp": work.ramp,
            "--connections": work.connections, "--requests": work.requests,
        }  # fmt: skip
        if work.key:
            arguments["--status"] = 401
        else:
            arguments["--end"] = expected_texts.end
        if work.deltas:
            arguments |= {"--count": expected_texts.count, "--expect": work.deltas}
        return [str(part) for pair in arguments.items() for part in pair]

    def _write_request(self, mode: Mode, model: str, stream: bool, token: str) -> Path:
        path = self._folder / f"{mode}-{model}-{hash((stream, token)):x}.http"
        path.write_bytes(http_request(mode, model, stream, token))
        return path


def _cpu(server: Server) -> float:
    return 0.0 if server.process is None else server.process.cpu_seconds()


def _result_of(load: Load, process: Process | None) -> LoadResult:
    """The result of a load run. Raises StartError if the server died, whatever the load generator reports."""
    try:
        return load.result()
    finally:
        if process is not None:
            process.check()


def _idle(process: Process, port: int) -> float:
    probe(port)
    time.sleep(1)
    return process.rss_mib()
