"""Proxy URLs, exceptions, and the request line for an endpoint."""

import base64

import pytest

from chat2response.errors import UpstreamUnreachable
from chat2response.net.endpoint import Endpoint
from chat2response.net.proxies import Bypass, Proxies, Proxy

PROXY = Proxy("proxy.example", 3128)


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://proxy.example:3128", PROXY),
        ("http://PROXY.example:3128/", PROXY),
        ("proxy.example:3128", PROXY),
        ("http://proxy.example", Proxy("proxy.example", 80)),
        ("https://proxy.example", Proxy("proxy.example", 443, secure=True)),
        ("HTTPS://proxy.example:8443", Proxy("proxy.example", 8443, secure=True)),
        ("http://[::1]:3128", Proxy("::1", 3128)),
    ],
)
def test_a_proxy_is_named_by_its_url(url, proxy):
    assert Proxy.of(url) == proxy


@pytest.mark.parametrize(
    ("login", "reply"),
    [
        ("me:pw", "me:pw"),
        ("me", "me:"),
        ("me:", "me:"),
        (":pw", ":pw"),
        ("a%40b:p%3Aw%2F%23", "a@b:p:w/#"),
        ("m%C3%A9:pw", "mé:pw"),
    ],
)
def test_a_login_is_told_as_basic(login, reply):
    authorization = Proxy.of(f"http://{login}@h:1").authorization
    assert authorization == f"Basic {base64.b64encode(reply.encode()).decode()}"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://",
        "http://hunter2@",
        "http://me:hunter2@h:port",
        "http://me:hunter2@h:0",
        "http://me:hunter2@h:99999",
        "http://me:hunter2#1@h:1",
        "http://me:hunter2/1@h:1",
        "http://me:hunter2?1@h:1",
        "http://me:hunter2@x@h:1",
        "http://h:1/hunter2",
        "ftp://me:hunter2@h:1",
        "http://[::1:hunter2",
    ],
)
def test_what_is_no_proxy_is_refused_and_not_repeated(url):
    with pytest.raises(ValueError, match="write the proxy as http://") as caught:
        Proxy.of(url)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["socks", "socks4", "socks4a", "socks5", "socks5h", "SOCKS5"])
def test_socks_is_refused_by_its_name(scheme):
    with pytest.raises(ValueError, match="SOCKS proxies are not supported") as caught:
        Proxy.of(f"{scheme}://me:hunter2@h:1080")
    assert "hunter2" not in str(caught.value)


def test_a_login_does_not_show():
    proxy = Proxy.of("https://me:hunter2@[::1]:3128")
    assert str(proxy) == "https://[::1]:3128"
    assert "hunter2" not in repr(proxy) + str(proxy)
    assert base64.b64encode(b"me:hunter2").decode() not in repr(Proxies(proxy, proxy))


LIST = "localhost, .internal,*.corp.example example.com,10.0.0.0/8,192.0.2.7,::1,2001:db8::/32, only.test:80"


@pytest.mark.parametrize(
    ("host", "port", "covered"),
    [
        ("localhost", 1, True),
        ("LocalHost.", 1, True),
        ("my.localhost", 1, True),
        ("notlocalhost", 1, False),
        ("vllm.internal", 1, True),
        ("internal", 1, True),
        ("corp.example", 1, True),
        ("a.b.corp.example", 1, True),
        ("example.com", 443, True),
        ("api.example.com", 443, True),
        ("badexample.com", 443, False),
        ("example.org", 443, False),
        ("10.1.2.3", 1, True),
        ("11.1.2.3", 1, False),
        ("192.0.2.7", 1, True),
        ("192.0.2.8", 1, False),
        ("::1", 1, True),
        ("2001:db8::5", 1, True),
        ("2001:db9::5", 1, False),
        ("only.test", 80, True),
        ("only.test", 8080, False),
        ("127.0.0.1", 1, False),
    ],
)
def test_the_list_of_exceptions(host, port, covered):
    assert Bypass.of(LIST).covers(host, port) is covered
    assert Bypass.of("*").covers(host, port)
    assert Bypass.of("other.example,*").covers(host, port)
    assert not Bypass.of("").covers(host, port)
    assert not Bypass.of(" , ").covers(host, port)


def test_an_address_with_a_port_is_covered_there_only():
    bypass = Bypass.of("127.0.0.1:8000 [::1]:8000")
    for host in ("127.0.0.1", "::1"):
        assert bypass.covers(host, 8000)
        assert not bypass.covers(host, 8001)


def test_each_scheme_has_its_own():
    other = Proxy("other.example", 1)
    proxies = Proxies(PROXY, other, Bypass.of("direct.example"))
    assert proxies.select("h.example", 80, secure=False) is PROXY
    assert proxies.select("h.example", 443, secure=True) is other
    assert proxies.select("direct.example", 443, secure=True) is None
    assert Proxies().select("h.example", 80, secure=False) is None


def test_a_request_to_a_place_names_what_its_way_needs():
    login = Proxy.of("http://me:pw@proxy.example:3128")
    proxies = Proxies(login, login, Bypass.of("direct.example"))

    straight = Endpoint.of("http://me:pw@direct.example:8000/v1/x?y=z", proxies)
    assert straight.line == "/v1/x?y=z HTTP/1.1\r\nHost: direct.example:8000\r\n"
    passed_on = Endpoint.of("http://h.example:8000/v1/x?y=z", proxies)
    assert passed_on.line.startswith("http://h.example:8000/v1/x?y=z HTTP/1.1\r\nHost: h.example:8000\r\n")
    assert passed_on.line.endswith(f"Proxy-Authorization: {login.authorization}\r\n")
    inside = Endpoint.of("https://h.example/v1/x", proxies)
    assert inside.line == "/v1/x HTTP/1.1\r\nHost: h.example\r\n", "the upstream is not told our login"


def test_connections_are_shared_only_where_they_lead_to_the_same():
    proxies = Proxies(PROXY, PROXY)

    def key(url: str, through: Proxies = proxies) -> object:
        return Endpoint.of(url, through).key

    assert key("http://a.example/x") == key("http://b.example:8000/y"), "one proxy passes all of them on"
    assert key("https://a.example/x") == key("https://a.example:443/y")
    assert key("https://a.example") != key("https://b.example")
    different = {key(url) for url in ("http://a.example", "https://a.example", "https://a.example:8443")}
    assert len(different) == 3
    assert key("https://a.example") != key("https://a.example", Proxies())


@pytest.mark.parametrize(
    "url", ["", "a.example/v1", "ftp://a.example", "http://", "http://a:99999", "http://[::1"]
)
def test_what_is_no_place_is_an_error(url):
    with pytest.raises(UpstreamUnreachable):
        Endpoint.of(url, Proxies())
