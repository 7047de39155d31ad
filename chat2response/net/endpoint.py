"""`Endpoint`: the server that a URL names and the proxy in front of it, parsed once."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from chat2response.errors import UpstreamUnreachable
from chat2response.net.proxies import Proxies, Proxy


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A parsed URL, and the proxy to reach it through.

    A proxy forwards requests to an `http` endpoint, and opens a tunnel to an `https` one.
    """

    host: str
    port: int
    secure: bool
    authority: str
    path: str
    proxy: Proxy | None = None
    line: str = field(init=False)
    """The request line after the method, with the headers that depend on the endpoint."""
    key: tuple[Any, ...] = field(init=False)
    """Connections with the same key are interchangeable."""

    def __post_init__(self) -> None:
        proxy = None if self.secure else self.proxy
        target = self.path if proxy is None else f"http://{self.authority}{self.path}"
        line = f"{target} HTTP/1.1\r\nHost: {self.authority}\r\n"
        if proxy is not None and proxy.authorization is not None:
            line += f"Proxy-Authorization: {proxy.authorization}\r\n"
        object.__setattr__(self, "line", line)
        peer = (self.host, self.port, self.secure)
        object.__setattr__(self, "key", (self.proxy, *peer) if proxy is None else (proxy,))

    @classmethod
    def of(cls, url: str, proxies: Proxies) -> "Endpoint":
        """Parses `url`. Raises UpstreamUnreachable unless it is an http or https URL."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _bad_address(str(error)) from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _bad_address(f"{parts.scheme!r} is not http or https, or there is no host")
        secure = parts.scheme == "https"
        port = port or (443 if secure else 80)
        proxy = proxies.select(parts.hostname, port, secure=secure)
        authority = parts.netloc.rpartition("@")[2]
        return cls(parts.hostname, port, secure, authority, _path(parts), proxy)


def _path(parts: SplitResult) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _bad_address(internal: str) -> UpstreamUnreachable:
    return UpstreamUnreachable("The upstream's URL is invalid. Check OPENAI_BASE_URL.", internal=internal)
