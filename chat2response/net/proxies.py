"""Proxies on the way out: which one, if any, leads to a place.

Proxies.of(http=..., https=..., unless=Bypass.of("localhost, .internal")).toward(host, port, secure)
"""

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import SplitResult, unquote, urlsplit

_PORTS = {"http": 80, "https": 443}
_FORM = "a proxy is named as http://[user:password@]host[:port], or https:// where it speaks TLS itself"


@dataclass(frozen=True, slots=True)
class Proxy:
    """A proxy that speaks HTTP. `secure`: over TLS."""

    host: str
    port: int
    secure: bool = False
    authorization: str | None = field(default=None, repr=False)
    """What `Proxy-Authorization` says."""

    @classmethod
    def of(cls, url: str) -> "Proxy":
        """From its URL; without a scheme it is `http`.

        Raises ValueError; the text repeats nothing of the URL but its scheme, for the rest can be a password.
        """
        scheme, separator, _ = url.partition("://")
        if separator and scheme.lower().startswith("socks"):
            raise ValueError(f"SOCKS proxies are not spoken here: {_FORM}")
        try:
            parts = urlsplit(url if separator else f"http://{url}")
            port = parts.port
        except ValueError:
            raise ValueError(_FORM) from None
        if parts.scheme not in _PORTS or not _is_whole(parts) or port == 0:
            raise ValueError(f"{_FORM}; in a password, write what is no letter or digit as %XX")
        assert parts.hostname is not None
        port = port or _PORTS[parts.scheme]
        return cls(parts.hostname, port, parts.scheme == "https", _authorization(parts))

    def __str__(self) -> str:
        """As it may be shown: without user and password."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Bypass:
    """The places that are reached without a proxy, as `NO_PROXY` lists them."""

    everything: bool = False
    names: frozenset[tuple[str, int | None]] = frozenset()
    """Hosts that count with all that lies below them; with a port, only there."""
    networks: tuple[IPv4Network | IPv6Network, ...] = ()

    @classmethod
    def of(cls, text: str) -> "Bypass":
        """A list with commas or spaces: hosts (`example.com`, `.example.com`, also `host:port`), addresses,
        networks (`10.0.0.0/8`), or `*` for all there is."""
        words = text.replace(",", " ").lower().split()
        networks = [found for word in words if (found := _network(word)) is not None]
        names = {_name_and_port(word) for word in words if word != "*" and _network(word) is None}
        return cls("*" in words, frozenset(names), tuple(networks))

    def covers(self, host: str, port: int) -> bool:
        """Whether this place is one of them."""
        host = host.lower().rstrip(".")
        if self.everything or any((name, at) in self.names for name in _upward(host) for at in (port, None)):
            return True
        address = _address(host)
        return address is not None and any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Proxies:
    """The proxy for `http` and the one for `https` places."""

    http: Proxy | None = None
    https: Proxy | None = None
    unless: Bypass = Bypass()

    def toward(self, host: str, port: int, *, secure: bool) -> Proxy | None:
        """The one on the way to a place; None: there is none."""
        proxy = self.https if secure else self.http
        return None if proxy is None or self.unless.covers(host, port) else proxy


def _is_whole(parts: SplitResult) -> bool:
    """A host is there, and nothing slid out of the password into the rest of the URL."""
    rest = parts.path.removeprefix("/") or parts.query or parts.fragment
    return bool(parts.hostname) and not rest and parts.netloc.count("@") < 2


def _authorization(parts: SplitResult) -> str | None:
    if parts.username is None:
        return None
    login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return f"Basic {b64encode(login.encode()).decode('ascii')}"


def _upward(host: str) -> Iterable[str]:
    """`a.b.c`, then `b.c`, then `c`."""
    yield host
    while "." in host:
        host = host.partition(".")[2]
        yield host


def _name_and_port(word: str) -> tuple[str, int | None]:
    name, separator, port = word.rpartition(":")
    if not (separator and port.isascii() and port.isdigit()):
        name, port = word, ""
    return name.strip("[]").removeprefix("*").strip("."), int(port) if port else None


def _network(word: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(word.strip("[]"), strict=False)
    except ValueError:
        return None


def _address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
