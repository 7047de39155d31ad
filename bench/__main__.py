"""The command line: `python -m bench`."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import bench
from bench import report
from bench.contenders import NAMES
from bench.rows import ROWS, select
from bench.run import Options, run
from bench.table import describe, render
from bench.tools import MissingCompilerError, MockDiedError


def main(argv: Sequence[str] | None = None) -> int:
    """0: measured, whatever the verdicts. 2: it could not run, or was asked for something unknown."""
    parser = _parser()
    asked = parser.parse_args(argv)
    if asked.list:
        print(describe(ROWS))
        return 0
    if not sys.platform.startswith("linux"):
        print("the benchmark needs Linux: it pins processes to cores and reads /proc", file=sys.stderr)
        return 2
    rows = select(asked.rows, quick=asked.quick)
    if not rows:
        parser.error("no row is called that; --list shows them")
    options = Options(rows, asked.contenders, asked.quick, asked.rounds, asked.before)
    try:
        outcome = run(options)
    except (MissingCompilerError, MockDiedError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    print(render(rows, outcome.samples, options.names))
    for note in outcome.notes:
        print("note:", note)
    print(f"{outcome.seconds:.0f} s; every sample in {report.write(asked.json, options, outcome)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=bench.__doc__)
    parser.add_argument(
        "--rows",
        nargs="+",
        default=[],
        metavar="NAME",
        help="rows by name or glob: json-c16 'relay-*' (default: all)",
    )
    parser.add_argument(
        "--contenders",
        nargs="+",
        choices=NAMES,
        default=NAMES,
        metavar="NAME",
        help=" ".join(NAMES) + " (default: all)",
    )
    parser.add_argument(
        "--before",
        type=_checkout,
        metavar="FOLDER",
        help="another checkout of this project, measured as `before` in every round of the gateway",
    )
    parser.add_argument(
        "--rounds", type=_positive, metavar="N", help="rounds of every row (default: the row's own)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="the main rows with few rounds, one to two minutes"
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="where the samples go (default: bench/results/)"
    )
    parser.add_argument(
        "--list", action="store_true", help="show the rows and their targets, and measure nothing"
    )
    return parser


def _checkout(text: str) -> Path:
    folder = Path(text).resolve()
    if not (folder / "chat2response").is_dir():
        raise argparse.ArgumentTypeError(f"{text} has no folder chat2response")
    return folder


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
