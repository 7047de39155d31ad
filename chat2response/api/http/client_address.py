"""Addresses: lists of networks, and whose request one is where proxies pass requests on.

What a proxy says of its client counts only where the operator trusts that proxy, and of a chain only the
part that trusted proxies wrote: its rightmost address that is none of theirs. No framework.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from chat2response.api.http.proxy_headers import speaks_for_another

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.0/8"), ip_network("::1/128"))


@dataclass(frozen=True, slots=True)
class Sender:
    """Whose request it is. `address` None: nobody knows (a Unix socket, a proxy that does not say)."""

    address: Address | None
    vouched: bool = True
    """Whether that can be relied on: False where a peer that nobody trusts speaks for somebody else."""
    header: str | None = None
    """The name of a header in which a proxy says whose request it is, if there is one."""


def sender(scope: Mapping[str, Any], trusted: Sequence[Network] = ()) -> Sender:
    """The sender of an ASGI request; `trusted`: where the operator's own proxies are."""
    client = scope.get("client")
    peer = address_of(client[0]) if client else None
    headers: list[tuple[bytes, bytes]] = list(scope["headers"])
    header = next((name.decode("latin-1") for name, _ in headers if speaks_for_another(name)), None)
    if header is None:
        return Sender(peer)
    if not within(peer, trusted):
        return Sender(peer, vouched=False, header=header)
    chains = (list(_forwarded_for(headers)), list(_forwarded(headers)))
    # A proxy writes one of the two and may pass on the other as the client sent it: where both are there,
    # both must say the same.
    told = {_outermost(chain, trusted) for chain in chains if chain}
    return Sender(told.pop() if len(told) == 1 else None, header=header)


def networks(text: str) -> tuple[Network, ...]:
    """A comma list of networks (`172.17.0.0/16`), single addresses and the word `loopback`.

    Raises ValueError.
    """
    found: list[Network] = []
    for word in filter(None, (each.strip() for each in text.split(","))):
        if word.lower() == "loopback":
            found += LOOPBACK
            continue
        try:
            found.append(ip_network(word, strict=False))
        except ValueError:
            raise ValueError(
                f"{word!r} is no network; write a comma list like 127.0.0.1, 172.17.0.0/16, or loopback"
            ) from None
    return tuple(dict.fromkeys(found))


def address_of(text: str) -> Address | None:
    """An address; one of IPv4 also where it is wrapped in IPv6. None for what is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def within(address: Address | None, allowed: Iterable[Network]) -> bool:
    """Whether it is in one of these networks."""
    return address is not None and any(address in network for network in allowed)


def is_loopback(host: str | None) -> bool:
    """Whether this is an address of the machine itself, or `localhost`."""
    return host is not None and (host.lower() == "localhost" or within(address_of(host), LOOPBACK))


def _outermost(chain: Sequence[str], trusted: Sequence[Network]) -> Address | None:
    """Of the hops of a request, the nearest that is no trusted proxy; the farthest where all are."""
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
    """RFC 7239; an element that does not say for whom is a hop without an address."""
    for value in _values(headers, b"forwarded"):
        for element in value.split(","):
            pairs = (pair.partition("=") for pair in element.split(";"))
            said = (each.strip().strip('"') for name, _, each in pairs if name.strip().lower() == "for")
            yield next(said, "")


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> Iterator[str]:
    return (value.decode("latin-1") for key, value in headers if key == name)


def _without_port(hop: str) -> str:
    """`192.0.2.7:4711` and `[2001:db8::7]:4711` without the port."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
