"""Outbound proxies: which one, if any, a request to an endpoint goes through.

Proxies.of(http=..., https=..., unless=Bypass.of("localhost, .internal")).select(host, port, secure)
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit

_PORTS = {"http": 80, "https": 443}
_FORM = "write the proxy as http://[user:password@]host[:port], or with https:// if the proxy itself uses TLS"


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy. `secure`: reached over TLS."""

    host: str
    port: int
    secure: bool = False
    authorization: str | None = field(default=None, repr=False)
    """The value of `Proxy-Authorization`."""

    @classmethod
    def of(cls, url: str) -> "Proxy":
        """Parses a URL; the scheme defaults to `http`.

        Raises ValueError. Its text repeats only the scheme of the URL: the rest may hold a password.
        """
        scheme, separator, _ = url.partition("://")
        if separator and scheme.lower().startswith("socks"):
            raise ValueError(f"SOCKS proxies are not supported: {_FORM}")
        try:
            parts = urlsplit(url if separator else f"http://{url}")
            port = parts.port
        except ValueError:
            raise ValueError(_FORM) from None
        if parts.scheme not in _PORTS or not _is_whole(parts) or port == 0:
            raise ValueError(f"{_FORM}; percent-encode special characters in the password (%XX)")
        assert parts.hostname is not None
        port = port or _PORTS[parts.scheme]
        return cls(parts.hostname, port, parts.scheme == "https", _authorization(parts))

    def __str__(self) -> str:
        """The URL without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Bypass:
    """Hosts that are reached without a proxy, as `NO_PROXY` lists them."""

    everything: bool = False
    names: frozenset[tuple[str, int | None]] = frozenset()
    """Hosts, each with all its subdomains; an entry with a port applies to that port only."""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, text: str) -> "Bypass":
        """Parses a list separated by commas or spaces: hosts (`example.com`, `.example.com`, `host:port`),
        addresses, networks (`10.0.0.0/8`), or `*` for everything."""
        entries = text.replace(",", " ").lower().split()
        networks = [network for entry in entries if (network := _network(entry)) is not None]
        names = {_name_and_port(entry) for entry in entries if entry != "*" and _network(entry) is None}
        return cls("*" in entries, frozenset(names), tuple(networks))

    def covers(self, host: str, port: int) -> bool:
        """Whether this host is reached without a proxy."""
        host = host.lower().rstrip(".")
        if self.everything or any((name, at) in self.names for name in _parents(host) for at in (port, None)):
            return True
        address = _address(host)
        return address is not None and any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxies for `http` and for `https` endpoints."""

    http: Proxy | None = None
    https: Proxy | None = None
    unless: Bypass = Bypass()

    def select(self, host: str, port: int, *, secure: bool) -> Proxy | None:
        """The proxy for an endpoint; None to connect directly."""
        proxy = self.https if secure else self.http
        return None if proxy is None or self.unless.covers(host, port) else proxy


def _is_whole(parts: SplitResult) -> bool:
    """Whether the URL has a host, and no path: a `/` or `#` in a password would begin one."""
    spilled = parts.path.removeprefix("/") or parts.query or parts.fragment
    return bool(parts.hostname) and not spilled and parts.netloc.count("@") < 2


def _authorization(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {b64encode(login.encode()).decode('ascii')}"


def _parents(host: str) -> Iterable[str]:
    """Yields `a.b.c`, then `b.c`, then `c`."""
    yield host
    while "." in host:
        host = host.partition(".")[2]
        yield host


def _name_and_port(entry: str) -> tuple[str, int | None]:
    name, separator, port = entry.rpartition(":")
    if not (separator and port.isascii() and port.isdigit()):
        name, port = entry, ""
    return name.strip("[]").removeprefix("*").strip("."), int(port) if port else None


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
