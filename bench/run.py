"""Runs the benchmark: for every row, rounds of all contenders in turn (A B C, A B C, ...)."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.contenders import BEFORE, CONTENDERS, NAMES, Contender, Fleet, before, missing
from bench.judge import figures
from bench.measure import Bench, Sample
from bench.procs import Cores, StartError
from bench.progress import Progress
from bench.rows import Row, rounds_of
from bench.tools import Mock, build

_FILES_NEEDED = 8192


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    rows: Sequence[Row]
    contenders: Sequence[str]
    quick: bool = False
    rounds: int | None = None
    before: Path | None = None
    """Another checkout, whose gateway is measured in every round."""

    @property
    def names(self) -> list[str]:
        """The contenders in the order of a round."""
        names = [name for name in NAMES if name in self.contenders]
        return names if self.before is None else [*names, BEFORE]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Samples by row and contender, one per round; notes on what could not be measured or adds noise."""

    samples: dict[str, dict[str, list[Sample]]]
    notes: list[str]
    seconds: float


def run(options: Options) -> Outcome:
    """Measures all selected rows. A contender that fails becomes a note.

    Raises MissingCompilerError, MockDiedError, and CalledProcessError if the native parts do not compile.
    """
    for tool in ("mock", "load"):
        build(tool)
    cores = Cores.choose()
    notes = _prepare_machine(cores)
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        mock = Mock()
        fleet = Fleet(mock.port, cores, Path(folder), _contenders(options))
        try:
            return _Run(options, Bench(fleet, Path(folder)), mock, notes).all()
        finally:
            fleet.close()
            mock.stop()


def _contenders(options: Options) -> dict[str, Contender]:
    return CONTENDERS if options.before is None else {**CONTENDERS, BEFORE: before(options.before)}


def _prepare_machine(cores: Cores) -> list[str]:
    os.sched_setaffinity(0, {cores.client})
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < _FILES_NEEDED:
        wanted = _FILES_NEEDED if hard == resource.RLIM_INFINITY else min(_FILES_NEEDED, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    notes = []
    if cores.server == cores.client:
        notes.append(
            "this machine has one core, which server, upstream and clients share: the times mean little"
        )
    if (load := os.getloadavg()[0]) > 0.7:
        notes.append(f"the machine was busy at the start (load {load:.1f}), so expect wide intervals")
    return notes


class _Run:
    def __init__(self, options: Options, bench: Bench, mock: Mock, notes: list[str]) -> None:
        self._options = options
        self._bench = bench
        self._mock = mock
        self._notes = notes
        self._progress = Progress()
        self._present = options.names

    def all(self) -> Outcome:
        self._progress.plan(sum(self._seconds(row) for row in self._options.rows))
        for note in self._notes:
            self._progress.show(f"note: {note}")
        for name in self._options.names:
            if reason := missing(name):
                self._skip(name, reason)
        samples: dict[str, dict[str, list[Sample]]] = {}
        for index, row in enumerate(self._options.rows):
            after = sum(self._seconds(later) for later in self._options.rows[index + 1 :])
            samples[row.name] = self._row(row, after)
        return Outcome(samples, self._notes, self._progress.elapsed)

    def _row(self, row: Row, after: float) -> dict[str, list[Sample]]:
        for name in self._names(row):
            self._prepare(row, name)
        samples: dict[str, list[Sample]] = {name: [] for name in self._names(row)}
        rounds = self._rounds(row)
        for number in range(1, rounds + 1):
            for name in self._names(row):
                self._measure(row, name, samples[name])
                self._progress.step(row.seconds)
                self._mock.check()
            self._progress.plan(after + (rounds - number) * row.seconds * len(self._names(row)))
            shown = "  ".join(
                f"{name} {_latest(measured)}" for name, measured in samples.items() if len(measured) == number
            )
            self._progress.show(f"{row.name} {number}/{rounds}, {row.unit}: {shown}")
        return samples

    def _prepare(self, row: Row, name: str) -> None:
        try:
            self._bench.prepare(row, name)
        except (StartError, RuntimeError, OSError) as error:
            self._skip(name, str(error))

    def _measure(self, row: Row, name: str, samples: list[Sample]) -> None:
        try:
            samples.append(self._bench.measure(row, name))
        except (StartError, RuntimeError, OSError) as error:
            self._skip(name, f"in {row.name}: {error}")
            return
        if samples[-1].failed and not any(sample.failed for sample in samples[:-1]):
            self._note(f"{name} failed in {row.name}: {samples[-1].detail['failure']}")

    def _skip(self, name: str, reason: str) -> None:
        self._present.remove(name)
        self._note(f"{name} is skipped: {reason}")

    def _note(self, text: str) -> None:
        self._notes.append(text)
        self._progress.show(f"note: {text}")

    def _names(self, row: Row) -> list[str]:
        return [name for name in self._present if name in row.contenders or name == BEFORE]

    def _rounds(self, row: Row) -> int:
        return rounds_of(row, quick=self._options.quick, wanted=self._options.rounds)

    def _seconds(self, row: Row) -> float:
        return self._rounds(row) * row.seconds * len(self._names(row))


def _latest(samples: Sequence[Sample]) -> str:
    own = figures(samples[-1:])
    broken = f" ({samples[-1].failed} failed)" if samples and samples[-1].failed else ""
    return ("-" if own is None else f"{own.median:.4g}") + broken
