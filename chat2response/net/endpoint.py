"""`Place`: where a request goes and by which way, its URL taken apart once."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, urlsplit

from chat2response.errors import UpstreamUnreachable
from chat2response.net.proxies import Proxies, Proxy


@dataclass(frozen=True, slots=True)
class Place:
    """A URL, and the proxy on the way there.

    A proxy passes a request for an `http` place on, and makes a tunnel to an `https` one.
    """

    host: str
    port: int
    secure: bool
    authority: str
    path: str
    proxy: Proxy | None = None
    line: str = field(init=False)
    """What the request line names, and the headers that depend on the place."""
    key: tuple[Any, ...] = field(init=False)
    """Connections with the same key can stand in for each other."""

    def __post_init__(self) -> None:
        proxy = None if self.secure else self.proxy
        target = self.path if proxy is None else f"http://{self.authority}{self.path}"
        line = f"{target} HTTP/1.1\r\nHost: {self.authority}\r\n"
        if proxy is not None and proxy.authorization is not None:
            line += f"Proxy-Authorization: {proxy.authorization}\r\n"
        object.__setattr__(self, "line", line)
        there = (self.host, self.port, self.secure)
        object.__setattr__(self, "key", (self.proxy, *there) if proxy is None else (proxy,))

    @classmethod
    def of(cls, url: str, proxies: Proxies) -> "Place":
        """Raises UpstreamUnreachable for what is no http or https URL."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError as error:
            raise _bad_address(str(error)) from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _bad_address(f"{parts.scheme!r} is not http or https, or there is no host")
        secure = parts.scheme == "https"
        port = port or (443 if secure else 80)
        proxy = proxies.toward(parts.hostname, port, secure=secure)
        authority = parts.netloc.rpartition("@")[2]
        return cls(parts.hostname, port, secure, authority, _path(parts), proxy)


def _path(parts: SplitResult) -> str:
    path = parts.path or "/"
    return f"{path}?{parts.query}" if parts.query else path


def _bad_address(internal: str) -> UpstreamUnreachable:
    return UpstreamUnreachable("The upstream's address is not usable.", internal=internal)
