"""The admin plane over real sockets: with the data plane, on its own listener, behind proxies."""

import asyncio

import pytest

from chat2response.api.admin.rules import PATHS
from tests.e2e.conftest import Start
from tests.support.e2e.dialect_pairs import error_of, post
from tests.support.e2e.gateway import Running
from tests.support.e2e.scripted_model import CHAT, RESPONSES, ModelReply, whole
from tests.support.scripted_upstream import PATIENCE, ScriptedUpstream

TOKEN = "the-operators-own-admin-token"
DATA = ("/proxy", "/convert", CHAT, RESPONSES, "/v1/models", "/v1/models/m", "/chat/completions")
HEALTH = ("/livez", "/readyz", "/healthz", "/health")
APART = {"chat2response_admin_bind_addr": "127.0.0.1:0"}


async def _status(gateway: Running, method: str, url: str, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return (await gateway.http.request(method, url, headers=named)).status_code


async def test_with_a_listener_of_its_own_the_other_knows_no_admin_plane(start: Start) -> None:
    gateway = await start("chat", **APART)
    assert gateway.admin_url != gateway.url

    for path in PATHS:
        answer = await gateway.http.get(path)
        assert (answer.status_code, error_of(answer)["code"]) == (404, "unknown_url")
        assert error_of(answer)["message"].startswith(f"No such endpoint: {path}.")
    assert (await gateway.http.post("/keys/generate", json={})).status_code == 404
    status = (await gateway.http.get("/status")).json()
    assert "details" not in status
    assert not [path for path in status["routes"] if path.startswith(PATHS)]
    assert not [
        path for path in (await gateway.http.get("/openapi.json")).json()["paths"] if path[:5] == "/keys"
    ]


async def test_and_that_listener_serves_no_data_plane(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", ModelReply(text=("Hi",))))
    gateway = await start("chat", **APART)
    gateway.http.headers.pop("authorization")

    issued = await gateway.http.post(f"{gateway.admin_url}/keys/generate", json={})
    assert issued.status_code == 200
    gateway.http.headers["authorization"] = f"Bearer {issued.json()['token']}"
    for path in DATA:
        answer = await gateway.http.post(f"{gateway.admin_url}{path}", json={})
        assert (answer.status_code, error_of(answer)["code"]) == (404, "unknown_url")
    assert upstream.requests == []

    assert (await post(gateway, "chat")).status_code == 200, "the key opens the data plane"
    metrics = (await gateway.http.get(f"{gateway.admin_url}/metrics")).text
    assert 'route="/v1/chat/completions",status="200"' in metrics
    status = (await gateway.http.get(f"{gateway.admin_url}/status")).json()
    assert status["details"]["upstream"] == upstream.url
    assert "/keys/generate" in status["routes"]
    assert not set(DATA) & set(status["routes"])


async def test_probes_are_answered_on_both(start: Start) -> None:
    gateway = await start("chat", **APART)
    for url in (gateway.url, gateway.admin_url):
        for path in HEALTH:
            assert await _status(gateway, "GET", url + path) == 200
            assert await _status(gateway, "POST", url + path) == 405
    gateway.drain()
    for url in (gateway.url, gateway.admin_url):
        assert await _status(gateway, "GET", f"{url}/livez") == 200
        assert await _status(gateway, "GET", f"{url}/readyz") == 503
    assert await _status(gateway, "GET", f"{gateway.admin_url}/keys") == 200


async def test_from_the_allowed_addresses_no_token_is_needed(start: Start) -> None:
    gateway = await start("chat", chat2response_admin_allow="172.17.0.0/16")
    gateway.http.headers.pop("authorization")
    assert await _status(gateway, "GET", "/keys") == 403
    gateway = await start("chat", chat2response_admin_allow="loopback, 172.17.0.0/16")
    assert await _status(gateway, "GET", "/keys") == 200


async def test_a_token_that_was_set_is_asked_for_by_all(start: Start) -> None:
    gateway = await start("chat", chat2response_admin_token=TOKEN, chat2response_admin_allow="loopback")
    gateway.http.headers.pop("authorization")
    assert await _status(gateway, "GET", "/keys") == 401
    assert await _status(gateway, "GET", "/keys", x_admin_token=TOKEN) == 200
    assert await _status(gateway, "GET", "/keys", authorization=f"bearer {TOKEN}", host="keys.example") == 200
    assert await _status(gateway, "GET", "/keys", x_admin_token=TOKEN, origin="https://evil.example") == 403


@pytest.mark.parametrize(
    ("trusted", "client", "expected"),
    [
        (None, "10.1.2.3", 403),
        ("192.0.2.0/24", "10.1.2.3", 403),
        ("loopback", "10.1.2.3", 200),
        ("loopback", "10.1.2.3, 127.0.0.9", 200),
        ("loopback", "10.1.2.3, 11.1.2.3", 403),
        ("loopback", "11.1.2.3", 403),
    ],
)
async def test_behind_a_proxy_the_address_that_it_vouches_for_decides(
    start: Start, trusted: str | None, client: str, expected: int
) -> None:
    allow = {"chat2response_admin_allow": "10.0.0.0/8", "chat2response_trusted_proxies": trusted}
    gateway = await start("chat", **allow)
    gateway.http.headers.pop("authorization")
    assert await _status(gateway, "GET", "/keys", x_forwarded_for=client) == expected


async def test_a_proxy_that_nobody_trusts_is_refused_with_the_token_too(start: Start) -> None:
    gateway = await start("chat", chat2response_admin_token=TOKEN)
    answer = await gateway.http.get("/keys", headers={"x-admin-token": TOKEN, "x-forwarded-for": "10.1.2.3"})
    assert (answer.status_code, error_of(answer)["code"]) == (403, "untrusted_proxy")
    gateway = await start(
        "chat", chat2response_admin_token=TOKEN, chat2response_trusted_proxies="127.0.0.0/8"
    )
    assert await _status(gateway, "GET", "/keys", x_admin_token=TOKEN, x_forwarded_for="10.1.2.3") == 200


async def _raw(url: str, head: bytes) -> tuple[int, bytes]:
    """Sends these bytes on a connection; returns the status and the response."""
    _, _, address = url.partition("://")
    host, _, port = address.partition(":")
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(head)
        answer = await reader.read(65536)  # each answer here is one write
        writer.close()
    return int(answer.split(b" ", 2)[1]), answer


ENDS = [b"%0a", b"%0A", b"%0d%0a", b"%00", b"%1f", b"%7f", b"%c2%85", b"%e2%80%a8", b"/%0a", b"%0a%0a"]
RAW = [b"\x01", b"\t", b"\x0b", b"\x7f", b"\x85", b"\xa0", b"\xff", b"\xc2\x85"]


@pytest.mark.parametrize("apart", [False, True], ids=["one listener", "two"])
async def test_no_character_opens_a_path_of_it(start: Start, apart: bool) -> None:
    """Request targets of an attacker: percent-encoded, and raw if the parser allows it."""
    rules = {"chat2response_admin_token": TOKEN, **(APART if apart else {})}
    gateway = await start("chat", **rules)
    for path in (b"/keys", b"/audit", b"/usage", b"/metrics", b"/keys/generate"):
        method = b"POST" if path.endswith(b"generate") else b"GET"
        for end in (*ENDS, *RAW):
            for url in {gateway.url, gateway.admin_url}:
                target = path + end
                lines = (method + b" " + target + b" HTTP/1.1", b"Host: localhost", b"Connection: close")
                status, answer = await _raw(url, b"\r\n".join((*lines, b"", b"")))
                assert status == 404 if end in ENDS else status in (400, 404), answer
                assert gateway.key[3:35].encode() not in answer
    assert len(await gateway.services.keys.repository.list()) == 1


async def test_a_control_character_in_a_models_name_is_a_404(
    start: Start, upstream: ScriptedUpstream
) -> None:
    gateway = await start("chat")
    for path in ("/v1/models/a%0a", "/v1/models/%00", "/models/a%c2%85b"):
        answer = await gateway.http.get(path, headers={"origin": "https://app.example"})
        assert (answer.status_code, error_of(answer)["code"]) == (404, "unknown_url")
        assert answer.headers["access-control-allow-origin"] == "*"
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /keys HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close", 200),
        (b"GET /keys HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: close", 403),
        (b"GET /keys HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nCF-Ray: 1", 403),
        (b"GET /keys HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nSec-Fetch-Site: cross-site", 403),
        (b"GET /keys HTTP/1.0\r\nHost: h\r\nConnection: close\r\nx-admin-token: " + TOKEN.encode(), 200),
    ],
)
async def test_what_a_proxy_that_says_nothing_passes_on_is_refused(
    start: Start, head: bytes, status: int
) -> None:
    """A bare `proxy_pass` on this machine speaks HTTP/1.0 from a loopback address."""
    token = {"chat2response_admin_token": TOKEN} if b"x-admin-token" in head else {}
    gateway = await start("chat", **token)
    assert (await _raw(gateway.url, head + b"\r\n\r\n"))[0] == status


async def test_behind_a_trusted_proxy_old_http_passes(start: Start) -> None:
    gateway = await start(
        "chat", chat2response_trusted_proxies="loopback", chat2response_admin_allow="10.0.0.0/8"
    )
    head = b"GET /keys HTTP/1.0\r\nHost: localhost\r\nX-Forwarded-For: "
    assert (await _raw(gateway.url, head + b"10.1.2.3\r\n\r\n"))[0] == 200
    assert (await _raw(gateway.url, head + b"11.1.2.3\r\n\r\n"))[0] == 403
    assert (await _raw(gateway.url, b"GET /keys HTTP/1.0\r\nHost: localhost\r\n\r\n"))[0] == 403


async def test_the_data_plane_does_not_care_who_passed_a_call_on(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(whole("chat", ModelReply(text=("Hi",))))
    gateway = await start("chat")
    gateway.http.headers["x-forwarded-for"] = "10.1.2.3"
    assert (await post(gateway, "chat")).status_code == 200
