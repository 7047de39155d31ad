from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.procs import Process, StartError
from tests.support.free_ports import free_port

CORE = min(os.sched_getaffinity(0))
LISTEN = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True: listener.accept()
"""
WORK_IN_A_CHILD = """
import os, time
if os.fork(): time.sleep(60)
block = bytearray(30 << 20)
while time.process_time() < 0.2: pass
"""


def start(code: str, folder: Path, port: int) -> Process:
    return Process([sys.executable, "-c", code, str(port)], dict(os.environ), folder, CORE)


def test_the_time_and_memory_of_children_count(tmp_path: Path):
    port = free_port()
    process = start(WORK_IN_A_CHILD + LISTEN, tmp_path, port)
    try:
        process.wait_for_port(port)
        assert process.cpu_seconds() >= 0.2
        assert process.rss_mib() > 30
    finally:
        process.stop()


def test_a_stopped_process_leaves_nothing_of_its_group(tmp_path: Path):
    port = free_port()
    process = start(WORK_IN_A_CHILD + LISTEN, tmp_path, port)
    process.wait_for_port(port)
    process.stop()

    assert (process.cpu_seconds(), process.rss_mib()) == (0, 0)
    again = start(LISTEN, tmp_path, port)
    again.wait_for_port(port)
    again.stop()


def test_what_a_process_printed_is_told_when_it_does_not_come_up(tmp_path: Path):
    port = free_port()
    process = start("raise SystemExit('no such upstream')", tmp_path, port)

    with pytest.raises(StartError, match=r"ended with 1: no such upstream"):
        process.wait_for_port(port)
    process.stop()


def test_the_process_runs_on_its_core_only(tmp_path: Path):
    port = free_port()
    process = start("import os; print(os.sched_getaffinity(0), flush=True)" + LISTEN, tmp_path, port)
    process.wait_for_port(port)
    process.stop()

    assert process.output_tail() == f"{{{CORE}}}"
