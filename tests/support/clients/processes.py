"""Runs client programs as their users do: processes that find the gateway through their environment.

A program gets `BASE_URL`, `API_KEY` and `MODEL`, and prints one JSON object: the answers that it received.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.e2e.client_calls import CLIENT_MODEL
from tests.support.e2e.gateway import Running

HERE = Path(__file__).parents[2] / "e2e" / "clients"
NODE = HERE / "node"
BIN = Path(sys.prefix) / "clients" / "bin"
"""The programs of the clients' environment (Python and Node), which `make test-clients` creates."""

SECONDS = 120.0
"""The time limit of a client. Its start alone takes seconds on a busy machine."""

# Their telemetry would go to the network.
_QUIET = {
    "OPENAI_AGENTS_DISABLE_TRACING": "1",
    "LANGSMITH_TRACING": "false",
    "AI_SDK_LOG_WARNINGS": "false",
}


@dataclass(frozen=True)
class Finished:
    """The exit code and output of a program."""

    code: int
    out: str
    err: str


async def node(program: str, gateway: Running, *args: str) -> Any:
    """Runs `node/<program>`; its JSON output."""
    return await _output_of([str(BIN / "node"), str(NODE / program), *args], gateway)


async def python(program: str, gateway: Running, *args: str) -> Any:
    """Runs `python/<program>` in the clients' environment; its JSON output."""
    return await _output_of([str(BIN / "python"), str(HERE / "python" / program), *args], gateway)


async def run(command: list[str], env: Mapping[str, str], *, cwd: Path | None = None) -> Finished:
    """Runs a program to its end with only this environment; kills it when it hangs."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"PATH": f"{BIN}:{os.environ['PATH']}", **env},
        cwd=cwd,
    )
    try:
        async with asyncio.timeout(SECONDS):
            out, err = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    assert process.returncode is not None
    return Finished(process.returncode, out.decode(), err.decode())


async def _output_of(command: list[str], gateway: Running) -> Any:
    settings = {
        "BASE_URL": f"{gateway.url}/v1",
        "API_KEY": gateway.key,
        "MODEL": CLIENT_MODEL,
        "HOME": str(HERE),
    }
    finished = await run(command, {**_QUIET, **settings})
    assert finished.code == 0, f"{finished.out}\n{finished.err}"
    return json.loads(finished.out)
