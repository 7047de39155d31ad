"""`Loop`: numbered inputs, bounded in count and time, each with a generator of its own; what came of them."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import pytest

SECONDS = 4.0
"""What one round of a loop takes at most: a loop stops, and says so, when its rounds have had theirs."""
LONG = 200
"""Rounds of a long run."""
_ENOUGH = 10  # failures after which a loop stops

Attack = Callable[[int, random.Random], Awaitable[str]]
"""Tries one input and says what was seen, in a word; raises AssertionError where a law is broken."""


@dataclass(frozen=True)
class Dose:
    """How much of each loop a run takes."""

    rounds: int
    seed: int
    first: int = 0

    @classmethod
    def read(cls, rounds: str, seed: str) -> "Dose":
        """From the options of the command line: `--rounds 8 --seed new`, `--seed 7`, `--seed 7:113`."""
        number, _, first = seed.partition(":")
        return cls(int(rounds), random.randrange(2**32) if number == "new" else int(number), int(first or 0))

    @property
    def long(self) -> bool:
        """Whether this run takes all there is."""
        return self.rounds >= LONG


@dataclass
class Loop:
    """One attack loop of a run."""

    name: str
    dose: Dose
    seen: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    tried: int = 0

    def generator(self, number: int) -> random.Random:
        """The chance of one input; it depends on nothing but the loop's name, the seed and the number."""
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
        """Tries `per_round` inputs in `seconds` for each round, `at_once` side by side, `most` in all.

        Prints the counts, and fails the test where a law was broken.
        """
        count = per_round * self.dose.rounds
        numbers = iter(range(self.dose.first, self.dose.first + min(count, most or count)))
        began, bound = time.monotonic(), seconds * self.dose.rounds
        await asyncio.gather(*(self._worker(attack, numbers, began + bound) for _ in range(at_once)))
        left = len(list(numbers))
        self._tell(time.monotonic() - began, left)
        assert self.tried, "the loop has tried nothing"
        if self.failures:
            result = (
                f"{self.name}: {len(self.failures)} of {self.tried} inputs break a law.",
                *self.failures,
            )
            pytest.fail("\n".join(result), pytrace=False)

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

    def _tell(self, seconds: float, left: int) -> None:
        seen = ", ".join(f"{what} x {count}" for what, count in self.seen.most_common(12))
        cut = f" ({left} left when its time was up)" if left else ""
        line = f"{self.name}: {self.tried} inputs in {seconds:.1f} s{cut}, seed {self.dose.seed}: {seen}"
        print(f"\n{line}; failures: {len(self.failures)}")  # noqa: T201
