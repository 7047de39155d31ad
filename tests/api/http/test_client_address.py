"""Lists of networks, and the client's address behind proxies."""

import pytest

from chat2response.api.http.client_address import (
    LOOPBACK,
    ClientAddress,
    address_of,
    client_address,
    is_loopback,
    networks,
    within,
)

OURS = networks("10.0.0.0/8, 2001:db8::/32")
PROXY = "10.0.0.1"
CLIENT = "192.0.2.7"
LIAR = "203.0.113.9"


def sent(peer: str | None, *headers: tuple[str, str]) -> ClientAddress:
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return client_address({"headers": pairs, "client": None if peer is None else (peer, 1)}, OURS)


def test_networks_are_listed_by_mask_by_address_and_by_word():
    assert networks("") == ()
    assert networks("loopback") == LOOPBACK
    assert [str(each) for each in networks(" 10.1.2.3/8 ,192.0.2.7,, ::1, 10.0.0.0/8")] == [
        "10.0.0.0/8",
        "192.0.2.7/32",
        "::1/128",
    ]


@pytest.mark.parametrize("text", ["10.0.0.0/33", "localhost", "10.0.0", "10.0.0.0/8 11.0.0.0/8", "*"])
def test_what_is_no_network_is_named(text):
    with pytest.raises(ValueError, match="is not a network; write a comma-separated list"):
        networks(text)


def test_addresses_of_ipv4_count_however_they_are_written():
    assert within(address_of("::ffff:10.0.0.1"), OURS)
    assert not within(address_of("::ffff:11.0.0.1"), OURS)
    assert not within(None, OURS)
    assert address_of("") is address_of("ten") is None


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("localhost", True),
        ("::1", True),
        ("127.0.0.2", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("localhost.example", False),
        ("", False),
        (None, False),
    ],
)
def test_what_is_loopback(host, local):
    assert is_loopback(host) is local


@pytest.mark.parametrize("peer", [PROXY, CLIENT, None])
def test_without_a_proxys_header_the_peer_is_the_sender(peer):
    assert sent(peer) == ClientAddress(address_of(peer) if peer else None)


@pytest.mark.parametrize("peer", [CLIENT, None])
@pytest.mark.parametrize("name", ["x-forwarded-for", "forwarded", "via", "x-real-ip", "x-forwarded-proto"])
def test_who_is_not_trusted_speaks_for_nobody(peer, name):
    result = sent(peer, (name, PROXY))
    assert (result.trusted, result.header) == (False, name)


@pytest.mark.parametrize(
    ("chain", "client"),
    [
        (CLIENT, CLIENT),
        (f"{LIAR}, {CLIENT}", CLIENT),
        (f"{PROXY}, {CLIENT},10.9.9.9", CLIENT),
        (f"{CLIENT}:4711", CLIENT),
        ("[2001:db9::7]:4711, [2001:db8::1]", "2001:db9::7"),
        ("2001:db9::7", "2001:db9::7"),
        (f"::ffff:{CLIENT}", CLIENT),
        ("10.2.2.2, 10.1.1.1", "10.2.2.2"),
        ("unknown", None),
        (f"{CLIENT}, unknown", None),
        (f"{CLIENT}, ", None),
        ("", None),
        (f"{CLIENT} {LIAR}", None),
    ],
)
def test_of_a_chain_the_last_that_is_none_of_ours_counts(chain, client):
    expected = ClientAddress(address_of(client) if client else None, header="x-forwarded-for")
    assert sent(PROXY, ("x-forwarded-for", chain)) == expected


def test_a_chain_may_come_in_several_headers():
    assert sent(PROXY, ("x-forwarded-for", LIAR), ("x-forwarded-for", CLIENT)).address == address_of(CLIENT)


@pytest.mark.parametrize(
    ("value", "client"),
    [
        (f"for={CLIENT};proto=https;by=10.0.0.1", CLIENT),
        (f"for={LIAR}, For={CLIENT}, for=10.1.1.1", CLIENT),
        ('proto=http; for="[2001:db9::7]:4711"', "2001:db9::7"),
        (f'for="{LIAR}, for={CLIENT}', CLIENT),
        ("for=_hidden", None),
        (f"for={CLIENT}, proto=https", None),
    ],
)
def test_the_standard_header_is_read_too(value, client):
    assert sent(PROXY, ("forwarded", value)).address == (address_of(client) if client else None)


def test_where_both_are_there_both_must_say_the_same():
    assert sent(PROXY, ("x-forwarded-for", CLIENT), ("forwarded", f"for={CLIENT}")).address
    result = sent(PROXY, ("x-forwarded-for", CLIENT), ("forwarded", "for=127.0.0.1"))
    assert result == ClientAddress(None, header="x-forwarded-for")


def test_a_trusted_proxy_that_does_not_say_for_whom_leaves_it_open():
    assert sent(PROXY, ("x-real-ip", "127.0.0.1")) == ClientAddress(None, header="x-real-ip")
