"""Formats the final table as text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from bench.judge import Samples, change, figures, judge
from bench.measure import Sample
from bench.rows import UNCHANGED, Row, Target
from bench.stats import Interval

_TITLES = {
    "bridge": "Responses on Chat, key check",
    "relay-chat": "Relay, Chat on Chat",
    "relay-responses": "Relay, Responses on Responses",
}


def render(rows: Sequence[Row], results: Mapping[str, Samples], names: Sequence[str]) -> str:
    """The tables: figures with verdicts, the comparison with another checkout's gateway if one was measured,
    and wall-clock times for orientation."""
    tables = (_figures(rows, results, names), _changes(rows, results), _times(rows, results, names))
    return "\n\n".join("\n".join(lines) for lines in tables if lines)


def describe(rows: Sequence[Row]) -> str:
    """The rows without figures: name, unit, description, target."""
    lines = [[row.name, row.unit, row.what, _goal(row.target)] for row in rows]
    return "\n".join(_aligned(lines))


def _figures(rows: Sequence[Row], results: Mapping[str, Samples], names: Sequence[str]) -> list[str]:
    lines: list[list[str]] = [["", "unit", *names, "gateway against", "[95%]", "target", "verdict"]]
    title = ""
    for row in rows:
        if _TITLES[row.mode] != title:
            title = _TITLES[row.mode]
            lines.append([title])
        samples = results[row.name]
        own = [_number(figures(samples.get(name, ()))) for name in names]
        judgement = judge(row, samples)
        lines.append(
            [
                f"  {row.base}", row.unit, *own, _compared(row.target, judgement.compared),
                _range(judgement.compared), _target(row.target), judgement.verdict,
            ]
        )  # fmt: skip
    return _aligned(lines)


def _changes(rows: Sequence[Row], results: Mapping[str, Samples]) -> list[str]:
    lines: list[list[str]] = [["gateway against before", "ratio", "[95%]", f"<= {UNCHANGED:.2f}x"]]
    for row in rows:
        if interval := change(results[row.name]):
            verdict = "met" if interval.median <= UNCHANGED else "MISSED"
            lines.append([f"  {row.name}", f"{interval.median:.3f}x", _range(interval), verdict])
    return _aligned(lines) if len(lines) > 1 else []


def _times(rows: Sequence[Row], results: Mapping[str, Samples], names: Sequence[str]) -> list[str]:
    lines: list[list[str]] = [["wall clock, p50 / p99 ms", *names]]
    for row in rows:
        cells = [_latency(results[row.name].get(name, ()), first=row.kind == "first") for name in names]
        if any(cells):
            lines.append([f"  {row.name}", *cells])
    return _aligned(lines) if len(lines) > 1 else []


def _latency(samples: Sequence[Sample], *, first: bool) -> str:
    key = "first_ms" if first else "latency_ms"
    times = [sample.detail[key] for sample in samples if key in sample.detail]
    if not times:
        return ""
    return " / ".join(_digits(median(time[q] for time in times)) for q in ("p50", "p99"))


def _number(interval: Interval | None) -> str:
    return "-" if interval is None else _digits(interval.median)


def _digits(value: float) -> str:
    """About three significant digits, without an exponent."""
    if abs(value) >= 100:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _compared(target: Target, interval: Interval | None) -> str:
    if interval is None:
        return "-"
    if target.how == "ratio":
        return f"{interval.median:.2f}x {target.against}"
    if target.how == "over":
        return f"{target.against} {interval.median:+.2f}"
    return _digits(interval.median)


def _range(interval: Interval | None) -> str:
    if interval is None:
        return ""
    if not interval.coverage:
        return "(one round)"
    doubt = "" if interval.coverage >= 0.95 else f" ({interval.coverage:.0%})"
    return f"[{interval.low:.2f}, {interval.high:.2f}]{doubt}"


def _goal(target: Target) -> str:
    if target.limit is None:
        return "no target"
    return _target(target) + (f" to {target.against}" if target.against else "")


def _target(target: Target) -> str:
    if target.limit is None:
        return ""
    sign = "+" if target.how == "over" else ""
    unit = "x" if target.how == "ratio" else ""
    return f"<= {sign}{target.limit:g}{unit}" + (f" ({target.orientation})" if target.orientation else "")


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    width = max(map(len, lines))
    sizes = [max(len(line[i]) for line in lines if i < len(line) and len(line) > 1) for i in range(width)]
    return [
        "  ".join(cell.ljust(size) for cell, size in zip(line, sizes, strict=False)).rstrip()
        for line in lines
    ]
