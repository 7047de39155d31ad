"""The Dockerfile, read without Docker: its instructions, what it copies, who runs it, its health check."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.support.house.source import ROOT

KNOWN = {
    *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "RUN"),
    *("SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
}
Steps = list[tuple[str, str]]


def read(text: str) -> Steps:
    """The instructions as (name, rest), comments dropped, continued lines joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [
        (name.upper(), rest.strip()) for name, _, rest in (line.partition(" ") for line in joined.split("\n"))
    ]


def copied(steps: Steps) -> Iterator[str]:
    """The paths that COPY takes from the project."""
    for name, rest in steps:
        if name == "COPY" and "--from=" not in rest:
            yield from (part for part in rest.split()[:-1] if not part.startswith("--"))


def docker_faults(text: str, ignore: str) -> Iterator[str]:
    """What is wrong with a Dockerfile and its .dockerignore."""
    steps = read(text)
    yield from (f"no instruction: {name}" for name, _ in steps if name not in KNOWN)
    if not steps or steps[0][0] not in ("FROM", "ARG"):
        yield "does not begin with FROM"
    yield from (
        f"copies what is not there: {path}" for path in copied(steps) if not ROOT.joinpath(path).exists()
    )
    let_in = {line[1:] for line in ignore.splitlines() if line.startswith("!")}
    if let_in != set(copied(steps)):
        yield f".dockerignore lets in {sorted(let_in)}, COPY takes {sorted(copied(steps))}"
    users = [rest for name, rest in steps if name == "USER"]
    if not users or users[-1] in ("root", "0"):
        yield "runs as root"
    installs = [rest for name, rest in steps if name == "RUN" and "requirements.lock" in rest]
    if not installs or not all("--require-hashes" in rest for rest in installs):
        yield "installs without hashes"


DOCKERFILE = ROOT.joinpath("Dockerfile").read_text()
IGNORE = ROOT.joinpath(".dockerignore").read_text()


def one(name: str) -> str:
    """Of the gateway's own stage: that of MCP servers comes behind it."""
    return next(rest for known, rest in read(DOCKERFILE) if known == name)


def test_the_dockerfile_is_sound():
    assert list(docker_faults(DOCKERFILE, IGNORE)) == []


def test_the_container_serves_what_it_exposes():
    environment = dict(re.findall(r"(\w+)=(\S+)", one("ENV")))
    assert environment["BIND_ADDR"] == f"0.0.0.0:{one('EXPOSE')}"
    assert environment["CHAT2RESPONSE_SQLITE_PATH"].startswith(one("VOLUME") + "/")
    assert json.loads(one("ENTRYPOINT")) == ["chat2response"]


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_the_health_check_asks_livez(status, code):
    asked = []

    class Health(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *args):
            """Keep the test's output clean."""

    _, *arguments = json.loads(one("HEALTHCHECK").partition("CMD ")[2])
    with ThreadingHTTPServer(("127.0.0.1", 0), Health) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        environment = {"BIND_ADDR": f"0.0.0.0:{server.server_port}", "http_proxy": "http://127.0.0.1:9"}
        run = subprocess.run([sys.executable, *arguments], env=environment, check=False, timeout=30)
        server.shutdown()
    assert (run.returncode, asked) == (code, ["/livez"])


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("WORKDIR /src", "WORKDIRE /src", "no instruction"),
        ("FROM python:3.12-slim AS build\n", "", "begin with FROM"),
        ("COPY chat2response ", "COPY chat3response ", "not there"),
        ("COPY requirements.lock requirements-dev.lock", "COPY requirements.lock", "lets in"),
        ("USER 10001\n", "", "root"),
        ("USER 10001\n", "USER root\n", "root"),
        ("--require-hashes", "", "without hashes"),
    ],
)
def test_a_bad_dockerfile_is_found(old, new, fault):
    assert old in DOCKERFILE
    assert any(fault in found for found in docker_faults(DOCKERFILE.replace(old, new), IGNORE))
