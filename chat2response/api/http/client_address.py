"""The address of a request's client, also behind proxies; and lists of networks.

A proxy's header counts only if the operator trusts that proxy. Of a chain of addresses only the part that
trusted proxies wrote counts: the client is the rightmost address that is not a trusted proxy.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from chat2response.api.http.proxy_headers import names_client
from chat2response.wire.headers import HeaderList

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True, slots=True)
class ClientAddress:
    """The client's address. `address` None: unknown (a Unix socket, or a proxy that names no client)."""

    address: Address | None
    trusted: bool = True
    """False if the request came through a proxy that the operator does not trust."""
    header: str | None = None
    """The header by which a proxy names its client, if there is one."""


def client_address(scope: Mapping[str, Any], trusted: Sequence[Network] = ()) -> ClientAddress:
    """The client of an ASGI request. `trusted`: the networks of trusted proxies."""
    client = scope.get("client")
    peer = address_of(client[0]) if client else None
    headers: HeaderList = list(scope["headers"])
    header = next((name.decode("latin-1") for name, _ in headers if names_client(name)), None)
    if header is None:
        return ClientAddress(peer)
    if not within(peer, trusted):
        return ClientAddress(peer, trusted=False, header=header)
    chains = (list(_forwarded_for(headers)), list(_forwarded(headers)))
    # A proxy writes one of the two headers and may pass on the other as the client sent it: if both are
    # there, they must agree.
    addresses = {_outermost(chain, trusted) for chain in chains if chain}
    return ClientAddress(addresses.pop() if len(addresses) == 1 else None, header=header)


def networks(text: str) -> tuple[Network, ...]:
    """Parses a comma-separated list of networks (`172.17.0.0/16`), addresses, and the word `loopback`.

    Raises ValueError.
    """
    result: list[Network] = []
    for entry in filter(None, (each.strip() for each in text.split(","))):
        if entry.lower() == "loopback":
            result += LOOPBACK
            continue
        try:
            result.append(ip_network(entry, strict=False))
        except ValueError:
            raise ValueError(
                f"{entry!r} is not a network; write a comma-separated list like "
                "127.0.0.1, 172.17.0.0/16, loopback"
            ) from None
    return tuple(dict.fromkeys(result))


def address_of(text: str) -> Address | None:
    """Parses an address; unwraps an IPv4 address mapped into IPv6. None if `text` is not an address."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def within(address: Address | None, allowed: Iterable[Network]) -> bool:
    """Whether the address is in one of these networks."""
    return address is not None and any(address in network for network in allowed)


def is_loopback(host: str | None) -> bool:
    """Whether `host` is a loopback address or `localhost`."""
    return host is not None and (host.lower() == "localhost" or within(address_of(host), LOOPBACK))


def _outermost(chain: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    """The hop nearest to us that is not a trusted proxy; the farthest hop if all are."""
    address = None
    for hop in reversed(chain):
        address = address_of(_without_port(hop))
        if not within(address, trusted):
            break
    return address


def _forwarded_for(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    for value in _values(headers, b"x-forwarded-for"):
        yield from (hop.strip() for hop in value.split(","))


def _forwarded(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[str]:
    """The hops of `Forwarded` (RFC 7239). An element without `for` is a hop without an address."""
    for value in _values(headers, b"forwarded"):
        for element in value.split(","):
            pairs = (pair.partition("=") for pair in element.split(";"))
            hops = (each.strip().strip('"') for name, _, each in pairs if name.strip().lower() == "for")
            yield next(hops, "")


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> Iterator[str]:
    return (value.decode("latin-1") for key, value in headers if key == name)


def _without_port(hop: str) -> str:
    """Strips the port of `192.0.2.7:4711` and `[2001:db8::7]:4711`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
