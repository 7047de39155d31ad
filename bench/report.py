"""Writes the result as JSON: every sample and verdict, the machine and the versions."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from bench.contenders import version_of_nginx
from bench.judge import change, figures, judge
from bench.rows import Row
from bench.run import Options, Outcome

_PACKAGES = (
    "uvicorn",
    "uvloop",
    "httptools",
    "starlette",
    "fastapi",
    "aiohttp",
    "orjson",
    "msgspec",
    "pydantic",
)
RESULTS = Path(__file__).parent / "results"


def write(path: Path | None, options: Options, outcome: Outcome) -> Path:
    """Writes to `path`, or to a new file in `bench/results/`. Returns the path."""
    if path is None:
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / time.strftime("%Y%m%d-%H%M%S.json")
    document = {
        "environment": _environment(),
        "options": {"contenders": options.names, "quick": options.quick, "rounds": options.rounds},
        "seconds": round(outcome.seconds, 1),
        "notes": outcome.notes,
        "rows": [_row(row, outcome) for row in options.rows],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    return path


def _row(row: Row, outcome: Outcome) -> dict[str, Any]:
    samples = outcome.samples[row.name]
    judgement = judge(row, samples)
    changed = change(samples)
    by_contender = {name: figures(contender_samples) for name, contender_samples in samples.items()}
    return {
        "name": row.name,
        "what": row.what,
        "unit": row.unit,
        "figures": {name: asdict(interval) for name, interval in by_contender.items() if interval},
        "target": asdict(row.target),
        "compared": asdict(judgement.compared) if judgement.compared else None,
        "verdict": judgement.verdict,
        "change": asdict(changed) if changed else None,
        "samples": {
            name: [asdict(sample) for sample in contender_samples]
            for name, contender_samples in samples.items()
        },
    }


def _environment() -> dict[str, Any]:
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "commit": _output(["git", "rev-parse", "--short", "HEAD"]),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "cpu": _cpu_model(),
        "cores": os.cpu_count(),
        "nginx": version_of_nginx(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _output(argv: Sequence[str]) -> str:
    try:
        return subprocess.run(
            argv, cwd=RESULTS.parent, capture_output=True, text=True, check=False
        ).stdout.strip()
    except OSError:
        return ""


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
