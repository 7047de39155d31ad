"""`Loop`: runs numbered inputs, limited in number and time, each with its own random generator."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest

SECONDS = 4.0
"""The maximum time of one round. A loop stops, and reports it, when the time of all its rounds is used."""
LONG = 200
"""The number of rounds that makes a run long."""
_ENOUGH = 10  # failures after which a loop stops

Attack = Callable[[int, random.Random], Awaitable[str]]
"""Tries one input and returns the outcome in a word or two; raises AssertionError if a law is broken."""


@dataclass(frozen=True)
class Dose:
    """The size of a run: rounds, seed, and the first input."""

    rounds: int
    seed: int
    first: int = 0

    @classmethod
    def read(cls, rounds: str, seed: str) -> "Dose":
        """Reads the options of the command line: `--rounds 8 --seed new`, `--seed 7`, `--seed 7:113`."""
        number, _, first = seed.partition(":")
        return cls(int(rounds), random.randrange(2**32) if number == "new" else int(number), int(first or 0))

    @property
    def long(self) -> bool:
        """Whether this run tries everything."""
        return self.rounds >= LONG


@dataclass
class Loop:
    """An attack loop of a run."""

    name: str
    dose: Dose
    seen: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    tried: int = 0

    def generator(self, number: int) -> random.Random:
        """The random generator of one input; it depends only on the loop's name, the seed and the number."""
        return random.Random(f"{self.name}/{self.dose.seed}/{number}")

    async def run(
        self,
        attack: Attack,
        *,
        per_round: int,
        at_once: int = 4,
        most: int | None = None,
        seconds: float = SECONDS,
    ) -> None:
        """Tries `per_round` inputs in `seconds` for each round, `at_once` concurrently, `most` in total.

        Prints the counts, and fails the test if a law was broken.
        """
        count = per_round * self.dose.rounds
        numbers = iter(range(self.dose.first, self.dose.first + min(count, most or count)))
        started, bound = time.monotonic(), seconds * self.dose.rounds
        await asyncio.gather(*(self._worker(attack, numbers, started + bound) for _ in range(at_once)))
        left = len(list(numbers))
        self._print_summary(time.monotonic() - started, left)
        assert self.tried, "the loop tried no input"
        if self.failures:
            lines = (f"{self.name}: {len(self.failures)} of {self.tried} inputs break a law.", *self.failures)
            pytest.fail("\n".join(lines), pytrace=False)

    async def _worker(self, attack: Attack, numbers: Iterator[int], until: float) -> None:
        for number in numbers:
            self.tried += 1
            try:
                self.seen[await attack(number, self.generator(number))] += 1
            except (AssertionError, TimeoutError, OSError) as error:
                self.seen["a broken law"] += 1
                what, _, _ = f"{type(error).__name__}: {error}".partition("\nassert ")
                self.failures.append(f"--seed {self.dose.seed}:{number}  {what[:1200]}")
            if len(self.failures) >= _ENOUGH or time.monotonic() > until:
                return

    def _print_summary(self, seconds: float, left: int) -> None:
        seen = ", ".join(f"{what} x {count}" for what, count in self.seen.most_common(12))
        cut = f" ({left} left when the time was up)" if left else ""
        line = f"{self.name}: {self.tried} inputs in {seconds:.1f} s{cut}, seed {self.dose.seed}: {seen}"
        print(f"\n{line}; failures: {len(self.failures)}")  # noqa: T201
