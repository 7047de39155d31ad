"""Medians and their confidence intervals, without assumptions about the distribution of the noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from statistics import median


@dataclass(frozen=True, slots=True)
class Interval:
    """A sample's median, and the interval that contains the true median with probability `coverage`."""

    median: float
    low: float
    high: float
    coverage: float


def median_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """The narrowest symmetric order-statistic interval of at least `level`.

    The k-th smallest and k-th largest of n values enclose the median with probability 1 - 2 P(B(n, 1/2) < k).
    Fewer than six values cannot reach 95%: the interval is then their whole range, and `coverage` is lower.
    Raises ValueError without values.
    """
    ordered = sorted(values)
    n = len(ordered)
    if not n:
        raise ValueError("an interval needs at least one value")
    k = 1
    while 2 * (k + 1) <= n and _coverage(n, k + 1) >= level:
        k += 1
    return Interval(median(ordered), ordered[k - 1], ordered[n - k], _coverage(n, k))


def _coverage(n: int, k: int) -> float:
    outside: int = sum(comb(n, i) for i in range(k))
    return 1 - 2 * outside / float(1 << n)
