"""Turns samples into verdicts: medians, intervals, and whether a target is met."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.measure import Sample
from bench.rows import Row, Target
from bench.stats import Interval, median_interval

Samples = Mapping[str, Sequence[Sample]]
"""The samples of each contender, one per round."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on the subject in a row. `compared` is None if there is nothing to compare with."""

    compared: Interval | None
    verdict: str


def figures(samples: Sequence[Sample]) -> Interval | None:
    """A contender's figure over the rounds; None if it has none (direct in a CPU row)."""
    values = [sample.value for sample in samples if sample.value is not None]
    return median_interval(values) if values else None


def judge(row: Row, samples: Samples, subject: str = "gateway") -> Judgement:
    """Judges a row. A target is missed if the lower end of the interval lies above it, or a call failed."""
    subject_samples = samples.get(subject, ())
    if not subject_samples:
        return Judgement(None, "not run")
    compared = _compare(row.target, subject_samples, samples)
    failed = sum(sample.failed for sample in subject_samples)
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
    """The ratio of the gateway's figure to that of another checkout's gateway; None without one."""
    pairs = _pairs(samples.get("gateway", ()), samples.get("before", ()))
    return median_interval([ours / other for ours, other in pairs]) if pairs else None


def _compare(target: Target, subject_samples: Sequence[Sample], samples: Samples) -> Interval | None:
    if target.against is None:
        return figures(subject_samples)
    pairs = _pairs(subject_samples, samples.get(target.against, ()))
    if not pairs:
        return None
    if target.how == "ratio":
        return median_interval([ours / other for ours, other in pairs])
    return median_interval([ours - other for ours, other in pairs])


def _pairs(subject_samples: Sequence[Sample], other_samples: Sequence[Sample]) -> list[tuple[float, float]]:
    """The values of both for the rounds in which both have one."""
    return [
        (ours.value, other.value)
        for ours, other in zip(subject_samples, other_samples, strict=False)
        if ours.value is not None and other.value
    ]
