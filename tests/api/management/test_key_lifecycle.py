"""The lifecycle of a key over HTTP, on all stores: bodies, errors, pages, idempotency, the audit."""

from typing import Any

import pytest

from chat2response.errors import Unauthorized
from chat2response.keys.repository import MIN_PURGE_AGE
from chat2response.stores import MemoryStore, StoreDown
from tests.support.clock_and_ids import Clock
from tests.support.management_client import ELSEWHERE, HERE, Parts, client

UNKNOWN = "0123456789abcdef" * 2
REPEAT = {"idempotency-key": "7d8f2c1e-3b5a-4c6d-8e9f-0a1b2c3d4e5f"}
DETAILS = {
    *("id", "label", "created_at", "expires_at", "revoked_at", "scopes", "state"),
    *("owner", "metadata", "limits", "rotated_at", "grace_expires_at"),
    *("last_used_at", "requests", "tokens"),
}


async def ok(http, path: str, **fields: Any) -> dict[str, Any]:
    answer = await http.post(f"/keys/{path}", json=fields)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return answer.json()


async def test_a_key_that_says_all_it_can(http, clock):
    reply = {
        "label": "l",
        "owner": "team",
        "metadata": {"a": "b"},
        "scopes": ["model:gpt-*", "a label"],
        "limits": {"requests_per_minute": 60, "cost_per_month": 2_500_000},
    }
    result = await ok(http, "generate", **reply, ttl_seconds=60)
    assert {name: result[name] for name in reply} == reply
    shown = (await http.get(f"/keys/{result['id']}")).json()
    assert set(shown) == DETAILS
    assert {name: shown[name] for name in reply} == reply
    assert (shown["state"], shown["last_used_at"], shown["requests"]) == ("active", None, 0)
    clock.advance(60)
    assert (await http.get(f"/keys/{result['id']}")).json()["state"] == "expired"


async def test_its_use_is_told(http, parts, clock):
    result = await ok(http, "generate")
    parts.keys.repository.last_used.note(result["id"], requests=2, tokens=30)
    shown = (await http.get(f"/keys/{result['id']}")).json()
    assert (shown["last_used_at"], shown["requests"], shown["tokens"]) == (int(clock()), 2, 30)


async def test_rotate(http, parts, clock):
    result = await ok(http, "generate", label="l")
    renewed = await ok(http, "rotate", id=result["id"], grace_seconds=60)
    assert list(renewed)[:6] == ["id", "token", "created_at", "expires_at", "label", "scopes"]
    assert (renewed["id"], renewed["label"], renewed["created_at"]) == (
        result["id"],
        "l",
        result["created_at"],
    )
    assert (renewed["rotated_at"], renewed["grace_expires_at"]) == (int(clock()), int(clock()) + 60)
    for token in (result["token"], renewed["token"]):
        await parts.verifier.verify(token)
    again = await ok(http, "rotate", id=result["id"], force=True)
    assert again["grace_expires_at"] == int(clock())
    with pytest.raises(Unauthorized, match="API key expired"):
        await parts.verifier.verify(renewed["token"])


async def test_update(http):
    result = await ok(http, "generate", label="l", owner="o")
    changed = await ok(http, "update", id=result["id"], owner=None, limits={"tokens_per_day": 5})
    assert set(changed) == DETAILS
    assert (changed["label"], changed["owner"], changed["limits"]) == ("l", None, {"tokens_per_day": 5})


async def test_import_and_purge(http, parts, clock):
    token, digest = parts.keys.new_digest()
    for imported in (True, False):
        result = await ok(http, "import", id=token.id, digest=digest, ttl_seconds=5)
        assert result == {"imported": imported, "id": token.id}
    await parts.verifier.verify(token.text())
    clock.advance(MIN_PURGE_AGE + 5)
    assert await ok(http, "purge", older_than_seconds=MIN_PURGE_AGE) == {"purged": 1, "more": False}


@pytest.mark.parametrize(
    ("path", "fields", "status", "param", "code"),
    [
        ("rotate", {"id": UNKNOWN}, 404, "id", "unknown_key"),
        ("rotate", {"id": UNKNOWN, "grace_seconds": -1}, 400, "grace_seconds", None),
        ("rotate", {"id": UNKNOWN, "grace_seconds": "5"}, 400, "grace_seconds", "invalid_type"),
        ("rotate", {"id": UNKNOWN, "grace": 5}, 400, "grace", "unknown_parameter"),
        ("rotate", {}, 400, "id", "missing_required_parameter"),
        ("update", {"id": UNKNOWN, "label": "x"}, 404, "id", "unknown_key"),
        ("update", {"id": UNKNOWN}, 400, None, None),
        ("update", {"id": UNKNOWN, "ttl_seconds": 5}, 400, "ttl_seconds", "unknown_parameter"),
        ("update", {"id": UNKNOWN, "limits": {"x": 5}}, 400, "limits.x", "unknown_parameter"),
        ("update", {"id": UNKNOWN, "limits": {"tokens_per_day": "5"}}, 400, "limits.tokens_per_day", None),
        ("update", {"id": UNKNOWN, "limits": 5}, 400, "limits", "invalid_type"),
        ("update", {"id": UNKNOWN, "metadata": {"a": 5}}, 400, "metadata.a", "invalid_type"),
        ("update", {"id": UNKNOWN, "scopes": ["admin:root"]}, 400, "scopes[0]", None),
        ("import", {"id": UNKNOWN, "digest": "x"}, 400, "digest", None),
        ("import", {"id": "x", "digest": f"$c2r-sha256${'0' * 32}${'0' * 64}"}, 400, "id", None),
        ("import", {"id": UNKNOWN}, 400, "digest", "missing_required_parameter"),
        ("purge", {"older_than_seconds": 5}, 400, "older_than_seconds", None),
        ("purge", {}, 400, "older_than_seconds", "missing_required_parameter"),
        ("purge", {"older_than_seconds": MIN_PURGE_AGE, "limit": 0}, 400, "limit", None),
    ],
)
async def test_what_is_refused(http, path, fields, status, param, code):
    answer = await http.post(f"/keys/{path}", json=fields)
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert (error["type"], error["param"]) == ("invalid_request_error", param)
    assert code is None or error["code"] == code
    assert (await http.get("/keys")).content == b"[]"


async def test_a_state_that_stands_against_it_is_409(http):
    result = await ok(http, "generate")
    await ok(http, "revoke", id=result["id"])
    answer = await http.post("/keys/rotate", json={"id": result["id"]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "key_revoked")
    digest = f"$c2r-sha256${'0' * 32}${'0' * 64}"
    answer = await http.post("/keys/import", json={"id": result["id"], "digest": digest})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "key_exists")


@pytest.mark.parametrize("id", [UNKNOWN, "x", "generated", "%20", "x" * 500])
async def test_an_unknown_key_is_404(http, id):
    answer = await http.get(f"/keys/{id}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_key")
    assert len(answer.text) < 400


# -- lists -------------------------------------------------------------------------------------------


async def test_pages_and_filters(http, clock):
    ids = [(await ok(http, "generate", label=f"key {n}", owner="ab"[n % 2]))["id"] for n in range(7)]
    await ok(http, "revoke", id=ids[0])
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(20):
        page = (await http.get("/keys", params={"limit": 2} | cursor)).json()
        assert page["object"] == "list"
        assert len(page["data"]) <= 2
        seen += [key["id"] for key in page["data"]]
        if not page["has_more"]:
            assert page["next_cursor"] is None
            break
        cursor = {"cursor": page["next_cursor"]}
    assert sorted(seen) == sorted(ids)
    assert all(set(key) == DETAILS for key in page["data"])

    async def matches(**query: Any) -> set[str]:
        answer = await http.get("/keys", params=query)
        assert answer.status_code == 200, answer.text
        return {key["id"] for key in answer.json()["data"]}

    assert await matches(state="revoked") == {ids[0]}
    assert await matches(owner="b", state="active") == set(ids[1::2])
    assert await matches(label="KEY 3") == {ids[3]}
    assert await matches(expiring_within=3600) == set()
    assert await matches(expiring_within=86_400) == set(ids[1:])


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("limit=0", "limit"),
        ("limit=501", "limit"),
        ("limit=ten", "limit"),
        ("limit=-1", "limit"),
        ("limit=1&limit=2", "limit"),
        ("cursor=x", "cursor"),
        ("state=dead", "state"),
        ("expiring_within=soon", "expiring_within"),
        ("staet=active", "staet"),
    ],
)
async def test_a_list_that_cannot_be_asked_for(http, query, param):
    answer = await http.get(f"/keys?{query}")
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_long_bare_list_is_whole():
    parts = Parts.plain()
    record = (await parts.keys.generate()).key.document()
    for n in range(1200):
        await parts.store.put("keys", f"{n:032x}", record | {"id": f"{n:032x}", "created_at": n})
    async with client(parts) as http:
        listed = (await http.get("/keys")).json()
    assert [key["created_at"] for key in listed[:1200]] == list(range(1200))
    assert len(listed) == 1201


# -- repeated creations --------------------------------------------------------------------------------


async def test_a_repeated_creation_gets_the_same_answer(http):
    first, second = [await http.post("/keys/generate", json={"label": "l"}, headers=REPEAT) for _ in range(2)]
    assert first.status_code == 200
    assert second.content == first.content
    assert len((await http.get("/keys")).json()) == 1
    other = await http.post("/keys/generate", json={"label": "m"}, headers=REPEAT)
    assert (other.status_code, other.json()["error"]["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("headers", [[("idempotency-key", "short")], [*REPEAT.items(), *REPEAT.items()]])
async def test_a_poor_idempotency_key_is_refused(http, headers):
    answer = await http.post("/keys/generate", json={}, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_idempotency_key")
    assert (await http.get("/keys")).content == b"[]"


# -- the audit -----------------------------------------------------------------------------------------


async def test_the_audit_tells_who_did_what_from_where(http, parts):
    result = await ok(http, "generate", label="l")
    await ok(http, "revoke", id=result["id"])
    answer = (await http.get("/audit")).json()
    assert [(line["action"], line["key"], line["by"], line["from"]) for line in answer["data"]] == [
        ("key.generated", result["id"], "network", HERE),
        ("key.revoked", result["id"], "network", HERE),
    ]
    assert answer["has_more"] is False
    await ok(http, "generate")
    later = (await http.get("/audit", params={"cursor": answer["next_cursor"]})).json()
    assert [line["action"] for line in later["data"]] == ["key.generated"]
    assert (await http.get("/audit", params={"limit": 1})).json()["has_more"] is True
    for query in ("limit=0", "cursor=x", "key=x"):
        assert (await http.get(f"/audit?{query}")).status_code == 400


class Down(MemoryStore):
    """A store whose every call fails."""

    async def _fails(self, *_: Any, **__: Any) -> Any:
        raise StoreDown("locked")

    get = get_many = put = scan = append = read = _fails


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/keys?limit=5", None),
        ("GET", f"/keys/{UNKNOWN}", None),
        ("GET", "/audit", None),
        ("POST", "/keys/rotate", {"id": UNKNOWN}),
        ("POST", "/keys/update", {"id": UNKNOWN, "label": "x"}),
        ("POST", "/keys/import", {"id": UNKNOWN, "digest": f"$c2r-sha256${'0' * 32}${'0' * 64}"}),
        ("POST", "/keys/purge", {"older_than_seconds": MIN_PURGE_AGE}),
    ],
)
async def test_a_store_that_is_down_is_503(method, path, body):
    clock = Clock()
    async with client(Parts.over(Down(clock=clock), clock)) as http:
        answer = await http.request(method, path, json=body)
    assert answer.status_code == 503
    assert "locked" not in answer.text


@pytest.mark.parametrize("path", ["/keys?limit=5", f"/keys/{UNKNOWN}", "/audit"])
async def test_all_of_it_is_the_admin_planes(path):
    async with client(Parts.plain(), ELSEWHERE) as http:
        assert (await http.get(path)).status_code == 403


REPEAT = {"idempotency-key": "7d8f2c1e-3b5a-4c6d-8e9f-0a1b2c3d4e5f"}
DIGEST = f"$c2r-sha256${'1' * 32}${'2' * 64}"


@pytest.mark.parametrize(
    ("operation", "body", "other"),
    [
        ("generate", {"label": "l"}, {"label": "m"}),
        ("revoke", {"id": None}, {"id": UNKNOWN}),
        ("set_expiration", {"id": None, "ttl_seconds": 60}, {"id": None, "ttl_seconds": 61}),
        ("rotate", {"id": None, "grace_seconds": 60}, {"id": None}),
        ("update", {"id": None, "label": "l"}, {"id": None, "label": None}),
        ("import", {"id": "f" * 32, "digest": DIGEST}, {"id": "e" * 32, "digest": DIGEST}),
        ("purge", {"older_than_seconds": 3600}, {"older_than_seconds": 3601}),
    ],
)
async def test_a_repeated_request_gets_the_same_answer_and_does_nothing_twice(
    http, parts, clock, operation, body, other
):
    """With one Idempotency-Key the same body gets the same answer, another body gets 422."""
    id = (await http.post("/keys/generate", json={})).json()["id"]
    body, other = ({name: value or id for name, value in each.items()} for each in (body, other))
    first = await http.post(f"/keys/{operation}", json=body, headers=REPEAT)
    assert first.status_code == 200, first.text
    lines = len((await parts.keys.repository.audit.read()).lines)
    clock.advance(5)
    again = await http.post(f"/keys/{operation}", json=body, headers=REPEAT)
    assert (again.status_code, again.content) == (200, first.content)
    assert len((await parts.keys.repository.audit.read()).lines) == lines
    refused = await http.post(f"/keys/{operation}", json=other, headers=REPEAT)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "idempotency_key_reused")


async def test_a_rotation_within_a_grace_is_forced_or_refused(http):
    id = (await http.post("/keys/generate", json={})).json()["id"]
    assert (await http.post("/keys/rotate", json={"id": id, "grace_seconds": 60})).status_code == 200
    refused = await http.post("/keys/rotate", json={"id": id})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "rotation_in_grace")
    assert '"force": true' in refused.json()["error"]["message"]
    assert (await http.post("/keys/rotate", json={"id": id, "force": True})).status_code == 200
    assert (await http.post("/keys/rotate", json={"id": id})).status_code == 200, "no grace runs any more"
