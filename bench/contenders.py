"""The contenders and how each starts: direct (no server), a byte proxy, the block, the gateway."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench.bodies import UPSTREAM_KEY, Mode
from bench.procs import Cores, Process, StartError, free_port

_ROOT = Path(__file__).parent.parent
_WATCHED = Path(__file__).parent / "watched.py"
_LOOPBACK = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True, slots=True)
class Site:
    """Where a contender runs: its port, the upstream's port, and its own folder."""

    port: int
    upstream: int
    folder: Path


@dataclass(frozen=True, slots=True)
class Launch:
    """A command, and its additions to an otherwise empty environment."""

    argv: list[str]
    env: dict[str, str]


@dataclass(frozen=True, slots=True)
class Contender:
    """One kind of server. `variant`: the configuration that serves a mode."""

    name: str
    variant: Callable[[Mode], str]
    launch: Callable[[str, Site], Launch]
    token: Callable[[int], str]
    """Returns the key that its clients use, once it listens on the port."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server on a port. Without a `process` (direct to the mock) there is none to measure."""

    port: int
    token: str
    process: Process | None = None


# ---- proxy: nginx, which only passes bytes ----

_NGINX = """
daemon off; worker_processes 1; worker_rlimit_nofile 16384; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 10000000; keepalive_timeout 60s;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_body_buffer_size 1m; client_max_body_size 64m;
  upstream mock {{ server 127.0.0.1:{upstream}; keepalive 2048; keepalive_requests 10000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /livez {{ return 200 "ok"; }}
    location / {{
      proxy_pass http://mock; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Connection ""; proxy_set_header Authorization "Bearer {key}";
    }}
  }}
}}
"""


def nginx() -> str | None:
    """The path of nginx, or None. Also searches its usual folders, which a user's PATH often lacks."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")


def _launch_proxy(_: str, site: Site) -> Launch:
    config = site.folder / "nginx.conf"
    config.write_text(
        _NGINX.format(folder=site.folder, upstream=site.upstream, port=site.port, key=UPSTREAM_KEY)
    )
    return Launch([nginx() or "nginx", "-p", str(site.folder), "-e", "stderr", "-c", str(config)], {})


# ---- block and gateway: Python of this environment ----

_BLOCK_TOKEN = "sk_" + "00112233" * 4 + "." + "89abcdef" * 8


def _launch_block(variant: str, site: Site) -> Launch:
    argv = [sys.executable, "-m", "bench.block", "--port", str(site.port)]
    argv += ["--upstream", f"http://127.0.0.1:{site.upstream}/v1"]
    return Launch(argv + ["--relay"] * (variant == "relay"), {"BENCH_TOKEN": _BLOCK_TOKEN})


def _launch_gateway(variant: str, site: Site) -> Launch:
    env = {
        "BIND_ADDR": f"127.0.0.1:{site.port}",
        "UPSTREAM_MODE": variant,
        "OPENAI_BASE_URL": f"http://127.0.0.1:{site.upstream}/v1",
        "OPENAI_API_KEY": UPSTREAM_KEY,
        "CHAT2RESPONSE_SQLITE_PATH": str(site.folder / "keys.sqlite3"),
    }
    return Launch([sys.executable, "-m", "chat2response"], env)


def _issue_key(port: int) -> str:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/keys/generate", data=b"{}", headers={"Content-Type": "application/json"}
    )
    try:
        with _LOOPBACK.open(request, timeout=10) as answer:
            token: str = json.load(answer)["token"]
            return token
    except (urllib.error.URLError, KeyError, ValueError) as error:
        raise StartError(f"/keys/generate issued no key: {error}") from error


PROXY = Contender("proxy", lambda mode: "", _launch_proxy, lambda port: UPSTREAM_KEY)
BLOCK = Contender(
    "block", lambda mode: "convert" if mode == "bridge" else "relay", _launch_block, lambda port: _BLOCK_TOKEN
)
GATEWAY = Contender(
    "gateway", lambda mode: "responses" if mode == "relay-responses" else "chat", _launch_gateway, _issue_key
)
CONTENDERS = {contender.name: contender for contender in (PROXY, BLOCK, GATEWAY)}
"""The contenders with a process, in the order of a round; `direct` comes before them."""

NAMES = ("direct", *CONTENDERS)
BEFORE = "before"


def before(checkout: Path) -> Contender:
    """The gateway of another checkout, run with the packages of this environment."""

    def launch(variant: str, site: Site) -> Launch:
        launch_options = _launch_gateway(variant, site)
        return Launch(launch_options.argv, {**launch_options.env, "PYTHONPATH": str(checkout)})

    return replace(GATEWAY, name=BEFORE, launch=launch)


def probe(port: int) -> None:
    """GET /livez. Raises StartError unless it answers 200."""
    try:
        with _LOOPBACK.open(f"http://127.0.0.1:{port}/livez", timeout=10) as answer:
            answer.read()
    except urllib.error.URLError as error:
        raise StartError(f"/livez: {error}") from error


class Fleet:
    """The servers of one run. Each starts at its first use and lives while its mode is measured.

    No process serves two modes, so the history of a process (heap, socket buffers) is alike for all
    contenders.
    """

    def __init__(
        self, upstream: int, cores: Cores, folder: Path, contenders: Mapping[str, Contender] = CONTENDERS
    ) -> None:
        self._upstream = upstream
        self._contenders = contenders
        self._cores = cores
        self._folder = folder
        self._mode: Mode | None = None
        self._running: dict[str, Server] = {}

    def get(self, name: str, mode: Mode) -> Server:
        """The shared server of a contender for a mode. Raises StartError."""
        if name == "direct":
            return Server(self._upstream, UPSTREAM_KEY)
        if mode != self._mode:
            self.close()
            self._mode = mode
        if name not in self._running:
            process, site, _ = self._start(self._contenders[name], mode)
            try:
                self._running[name] = Server(site.port, self.token(name, site.port), process)
            except StartError:
                process.stop()
                raise
        return self._running[name]

    @contextmanager
    def fresh(self, name: str, mode: Mode, watch: Path | None = None) -> Iterator[tuple[Process, int, float]]:
        """Starts a new process; its port and the seconds from exec to listening. Stops it at the end.

        `watch`: the file for long callbacks of a gateway's event loop.
        """
        process, site, listening = self._start(self._contenders[name], mode, watch)
        try:
            yield process, site.port, listening
        finally:
            process.stop()
            shutil.rmtree(site.folder, ignore_errors=True)

    def token(self, name: str, port: int) -> str:
        """The key for a contender that listens on `port`. Raises StartError."""
        return self._contenders[name].token(port)

    def close(self) -> None:
        for server in self._running.values():
            if server.process is not None:
                server.process.stop()
        self._running.clear()

    def _start(
        self, contender: Contender, mode: Mode, watch: Path | None = None
    ) -> tuple[Process, Site, float]:
        folder = Path(tempfile.mkdtemp(prefix=contender.name + "-", dir=self._folder))
        site = Site(free_port(), self._upstream, folder)
        launch = contender.launch(contender.variant(mode), site)
        path = os.environ.get("PATH", "/usr/bin:/bin")
        env = {"PATH": path, "HOME": str(folder), "LANG": "C.UTF-8", "PYTHONPATH": str(_ROOT), **launch.env}
        argv = launch.argv if watch is None else [sys.executable, str(_WATCHED), str(watch)]
        process = Process(argv, env, folder, self._cores.server)
        try:
            return process, site, process.wait_for_port(site.port)
        except BaseException:
            process.stop()
            raise


def missing(name: str) -> str | None:
    """Why a contender cannot run on this machine, in one line; None if it can."""
    if name == "proxy" and nginx() is None:
        return "nginx is not installed (apt install nginx-light); rows that compare with it get no verdict"
    return None


def version_of_nginx() -> str:
    """The version that nginx reports; empty without nginx."""
    path = nginx()
    if path is None:
        return ""
    return subprocess.run([path, "-v"], capture_output=True, text=True, check=False).stderr.strip()
