"""Issued keys on the admin plane: which grant opens which route, and the throttle for failed attempts."""

from collections import Counter
from collections.abc import Callable
from inspect import isfunction, signature
from typing import Any

import httpx
import pytest

from chat2response.api.admin import guard, rules
from chat2response.api.admin.rules import AdminRules
from chat2response.api.admin.throttle import MAX_ADDRESSES, MAX_FAILURES, WINDOW_SECONDS, Throttle
from chat2response.api.http.client_address import address_of
from chat2response.errors import Throttled
from chat2response.keys import KeyPolicy
from tests.support.clock_and_ids import Clock
from tests.support.management_client import ELSEWHERE, HERE, Parts, client

TOKEN = "admin_0123456789abcdef"
RULES = [AdminRules(), AdminRules(TOKEN), AdminRules(TOKEN, always_require_token=True)]


@pytest.fixture(params=RULES, ids=["no token", "token", "token everywhere"])
def parts(request) -> Parts:
    return Parts.plain(KeyPolicy(allow_no_expiration=True), admin=request.param)


async def token(parts: Parts, *scopes: str, **fields: Any) -> str:
    return (await parts.keys.generate(scopes=scopes, **fields)).token


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


PATHS = {"keys": "/keys", "audit": "/audit", "metrics": "/metrics"}


async def test_a_grant_opens_its_part_and_no_other(parts):
    async with client(parts, ELSEWHERE) as http:
        for grant in (*PATHS, "usage", "reload", "*"):
            params = await token(parts, f"admin:{grant}")
            for headers in (bearer(params), {"x-admin-token": params}):
                for what, path in PATHS.items():
                    answer = await http.get(path, headers=headers)
                    assert answer.status_code == (200 if grant in (what, "*") else 403), (grant, path)
                    if answer.status_code == 403:
                        assert answer.json()["error"]["code"] == "insufficient_scope"
                        assert f"admin:{what}" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "scopes", [(), ("admin",), ("keys",), ("model:*",), ("admin:usage",), ("Admin:keys",)]
)
async def test_no_grant_is_never_admin(parts, scopes):
    async with client(parts, ELSEWHERE) as http:
        for call in (http.get("/keys"), http.post("/keys/generate", json={})):
            http.headers.update(bearer(await token(parts, *scopes)))
            assert (await call).status_code in (401, 403)
        assert len(await parts.keys.list()) <= 2


async def test_what_a_key_does_stays_within_what_it_has(parts):
    narrow = await token(
        parts, "admin:keys", "model:gpt-*", limits={"requests_per_minute": 9}, ttl_seconds=99
    )
    wide = (await parts.keys.generate()).key.id
    fields = {"scopes": ["model:gpt-5"], "limits": {"requests_per_minute": 9}, "ttl_seconds": 99}
    async with client(parts, ELSEWHERE, headers=bearer(narrow)) as http:
        answer = await http.post("/keys/generate", json=fields)
        assert answer.status_code == 200, answer.text
        result = answer.json()["id"]
        for path, body, param in (
            ("generate", fields | {"scopes": ["model:o3"]}, "scopes"),
            ("generate", fields | {"scopes": ["model:gpt-5", "admin:audit"]}, "scopes"),
            ("generate", fields | {"limits": {}}, "limits.requests_per_minute"),
            ("generate", fields | {"ttl_seconds": 100}, "expires_at"),
            ("update", {"id": result, "scopes": None}, "scopes"),
            ("set_expiration", {"id": result, "expires_at": None}, "expires_at"),
            ("rotate", {"id": wide}, "expires_at"),
        ):
            answer = await http.post(f"/keys/{path}", json=body)
            assert answer.status_code == 403, answer.text
            error = answer.json()["error"]
            assert (error["code"], error["param"]) == ("wider_than_own_key", param)
    lines = (await parts.keys.audit.read()).lines
    assert (lines[-1]["by"], lines[-1]["from"]) == (f"key:{narrow[3:35]}", ELSEWHERE)


async def test_a_dead_key_opens_nothing(parts):
    value = await token(parts, "admin:keys")
    async with client(parts, ELSEWHERE, headers=bearer(value)) as http:
        assert (await http.get("/keys")).status_code == 200
        await parts.keys.revoke(value[3:35])
        answer = await http.get("/keys")
        assert (answer.status_code, answer.json()["error"]["message"]) == (401, "API key revoked")


async def test_a_key_is_bound_to_its_networks_here_too(parts):
    value = await token(parts, "admin:keys", "net:10.0.0.0/8")
    for peer, status in ((ELSEWHERE, 403), ("10.1.2.3", 200)):
        async with client(parts, peer, headers=bearer(value)) as http:
            assert (await http.get("/keys")).status_code == status


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"x-forwarded-for": HERE}, {"content-type": "text/plain"}]
)
async def test_what_the_admin_token_does_not_excuse_a_key_does_not_either(parts, headers):
    value = await token(parts, "admin:*")
    async with client(parts, ELSEWHERE, headers=bearer(value)) as http:
        answer = await http.post("/keys/generate", content=b"{}", headers=headers)
    assert answer.status_code == (415 if "content-type" in headers else 403)
    assert len(await parts.keys.list()) == 1


async def test_who_needs_no_credential_is_not_asked_for_one():
    parts = Parts.plain()
    async with client(parts, headers=bearer(await token(parts))) as http:  # a key without a grant
        assert (await http.post("/keys/generate", json={})).status_code == 200
    assert (await parts.keys.audit.read()).lines[-1]["by"] == "network"


async def test_the_audit_tells_token_from_network():
    parts = Parts.plain(admin=AdminRules(TOKEN))
    for peer, headers in ((HERE, {}), (HERE, bearer(TOKEN)), (ELSEWHERE, bearer(TOKEN))):
        async with client(parts, peer, headers=headers) as http:
            await http.post("/keys/generate", json={})
    assert [line["by"] for line in (await parts.keys.audit.read()).lines] == ["network", "token", "token"]


class RuleCalls(Counter[str]):
    """How often each rule was evaluated."""

    @classmethod
    def counted(cls, monkeypatch: pytest.MonkeyPatch) -> "RuleCalls":
        calls = cls()
        for name, rule in list(vars(rules).items()):
            if isfunction(rule) and "facts" in signature(rule).parameters:
                for module in (rules, guard):
                    monkeypatch.setattr(module, name, calls.wrapped(name, rule), raising=module is rules)
        return calls

    def wrapped(self, name: str, rule: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            self[name] += 1
            return rule(*args)

        return counted


async def test_each_rule_is_evaluated_once_per_request(monkeypatch):
    parts = Parts.plain(admin=AdminRules(TOKEN))
    admin, other = await token(parts, "admin:keys"), await token(parts)
    calls, seen = RuleCalls.counted(monkeypatch), set()
    for peer, headers, status in (
        (HERE, {}, 200),
        (HERE, bearer(TOKEN), 200),
        (HERE, {"x-amzn-trace-id": "1"}, 403),
        (HERE, {"x-amzn-trace-id": "1"} | bearer(admin), 200),
        (HERE, {"origin": "https://evil.example"} | bearer(admin), 403),
        (ELSEWHERE, {}, 401),
        (ELSEWHERE, bearer(TOKEN), 200),
        (ELSEWHERE, bearer(admin), 200),
        (ELSEWHERE, bearer(other), 403),
        (ELSEWHERE, {"x-admin-token": "admin_wrong"}, 401),
    ):
        calls.clear()
        async with client(parts, peer, headers=headers) as http:
            assert (await http.get("/keys")).status_code == status
        assert set(calls.values()) == {1}, (peer, headers, calls)
        seen |= set(calls)
    assert {"decide", "_other_origin", "_unknown_proxy", "_needs_credential", "_forwarded"} <= seen


async def test_status_tells_an_admin_key_more(parts):
    async with client(parts, ELSEWHERE) as http:
        for scopes, more in (((), False), (("admin:usage",), True)):
            answer = await http.get("/status", headers=bearer(await token(parts, *scopes)))
            assert ("details" in answer.json()) is more


ENDPOINTS = [
    ("GET", "/keys", "keys"),
    ("POST", "/keys/generate", "keys"),
    ("GET", "/keys/generate", "keys"),
    ("GET", "/keys/usage", "keys"),
    ("GET", f"/keys/{'0' * 32}", "keys"),
    ("GET", f"/keys/{'0' * 32}/usage", "usage"),
    ("HEAD", f"/keys/{'0' * 32}/usage", "usage"),
    ("GET", "/usage", "usage"),
    ("GET", "/usage/csv", "usage"),
    ("GET", "/audit", "audit"),
    ("GET", "/metrics", "metrics"),
    ("POST", "/reload", "reload"),
]


@pytest.mark.parametrize(("method", "path", "wanted"), ENDPOINTS)
async def test_each_route_has_its_grant(parts, method, path, wanted):
    """An unknown path requires the grant of its first part."""
    async with client(parts, ELSEWHERE) as http:
        for grant in ("keys", "usage", "audit", "metrics", "reload", "*"):
            http.headers.update(bearer(await token(parts, f"admin:{grant}")))
            answer = await http.request(method, path)
            assert (answer.status_code != 403) is (grant in (wanted, "*")), grant


# -- guessing ------------------------------------------------------------------------------------------

WRONG = [bearer("nonsense"), bearer(f"sk_{'0' * 32}.{'0' * 64}"), {"x-admin-token": "admin_wrong"}]


async def test_who_guesses_must_wait(caplog):
    parts = Parts.plain(admin=AdminRules(TOKEN, always_require_token=True))
    async with client(parts, ELSEWHERE) as http:
        for n in range(MAX_FAILURES):
            assert (await http.get("/keys", headers=WRONG[n % len(WRONG)])).status_code == 401
        for headers in WRONG:
            answer = await http.get("/keys", headers=headers)
            assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_attempts")
            assert answer.headers["retry-after"] == "60"
        async with client_of_same(http, "198.51.100.9") as other:
            assert (await other.get("/keys", headers=WRONG[0])).status_code == 401
        parts.clock.advance(WINDOW_SECONDS)
        assert (await http.get("/keys", headers=WRONG[0])).status_code == 401
    throttled = [
        line for line in (await parts.keys.audit.read()).lines if line["action"] == "admin.throttled"
    ]
    assert [line["from"] for line in throttled] == [ELSEWHERE]
    assert ELSEWHERE in caplog.text
    assert "admin_wrong" not in caplog.text


async def test_a_right_credential_passes_from_an_address_that_has_to_wait():
    """An operator who shares an address with an attacker is not locked out."""
    parts = Parts.plain(admin=AdminRules(TOKEN, always_require_token=True))
    async with client(parts, ELSEWHERE) as http:
        for _ in range(MAX_FAILURES + 1):
            last = await http.get("/keys", headers=WRONG[0])
        assert last.status_code == 429
        for headers in (bearer(TOKEN), bearer(await token(parts, "admin:keys"))):
            assert (await http.get("/keys", headers=headers)).status_code == 200
        assert (await http.get("/keys", headers=bearer(await token(parts)))).status_code == 403
        assert (await http.get("/keys")).status_code == 401, "none was brought"


async def test_wrong_credentials_at_status_count_too():
    parts = Parts.plain(admin=AdminRules(TOKEN, always_require_token=True))
    async with client(parts, ELSEWHERE) as http:
        for n in range(MAX_FAILURES):
            answer = await http.get("/status", headers=WRONG[n % len(WRONG)])
            assert (answer.status_code, "details" in answer.json()) == (200, False)
        assert (await http.get("/keys", headers=WRONG[0])).status_code == 429
        assert (await http.get("/status", headers=WRONG[0])).status_code == 200
        assert "details" in (await http.get("/status", headers=bearer(TOKEN))).json()


def client_of_same(http: httpx.AsyncClient, peer: str) -> httpx.AsyncClient:
    """A client of the same application from another address."""
    app = http._transport.app  # type: ignore[attr-defined]
    transport = httpx.ASGITransport(app, client=(peer, 50_000))
    return httpx.AsyncClient(transport=transport, base_url=http.base_url)


async def test_to_bring_no_credential_is_no_guess():
    parts = Parts.plain(admin=AdminRules(TOKEN, always_require_token=True))
    async with client(parts, ELSEWHERE) as http:
        for _ in range(MAX_FAILURES + 1):
            assert (await http.get("/keys")).status_code == 401
            assert (await http.get("/status")).status_code == 200
        assert (await http.get("/keys", headers=WRONG[0])).status_code == 401


class TestThrottle:
    def failed(self, throttle: Throttle, address: str, times: int) -> None:
        for _ in range(times):
            throttle.record_failure(address_of(address))

    def refused(self, throttle: Throttle, address: str) -> str | None:
        try:
            throttle.check(address_of(address))
        except Throttled as error:
            return error.headers["retry-after"]
        return None

    def test_failures_count_within_their_time(self, clock: Clock):
        throttle = Throttle(clock)
        self.failed(throttle, ELSEWHERE, MAX_FAILURES - 1)
        clock.advance(WINDOW_SECONDS)
        self.failed(throttle, ELSEWHERE, MAX_FAILURES - 1)
        assert self.refused(throttle, ELSEWHERE) is None
        clock.advance(30)
        self.failed(throttle, ELSEWHERE, 1)
        assert self.refused(throttle, ELSEWHERE) == "60"  # counted from the last of them
        clock.advance(59.5)
        assert self.refused(throttle, ELSEWHERE) == "1"
        clock.advance(0.5)
        assert self.refused(throttle, ELSEWHERE) is None

    def test_a_machine_with_many_addresses_is_one(self, clock: Clock):
        throttle = Throttle(clock)
        for n in range(MAX_FAILURES):
            self.failed(throttle, f"2001:db8::{n:x}", 1)
        assert self.refused(throttle, "2001:db8::ffff") is not None
        assert self.refused(throttle, "2001:db8:0:1::1") is None

    def test_who_has_no_address_is_one_too(self, clock: Clock):
        throttle = Throttle(clock)
        for _ in range(MAX_FAILURES):
            throttle.record_failure(None)
        with pytest.raises(Throttled):
            throttle.check(None)

    def test_it_is_bounded_and_forgets_the_oldest(self, clock: Clock):
        throttle = Throttle(clock)
        self.failed(throttle, ELSEWHERE, MAX_FAILURES)
        for n in range(MAX_ADDRESSES):
            throttle.record_failure(address_of(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}"))
            assert len(throttle._failures) <= MAX_ADDRESSES
        assert self.refused(throttle, ELSEWHERE) is None

    def test_a_clock_set_back_locks_nobody_out(self, clock: Clock):
        throttle = Throttle(clock)
        self.failed(throttle, ELSEWHERE, MAX_FAILURES)
        clock.advance(-3600)
        assert self.refused(throttle, ELSEWHERE) is None
