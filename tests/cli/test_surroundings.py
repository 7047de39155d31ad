"""A gateway in a hostile environment: full output pipes, no file descriptors, a closed terminal."""

import asyncio
import os
import resource
import signal
import sys
from pathlib import Path

import httpx
import pytest

from tests.server.test_nonblocking_output import full_pipe
from tests.support.cli.process import Command, command, environment
from tests.support.free_ports import free_port
from tests.support.scripted_upstream import PATIENCE

LOCAL = ("--bind", "127.0.0.1:0", "--keys-backend=memory")


async def alive(url: str) -> bool:
    """Whether the gateway answers. A plain socket costs less than an HTTP client, which would slow the start.

    A server without free file descriptors resets connections, at once or after accepting them.
    """
    at = httpx.URL(url)
    try:
        reader, writer = await asyncio.open_connection(at.host, at.port)
        writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
    except OSError:
        return False
    writer.close()
    return answer.startswith(b"HTTP/1.1 200 ")


async def until_alive(url: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not await alive(url):  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def test_it_serves_on_while_nobody_reads_what_it_writes(tmp_path: Path) -> None:
    """Its stdout and stderr are a pipe that is full from the start."""
    reading, writing = full_pipe()
    port = free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "chat2response", "--bind", f"127.0.0.1:{port}", "--keys-backend=memory"),
        cwd=tmp_path,
        env=environment(UPSTREAM_MODE="demo"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=writing,
        stderr=writing,
    )
    os.close(writing)
    try:
        await until_alive(f"http://127.0.0.1:{port}")
        for _ in range(2):  # each would log the TLS warning
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"\x16\x03\x01\x02\x00")
            await writer.drain()
            writer.close()
        assert await alive(f"http://127.0.0.1:{port}")
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(reading)


def files_of(gateway: Command) -> int:
    return len(list(Path(f"/proc/{gateway.process.pid}/fd").iterdir()))


async def log_of(gateway: Command) -> str:
    assert gateway.process.stderr is not None
    return (await gateway.process.stderr.read()).decode()


async def test_no_free_file_is_one_line_and_the_gateway_serves_on(tmp_path: Path) -> None:
    async with command(tmp_path, *LOCAL, UPSTREAM_MODE="demo") as gateway:
        url = await gateway.url()
        used = files_of(gateway)
        resource.prlimit(gateway.process.pid, resource.RLIMIT_NOFILE, (used + 20, used + 20))
        port = httpx.URL(url).port
        async with asyncio.timeout(PATIENCE):
            opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
            line = await gateway.logged("limit of open files")
        assert "ulimit -n" in line.string
        for _, writer in opened:
            writer.close()
        await until_alive(url)
        gateway.signal()
        assert await gateway.ended() == 0
        assert "open files" not in await log_of(gateway)


async def test_both_families_reach_it_at_the_address_of_all(tmp_path: Path) -> None:
    settings = {"UPSTREAM_MODE": "demo", "CHAT2RESPONSE_ADMIN_BIND_ADDR": "[::]:0"}
    async with command(tmp_path, "--bind", "[::]:0", "--keys-backend=memory", **settings) as gateway:
        url = httpx.URL(await gateway.url())
        admin = httpx.URL((await gateway.until(r"admin +on (http://[^,\s]+)"))[1])
        async with httpx.AsyncClient(trust_env=False, timeout=PATIENCE) as client:
            for host in ("127.0.0.1", "::1"):
                assert (await client.get(url.copy_with(host=host, path="/livez"))).status_code == 200
                answer = await client.post(admin.copy_with(host=host, path="/keys/generate"), json={})
                assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_a_terminal_that_goes_does_not_end_what_nohup_started(tmp_path: Path, workers: str) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        running = command(
            tmp_path, "--bind", "127.0.0.1:0", "--workers", workers, "--keys-backend=sqlite:keys.db",
            UPSTREAM_MODE="demo",
        )  # fmt: skip
        gateway = await running.__aenter__()
    finally:
        signal.signal(signal.SIGHUP, before)
    try:
        url = await gateway.url()
        gateway.signal(signal.SIGHUP)
        assert await alive(url)
        gateway.signal()
        assert await gateway.ended() == 0
    finally:
        await running.__aexit__(None, None, None)
