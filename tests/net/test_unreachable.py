"""The messages for failed connections: they say what to check, and never name the address."""

import errno
import os
import socket
import ssl

import pytest

from chat2response.net.endpoint import Endpoint
from chat2response.net.proxies import Proxies, Proxy
from chat2response.net.unreachable import unreachable

PLACE = Endpoint.of("https://login:canary@models.example:8443/v1", Proxies())
PROXY = Proxy.of("http://user:canary@proxy.example:3128")


def _os(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] whatever")
    error.reason = reason
    return error


CASES: list[tuple[Exception, str]] = [
    (_os(errno.ECONNREFUSED), "refused the connection"),
    (
        OSError("Multiple exceptions: [Errno 111] Connect call failed, [Errno 101] no net"),
        "refused the connection",
    ),
    (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "DNS"),
    (UnicodeError("label empty or too long"), "DNS"),
    (_os(errno.EHOSTUNREACH), "network route"),
    (_os(errno.ENETUNREACH), "network route"),
    (_os(errno.EMFILE), "ulimit -n"),
    (_tls("WRONG_VERSION_NUMBER"), "write http://"),
    (_tls("HTTP_REQUEST"), "write http://"),
    (
        _tls("TLSV1_ALERT_PROTOCOL_VERSION"),
        "handshake with the upstream failed (TLSV1_ALERT_PROTOCOL_VERSION)",
    ),
    (ConnectionResetError(), "closed the connection"),
    (ValueError("whatever"), "cannot be reached"),
]


@pytest.mark.parametrize(("error", "words"), CASES)
def test_the_words_name_the_cause(error: Exception, words: str) -> None:
    result = unreachable(error, PLACE)
    assert (result.status, result.code) == (502, "upstream_unreachable")
    assert words in result.message
    assert "models.example" not in result.message
    assert str(result.internal).startswith("models.example:8443: ")
    assert "canary" not in str(result.internal)


@pytest.mark.parametrize("error", [error for error, _ in CASES])
def test_a_proxy_is_named_as_one(error: Exception) -> None:
    result = unreachable(error, PROXY)
    assert "outbound proxy" in result.message or "ulimit" in result.message
    assert "OPENAI_BASE_URL" not in result.message
    assert "proxy.example:3128" in str(result.internal)
    assert "canary" not in f"{result.message} {result.internal}"
