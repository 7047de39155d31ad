"""From samples to verdicts: medians, intervals, and whether a target is met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.measure import Sample
from bench.rows import Row, Target
from bench.stats import Interval, median_interval

Samples = Mapping[str, Sequence[Sample]]
"""By contender: its samples, one per round, in the order of the rounds."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a row says about the subject; `compared` is None when there is nothing to compare it with."""

    compared: Interval | None
    verdict: str


def figures(samples: Sequence[Sample]) -> Interval | None:
    """A contender's own figure over the rounds; None when it has none (direct in a CPU row)."""
    values = [sample.value for sample in samples if sample.value is not None]
    return median_interval(values) if values else None


def judge(row: Row, samples: Samples, subject: str = "gateway") -> Judgement:
    """A target is missed when the lower end of the interval lies above it, or when a call failed."""
    mine = samples.get(subject, ())
    if not mine:
        return Judgement(None, "not run")
    compared = _compare(row.target, mine, samples)
    failed = sum(sample.failed for sample in mine)
    if failed:
        return Judgement(compared, f"FAILED: {failed} calls")
    if row.target.limit is None:
        return Judgement(compared, "")
    if compared is None:
        return Judgement(None, f"needs {row.target.against}")
    if compared.low > row.target.limit:
        return Judgement(compared, "MISSED")
    return Judgement(compared, "met" if compared.median <= row.target.limit else "met, by noise")


def change(samples: Samples) -> Interval | None:
    """The gateway's figure over that of another checkout's; None where there is none."""
    pairs = _pairs(samples.get("gateway", ()), samples.get("before", ()))
    return median_interval([ours / theirs for ours, theirs in pairs]) if pairs else None


def _compare(target: Target, mine: Sequence[Sample], samples: Samples) -> Interval | None:
    if target.against is None:
        return figures(mine)
    pairs = _pairs(mine, samples.get(target.against, ()))
    if not pairs:
        return None
    if target.how == "ratio":
        return median_interval([ours / other for ours, other in pairs])
    return median_interval([ours - other for ours, other in pairs])


def _pairs(mine: Sequence[Sample], theirs: Sequence[Sample]) -> list[tuple[float, float]]:
    """The values of the rounds in which both have one."""
    return [
        (ours.value, other.value)
        for ours, other in zip(mine, theirs, strict=False)
        if ours.value is not None and other.value
    ]
