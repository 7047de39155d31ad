"""The admin plane over real sockets: beside the data plane, with a listener of its own, behind proxies."""

import pytest

from chat2response.api.admin import PATHS
from tests.e2e.conftest import Start
from tests.e2e.gateway import Running
from tests.e2e.pairs import error_of, post
from tests.e2e.said import CHAT, RESPONSES, Said, whole
from tests.upstream import ScriptedUpstream

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
        assert error_of(answer)["message"].startswith(f"There is no endpoint {path}.")
    assert (await gateway.http.post("/keys/generate", json={})).status_code == 404
    status = (await gateway.http.get("/status")).json()
    assert "details" not in status
    assert not [path for path in status["routes"] if path.startswith(PATHS)]
    assert not [
        path for path in (await gateway.http.get("/openapi.json")).json()["paths"] if path[:5] == "/keys"
    ]


async def test_and_that_listener_serves_no_data_plane(start: Start, upstream: ScriptedUpstream) -> None:
    upstream.play(whole("chat", Said(text=("Hi",))))
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


async def test_the_data_plane_does_not_care_who_passed_a_call_on(
    start: Start, upstream: ScriptedUpstream
) -> None:
    upstream.play(whole("chat", Said(text=("Hi",))))
    gateway = await start("chat")
    gateway.http.headers["x-forwarded-for"] = "10.1.2.3"
    assert (await post(gateway, "chat")).status_code == 200
