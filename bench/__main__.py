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
    """Runs the benchmark. Returns 0 once it has measured, whatever the verdicts; 2 if it cannot run."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.list:
        print(describe(ROWS))
        return 0
    if not sys.platform.startswith("linux"):
        print("The benchmark needs Linux: it pins processes to cores and reads /proc.", file=sys.stderr)
        return 2
    rows = select(options.rows, quick=options.quick)
    if not rows:
        parser.error("No row has that name. Use --list to show all rows.")
    run_options = Options(rows, options.contenders, options.quick, options.rounds, options.before)
    try:
        outcome = run(run_options)
    except (MissingCompilerError, MockDiedError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    print(render(rows, outcome.samples, run_options.names))
    for note in outcome.notes:
        print("note:", note)
    print(f"{outcome.seconds:.0f} s; every sample in {report.write(options.json, run_options, outcome)}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description=bench.__doc__)
    parser.add_argument(
        "--rows",
        nargs="+",
        default=[],
        metavar="NAME",
        help="rows to measure, by name or glob: json-c16 'relay-*' (default: all)",
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
        help="also measure the gateway of another checkout, as `before`, in each round",
    )
    parser.add_argument(
        "--rounds", type=_positive, metavar="N", help="rounds for each row (default: the row's own number)"
    )
    parser.add_argument(
        "--quick", action="store_true", help="measure the main rows in few rounds: one to two minutes"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help="write the samples to FILE (default: a new file in bench/results/)",
    )
    parser.add_argument(
        "--list", action="store_true", help="list the rows and their targets without measuring"
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
