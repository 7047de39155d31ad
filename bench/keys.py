"""Measures what keys cost: checks and limits on each store, with 10 and 100,000 keys: `python -m bench.keys`.

Each figure is the CPU time of this process for one operation, in microseconds: the median of five rounds. For
Redis it includes the connection, not the server. `verified`: a token that was checked before; `cold`: a token
that was not; `unknown`: a well-formed token of no key; `garbage`: a malformed token; `limited`: a call of a
key with limits on requests, slots and tokens, from admission to settlement; `crowded`: such a call, one of 32
that run at once; `page`: one page of the list of keys.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager, closing, contextmanager, suppress
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from chat2response.errors import Unauthorized
from chat2response.keys import KeyPolicy, KeyRepository, KeyService, KeyVerifier, new_token
from chat2response.keys.limits import KeyLimits
from chat2response.quota.admission import Admission
from chat2response.quota.prices import Prices
from chat2response.quota.request_estimate import Estimate
from chat2response.stores import Store, open_store
from chat2response.stores.base import row_name
from chat2response.stores.sqlite.connection import TABLE
from chat2response.wire.json import encode

ROUNDS = 5
BATCH = 300  # operations in a round
STORES = ("memory", "sqlite", "redis")
CROWD = 32
ESTIMATE = Estimate("m", "chat", input_tokens=10, output_tokens=10)
LIMITS = {"requests_per_minute": 10**9, "concurrent_requests": 10**6, "tokens_per_minute": 10**12}

Operation = Callable[[int], Awaitable[object]]


async def measure(sizes: list[int], stores: list[str]) -> None:
    """Prints a row for each store and number of keys."""
    titles = ("verified", "cold", "unknown", "garbage", "limited", "crowded", "page")
    print(f"{'':18}" + "".join(f"{title:>10}" for title in titles) + "   us of CPU each")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for name in stores:
            address = stack.enter_context(store_address(name, folder))
            for size in sizes:
                async with filled_store(address.format(size=size), size) as (store, tokens):
                    figures = await row(store, tokens)
                print(
                    f"{name:8}{size:>10}" + "".join(f"{figures[title]:>10.1f}" for title in titles),
                    flush=True,
                )


async def row(store: Store, tokens: list[str]) -> dict[str, float]:
    """The figures for a filled store."""
    repository = KeyRepository(store)
    service = KeyService(repository)
    cached, uncached = (KeyVerifier(repository, cache_seconds=seconds) for seconds in (3600.0, 0.0))
    unknown_tokens = [new_token().text() for _ in range((BATCH + 1) * ROUNDS)]
    admission = Admission(store, Prices(), clock=time.time)
    await cached.verify(tokens[0])
    limited = (await service.generate(limits=LIMITS)).key
    assert limited.limits == KeyLimits(**LIMITS)

    async def verify_refused(token: str) -> None:
        with suppress(Unauthorized):
            await cached.verify(token)

    async def call(number: int) -> None:
        await (await admission.enter(limited, ESTIMATE)).leave()

    async def crowd(number: int) -> None:
        await asyncio.gather(*map(call, range(CROWD)))

    return {
        "verified": await cost(lambda number: cached.verify(tokens[0])),
        "cold": await cost(lambda number: uncached.verify(tokens[number % len(tokens)])),
        "unknown": await cost(lambda number: verify_refused(unknown_tokens.pop())),
        "garbage": await cost(lambda number: verify_refused("sk-no-key-of-ours")),
        "limited": await cost(call),
        "crowded": await cost(crowd, batch=10) / CROWD,
        "page": await cost(lambda number: store.scan("keys", limit=100), batch=20),
    }


async def cost(operation: Operation, *, batch: int = BATCH) -> float:
    """Microseconds of CPU time for one operation."""
    await operation(0)
    figures = []
    for _ in range(ROUNDS):
        before = time.process_time()
        for number in range(batch):
            await operation(number)
        figures.append((time.process_time() - before) / batch * 1e6)
    return median(figures)


@asynccontextmanager
async def filled_store(address: str, size: int) -> AsyncIterator[tuple[Store, list[str]]]:
    """A store with `size` keys, and the tokens of some of them."""
    store = open_store(address, clock=time.time, deadline=60.0)  # many writes queue up
    await store.open()
    service = KeyService(KeyRepository(store), KeyPolicy(default_ttl=86_400))
    tokens = [(await service.generate()).token for _ in range(min(size, BATCH))]
    key = await store.get("keys", tokens[0][3:35])
    assert key is not None
    documents = ({**key.doc, "id": new_token().id} for _ in range(len(tokens), size))
    if address.startswith("sqlite:"):
        write_rows(address.removeprefix("sqlite:"), documents)
    else:
        for chunk in chunked(documents, 200):
            await asyncio.gather(*(store.put("keys", document["id"], document) for document in chunk))
    try:
        yield store, tokens
    finally:
        await store.close()


def write_rows(path: str, documents: Iterable[dict[str, Any]]) -> None:
    """Writes keys as the store does, but in one transaction instead of one per key."""
    rows = ((row_name("keys", each["id"]), encode({"doc": each}).decode()) for each in documents)
    with closing(sqlite3.connect(path)) as conn, conn:
        conn.executemany(f'INSERT INTO "{TABLE}" (key, value) VALUES (?, ?)', rows)


def chunked(documents: Iterable[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    """The documents in lists of `size`."""
    remaining = iter(documents)
    while chunk := list(islice(remaining, size)):
        yield chunk


@contextmanager
def store_address(name: str, folder: Path) -> Iterator[str]:
    """The address of a store; `{size}` in it separates stores of different sizes.

    Starts a redis-server if needed.
    """
    if name == "memory":
        yield "memory"
    elif name == "sqlite":
        yield f"sqlite:{folder}/keys-{{size}}.db"
    else:
        sibling = Path(sys.executable).parent / "redis-server"
        binary = str(sibling) if sibling.exists() else shutil.which("redis-server")
        if binary is None:
            raise SystemExit(
                "redis-server is missing. Run `make test` to get one, or install your system's package."
            )
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        command = [binary, "--port", str(port), "--dir", str(folder), "--appendonly", "yes"]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                yield f"redis://127.0.0.1:{port}/0"
            finally:
                server.terminate()


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.keys", description=__doc__)
    parser.add_argument("--sizes", nargs="+", type=int, default=[10, 100_000], metavar="KEYS")
    parser.add_argument("--stores", nargs="+", choices=STORES, default=list(STORES))
    options = parser.parse_args()
    asyncio.run(measure(options.sizes, options.stores))


if __name__ == "__main__":
    main()
