"""Measures whether gateways on one SQLite file share it fairly: `python -m bench.fairness`.

Processes make calls with a limited key, from admission to settlement, at a common rate: one process at the
whole rate, then two at half of it each, in turns. Calls start at random times (Poisson) and do not wait for
each other. Times of calls are in milliseconds. `ratio`: the median, over the rounds, of the p99 of two
processes over that of one. `failed`: calls that ended with a 503.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from itertools import chain
from pathlib import Path
from statistics import median, quantiles

from chat2response.keys import KeyRepository, KeyService
from chat2response.quota.admission import Admission
from chat2response.quota.prices import Prices
from chat2response.quota.request_estimate import Estimate
from chat2response.stores import StoreDown, open_store

ESTIMATE = Estimate("m", "chat", input_tokens=10, output_tokens=10)
LIMITS = {"requests_per_minute": 10**9, "concurrent_requests": 10**6, "tokens_per_minute": 10**12}
TARGET = 2.0


async def caller(path: str, rate: float, seconds: float) -> None:
    """Acts as one gateway: starts at the first line of stdin, prints the milliseconds of each call."""
    store = open_store(f"sqlite:{path}")
    await store.open()
    key = (await KeyService(KeyRepository(store)).generate(limits=LIMITS)).key
    admission = Admission(store, Prices(), clock=time.time)
    times: list[float] = []

    async def call() -> None:
        start = time.perf_counter()
        try:
            await (await admission.enter(key, ESTIMATE)).leave()
        except StoreDown:
            times.append(float("inf"))
        else:
            times.append((time.perf_counter() - start) * 1000)

    await call()
    times.clear()
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    calls, chance, at = set(), random.Random(), time.perf_counter()
    end = at + seconds
    while (at := at + chance.expovariate(rate)) < end:
        await asyncio.sleep(max(0.0, at - time.perf_counter()))
        calls.add(asyncio.create_task(call()))
    await asyncio.gather(*calls)
    await store.close()
    print(*times, flush=True)


def measure(processes: int, rate: float, seconds: float) -> list[float]:
    """The times of all calls of these processes together."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "keys.db")
        command = [sys.executable, "-m", "bench.fairness", "--caller", path]
        command += ["--rate", str(rate / processes), "--seconds", str(seconds)]
        callers = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            for _ in range(processes)
        ]
        for process in callers:
            assert process.stdout is not None
            process.stdout.readline()
        started = [_start(process) for process in callers]
        outputs = [process.communicate()[0] for process in started]
    return [float(text) for text in chain.from_iterable(output.split() for output in outputs)]


def _start(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    return process


def compare(rounds: int, rate: float, seconds: float) -> float:
    """Prints a row for each measurement; returns the median ratio."""
    print(f"{'':14}{'calls':>8}{'p50':>9}{'p99':>9}{'worst':>9}{'failed':>8}")
    ratios = []
    for _ in range(rounds):
        p99 = {}
        for processes in (1, 2):
            times = measure(processes, rate, seconds)
            cuts = quantiles(times, n=100)
            p99[processes] = cuts[98]
            failed = times.count(float("inf"))
            row = f"{len(times):>8}{cuts[49]:>9.2f}{cuts[98]:>9.2f}{max(times):>9.1f}{failed:>8}"
            print(f"{processes} process{'es' if processes > 1 else '':3}  {row}", flush=True)
        ratios.append(p99[2] / p99[1])
    return median(ratios)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.fairness", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--rate", type=float, default=30.0, help="calls per second, of all processes together"
    )
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--caller", metavar="FILE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.caller:
        asyncio.run(caller(options.caller, options.rate, options.seconds))
        return
    ratio = compare(options.rounds, options.rate, options.seconds)
    verdict = "met" if ratio <= TARGET else "MISSED"
    print(f"ratio {ratio:.2f}, target {TARGET}: {verdict}")


if __name__ == "__main__":
    main()
