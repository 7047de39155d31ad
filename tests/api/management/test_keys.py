"""`/keys*` on all stores: bodies, expirations, errors."""

import re
from dataclasses import replace
from typing import Any

import pytest

from chat2response.api.management.key_models import SOME_DIGEST
from chat2response.api.management.responses import WARNING
from chat2response.keys import KeyPolicy
from chat2response.stores import MemoryStore, StoreDown
from tests.support.clock_and_ids import Clock
from tests.support.management_client import ABOUT, Parts, client, client_of

UNKNOWN = "0123456789abcdef" * 2
NEVER = KeyPolicy(allow_no_expiration=True)
JSON = {"content-type": "application/json"}


async def generated(http, **fields: Any) -> dict[str, Any]:
    answer = await http.post("/keys/generate", json=fields)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_key_is_issued_and_opens(http, parts, clock: Clock):
    answer = await http.post("/keys/generate", json={"label": "laptop", "ttl_seconds": 60, "scopes": ["a"]})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert list(body) == ["id", "token", "created_at", "expires_at", "label", "scopes"]
    assert re.fullmatch(r"sk_[0-9a-f]{32}\.[0-9a-f]{64}", body["token"])
    assert body["token"][3:35] == body["id"]
    now = int(clock())
    assert (body["created_at"], body["expires_at"]) == (now, now + 60)
    assert (body["label"], body["scopes"]) == ("laptop", ["a"])
    assert (await parts.verifier.verify(body["token"])).id == body["id"]


async def test_nothing_asked_for_is_null_and_the_default_end(http, clock):
    body = await generated(http)
    assert (body["label"], body["scopes"]) == (None, None)
    assert body["expires_at"] == int(clock()) + 86_400


async def test_a_moment_wins_over_a_span(http, clock):
    end = int(clock()) + 5
    assert (await generated(http, expires_at=end, ttl_seconds=60))["expires_at"] == end


async def test_the_list_shows_all_keys_and_no_secret(http, clock):
    first = await generated(http, label="first", ttl_seconds=1)
    clock.advance(2)
    second = await generated(http, scopes=["x"])
    await http.post("/keys/revoke", json={"id": second["id"]})
    answer = await http.get("/keys")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    listed = answer.json()
    assert [key["id"] for key in listed] == [first["id"], second["id"]]
    assert set(listed[0]) == {"id", "label", "created_at", "expires_at", "revoked_at", "scopes"}
    assert [key["revoked_at"] for key in listed] == [None, int(clock())]
    for token in (first["token"], second["token"]):
        assert token.partition(".")[2] not in answer.text
    for secret in ("salt", "hash"):
        assert secret not in answer.text


async def test_without_keys_the_list_is_an_empty_array(http):
    assert (await http.get("/keys")).content == b"[]"


async def test_a_revoked_key_is_dead_at_once_and_for_good(http, parts):
    result = await generated(http)
    await parts.verifier.verify(result["token"])
    for reported in ({"revoked": True}, {"revoked": False, "reason": "already_revoked"}):
        answer = await http.post("/keys/revoke", json={"id": result["id"]})
        assert answer.status_code == 200
        assert answer.json() == {**reported, "id": result["id"]}
        with pytest.raises(Exception, match="API key revoked"):
            await parts.verifier.verify(result["token"])


@pytest.mark.parametrize("form", ["{}", "{}.", "Bearer {}", " {}\n"])
async def test_a_token_names_its_key_and_is_not_told_again(http, parts, form):
    result = await generated(http)
    id, token = result["id"], form.format(result["token"])
    moved = await http.post("/keys/set_expiration", json={"id": token, "ttl_seconds": 5})
    assert (moved.json()["updated"], moved.json()["id"]) == (True, id)
    assert (await http.post("/keys/update", json={"id": token, "label": "x"})).json()["id"] == id
    renewed = await http.post("/keys/rotate", json={"id": token})
    assert renewed.json()["id"] == id
    assert (await http.post("/keys/revoke", json={"id": token})).json() == {"revoked": True, "id": id}
    again = await http.post("/keys/revoke", json={"id": renewed.json()["token"]})
    assert again.json() == {"revoked": False, "id": id, "reason": "already_revoked"}


async def test_a_scope_that_looks_mistyped_is_warned_of(http):
    result = await http.post("/keys/generate", json={"scopes": ["models:gpt-4", "mode\u00e9l:x", "team:a"]})
    reply = result.headers[WARNING]
    assert reply.startswith("'models:gpt-4' is a label and restricts nothing. Did you mean 'model:gpt-4'?; ")
    assert "'mode\\xe9l:x'" in reply
    body = {"id": result.json()["id"], "scopes": ["net=10.0.0.0/8"] * 200}
    changed = await http.post("/keys/update", json=body)
    assert changed.headers[WARNING].count("Did you mean 'net:10.0.0.0/8'?") == 5
    assert WARNING not in (await http.post("/keys/generate", json={"scopes": ["model:x"]})).headers


@pytest.mark.parametrize("id", [UNKNOWN, "", "../x", "sk-" + UNKNOWN])
async def test_an_unknown_key_is_not_revoked_and_not_moved(http, id):
    assert (await http.post("/keys/revoke", json={"id": id})).json() == {
        "revoked": False,
        "id": id,
        "reason": "unknown_key",
    }
    moved = await http.post("/keys/set_expiration", json={"id": id, "ttl_seconds": 5})
    assert moved.status_code == 200
    assert moved.json() == {"updated": False, "id": id}


async def test_the_end_moves_forth_and_into_the_past(http, parts, clock):
    result = await generated(http)
    now = int(clock())
    for fields, end in (
        ({"ttl_seconds": 5}, now + 5),
        ({"expires_at": now + 9, "ttl_seconds": 5}, now + 9),
        ({"expires_at": now - 9}, now - 9),
    ):
        answer = await http.post("/keys/set_expiration", json={"id": result["id"], **fields})
        assert answer.status_code == 200
        assert answer.json() == {"updated": True, "id": result["id"], "expires_at": end}
    with pytest.raises(Exception, match="API key expired"):
        await parts.verifier.verify(result["token"])


async def test_a_revoked_keys_end_moves_too(http):
    result = await generated(http)
    await http.post("/keys/revoke", json={"id": result["id"]})
    answer = await http.post("/keys/set_expiration", json={"id": result["id"], "ttl_seconds": 5})
    assert answer.json()["updated"] is True


async def test_never_is_refused_unless_it_is_allowed(http):
    result = await generated(http)
    for path, fields in (
        ("/keys/generate", {"expires_at": None}),
        ("/keys/set_expiration", {"id": result["id"], "expires_at": None}),
        ("/keys/set_expiration", {"id": result["id"]}),
    ):
        answer = await http.post(path, json=fields)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"] == "expires_at"
        assert answer.json()["error"]["message"].startswith("Expiration required")


async def test_null_is_never_and_absent_is_the_default(store, clock):
    async with client(Parts.over(store, clock, NEVER)) as http:
        assert (await generated(http, expires_at=None))["expires_at"] is None
        result = await generated(http)
        assert result["expires_at"] == int(clock()) + 86_400
        answer = await http.post("/keys/set_expiration", json={"id": result["id"], "expires_at": None})
        assert answer.json() == {"updated": True, "id": result["id"], "expires_at": None}


@pytest.mark.parametrize(
    ("path", "fields", "param", "code"),
    [
        ("generate", {"ttl_seconds": "60"}, "ttl_seconds", "invalid_type"),
        ("generate", {"ttl_seconds": 60.0}, "ttl_seconds", "invalid_type"),
        ("generate", {"ttl_seconds": True}, "ttl_seconds", "invalid_type"),
        ("generate", {"expires_at": "2030-01-01"}, "expires_at", "invalid_type"),
        ("generate", {"label": 5}, "label", "invalid_type"),
        ("generate", {"scopes": "all"}, "scopes", "invalid_type"),
        ("generate", {"scopes": ["a", None]}, "scopes[1]", "invalid_type"),
        ("generate", {"ttl": 60}, "ttl", "unknown_parameter"),
        ("generate", {"ttl_second": 60}, "ttl_second", "unknown_parameter"),
        ("generate", {"token": "sk_mine"}, "token", "unknown_parameter"),
        ("revoke", {}, "id", "missing_required_parameter"),
        ("revoke", {"id": None}, "id", "invalid_type"),
        ("revoke", {"id": 5}, "id", "invalid_type"),
        ("revoke", {"id": UNKNOWN, "now": True}, "now", "unknown_parameter"),
        ("set_expiration", {"ttl_seconds": 5}, "id", "missing_required_parameter"),
        ("set_expiration", {"id": UNKNOWN, "expires_at": [1]}, "expires_at", "invalid_type"),
    ],
)
async def test_a_body_of_another_shape_is_refused_with_the_fields_name(http, path, fields, param, code):
    answer = await http.post(f"/keys/{path}", json=fields)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert f"'{param}'" in error["message"]
    assert await (await http.get("/keys")).aread() == b"[]"


async def test_the_near_name_is_told(http):
    answer = await http.post("/keys/generate", json={"ttl_second": 60})
    assert "'ttl_seconds'" in answer.json()["error"]["message"]
    shortened = await http.post("/keys/generate", json={"ttl": 60})
    assert shortened.json()["error"]["message"] == "Unknown parameter: 'ttl'. Did you mean 'ttl_seconds'?"


async def test_a_slip_of_a_path_that_looks_like_a_keys_is_told(http):
    answer = await http.post("/keys/generat", json={})
    assert answer.status_code == 405
    assert answer.json()["error"]["message"].endswith("Use GET, HEAD. Did you mean /keys/generate?")
    far = await http.post(f"/keys/{UNKNOWN}", json={})
    assert far.json()["error"]["message"].endswith("Use GET, HEAD.")


@pytest.mark.parametrize("ttl", [0, -1, 10**12, 10**30])
@pytest.mark.parametrize("path", ["generate", "set_expiration"])
async def test_an_absurd_span_is_refused(http, path, ttl):
    fields = {"ttl_seconds": ttl} | ({"id": UNKNOWN} if path == "set_expiration" else {})
    answer = await http.post(f"/keys/{path}", json=fields)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == "ttl_seconds"


async def test_a_key_does_not_begin_in_the_past(http, clock):
    answer = await http.post("/keys/generate", json={"expires_at": int(clock())})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == "expires_at must be in the future"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"id"', b"null", b"\xff", b'{"id": NaN}'])
async def test_a_body_that_is_no_object_is_refused(http, content):
    answer = await http.post("/keys/revoke", content=content, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.json()["error"]["code"] in ("invalid_json", "invalid_type")


@pytest.mark.parametrize("mode", ["managed", "passthrough", "open"])
async def test_a_key_that_nobody_asks_for_comes_with_a_warning(mode):
    about = replace(ABOUT, auth_mode=mode)
    async with client(Parts.plain(about=about)) as http:
        result = await http.post("/keys/generate", json={})
        id = result.json()["id"]
        renewed = await http.post("/keys/rotate", json={"id": id})
        taken = await http.post("/keys/import", json={"id": "f" * 32, "digest": SOME_DIGEST})
        revoked = await http.post("/keys/revoke", json={"id": id})
    assert list(result.json()) == ["id", "token", "created_at", "expires_at", "label", "scopes"]
    reply = f"the auth mode is {mode}: the gateway checks no keys, so this key has no effect"
    for answer in (result, renewed, taken):
        assert answer.status_code == 200
        assert answer.headers.get(WARNING) == (None if mode == "managed" else reply)
    assert WARNING not in revoked.headers


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        ("generate", "Send {} for the defaults."),
        ("revoke", "Send a JSON object with 'id'."),
        ("import", "Send a JSON object with 'id' and 'digest'."),
    ],
)
@pytest.mark.parametrize("content", [b"", b" \n"])
async def test_an_empty_body_is_told_what_to_send(http, path, hint, content):
    answer = await http.post(f"/keys/{path}", content=content, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == f"The request body is empty. {hint}"


@pytest.mark.parametrize("path", ["generate", "revoke", "set_expiration"])
@pytest.mark.parametrize("sent", [None, "text/plain", "application/x-www-form-urlencoded", "text/json", ""])
async def test_only_json_is_read(http, path, sent):
    headers = {} if sent is None else {"content-type": sent}
    answer = await http.post(f"/keys/{path}", content=b'{"id": "x"}', headers=headers)
    assert answer.status_code == 415
    assert "application/json" in answer.json()["error"]["message"]


async def test_json_with_a_charset_is_json(http):
    headers = {"content-type": "Application/JSON; charset=utf-8"}
    assert (await http.post("/keys/generate", content=b"{}", headers=headers)).status_code == 200


async def test_a_body_has_a_bound(http):
    answer = await http.post("/keys/generate", json={"label": "x" * 70_000})
    assert answer.status_code == 413

    async def endless():
        while True:
            yield b" " * 10_000

    answer = await http.post("/keys/generate", content=endless(), headers=JSON)
    assert answer.status_code == 413


class Down(MemoryStore):
    """A store whose every call fails."""

    fault: Exception = StoreDown("locked")

    async def _fails(self, *_: Any, **__: Any) -> Any:
        raise self.fault

    get = put = scan = _fails


ALL = [
    ("GET", "/keys", None),
    ("POST", "/keys/generate", {}),
    ("POST", "/keys/revoke", {"id": UNKNOWN}),
    ("POST", "/keys/set_expiration", {"id": UNKNOWN, "ttl_seconds": 5}),
]


@pytest.mark.parametrize(("method", "path", "body"), ALL)
async def test_a_store_that_is_down_is_503(clock, method, path, body):
    async with client(Parts.over(Down(clock=clock), clock)) as http:
        answer = await http.request(method, path, json=body)
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "store_unavailable"
    assert "locked" not in answer.text


async def test_what_nobody_expected_is_500_without_details_and_with_a_log(clock, caplog):
    store = Down(clock=clock)
    store.fault = RuntimeError("the private detail")
    async with client(Parts.over(store, clock)) as http:
        answer = await http.get("/keys", headers={"x-request-id": "mine-1"})
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert answer.headers["x-request-id"] == "mine-1"
    assert "private" not in answer.text
    assert "mine-1" in caplog.text
    assert "the private detail" in caplog.text


async def test_no_token_is_ever_logged(http, caplog):
    caplog.set_level(0)
    result = await generated(http)
    await http.post("/keys/generate", json={"token": result["token"]})
    assert result["token"].partition(".")[2] not in caplog.text


@pytest.mark.parametrize("value", ["abc-123", "x" * 128])
async def test_a_request_id_comes_back(http, value):
    for path in ("/keys", "/status", "/nowhere"):
        assert (await http.get(path, headers={"x-request-id": value})).headers["x-request-id"] == value


@pytest.mark.parametrize("value", [None, "x" * 129, "a b", "\xe4", ""])
async def test_another_request_id_is_replaced(http, value):
    headers = {} if value is None else {"x-request-id": value.encode("latin-1")}
    answer = await http.get("/nowhere", headers=headers)
    assert re.fullmatch(r"req_[0-9a-f]{32}", answer.headers["x-request-id"])
    assert len(answer.headers.get_list("x-request-id")) == 1


async def test_each_application_has_its_own_keys():
    from chat2response.api.management.application import build_management

    one, two = build_management(Parts.plain()), build_management(Parts.plain())
    async with client_of(one) as first, client_of(two) as second:
        await generated(first)
        assert len((await first.get("/keys")).json()) == 1
        assert (await second.get("/keys")).json() == []
