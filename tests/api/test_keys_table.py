"""When a key expires, over HTTP: every row of the table in `keys/expiry_policy.py`, under every policy."""

from typing import Any

import pytest

from chat2response.keys import KeyPolicy
from tests.support.clock_and_ids import Clock
from tests.support.management_client import Parts, client

DAY = 86_400
REQUIRED = "Expiration required: provide expires_at or ttl_seconds (or configure default TTL). "
FORBIDS = " forbids keys that never expire; CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION=1 allows them."
NEVER = "never"

Policy = tuple[int, int, int | None]
# The policies: default TTL, REQUIRE_EXPIRATION, ALLOW_NO_EXPIRATION (None: not set).
POLICIES = [(default, require, allow) for default in (DAY, 0) for require in (1, 0) for allow in (0, 1, None)]


def expected(
    default: int, require: int, allow: int | None
) -> list[tuple[str, dict[str, Any], int | str | None]]:
    """Rows of endpoint, body, and seconds until the key expires, NEVER, or None for a 400."""
    allow = not require if allow is None else allow
    explicit = NEVER if allow else None
    unsaid = default or (NEVER if allow and not require else None)
    return [
        ("generate", {}, unsaid),
        ("generate", {"ttl_seconds": None}, unsaid),
        ("generate", {"expires_at": None}, explicit),
        ("generate", {"expires_at": None, "ttl_seconds": 60}, 60),
        ("generate", {"ttl_seconds": 60}, 60),
        ("generate", {"expires_at": 5}, 5),
        ("generate", {"expires_at": 5, "ttl_seconds": 60}, 5),
        ("generate", {"expires_at": 0}, None),
        ("generate", {"expires_at": -5}, None),
        ("generate", {"ttl_seconds": 0}, None),
        ("generate", {"ttl_seconds": -1}, None),
        ("generate", {"ttl_seconds": 10**12}, None),
        ("generate", {"expires_at": 10**13}, None),
        ("generate", {"expires_at": 5, "ttl_seconds": 0}, None),
        ("set_expiration", {}, explicit),
        ("set_expiration", {"expires_at": None}, explicit),
        ("set_expiration", {"ttl_seconds": None}, explicit),
        ("set_expiration", {"expires_at": None, "ttl_seconds": 60}, 60),
        ("set_expiration", {"ttl_seconds": 60}, 60),
        ("set_expiration", {"expires_at": 5, "ttl_seconds": 60}, 5),
        ("set_expiration", {"expires_at": 0}, 0),
        ("set_expiration", {"expires_at": -5}, -5),
        ("set_expiration", {"ttl_seconds": 0}, None),
        ("set_expiration", {"ttl_seconds": -1}, None),
        ("set_expiration", {"ttl_seconds": 10**12}, None),
        ("set_expiration", {"expires_at": 10**13}, None),
    ]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("revoked", [False, True])
async def test_the_truth_table(policy: Policy, revoked: bool) -> None:
    clock = Clock()
    now = int(clock())
    default, require, allow = policy
    parts = Parts.plain(
        policy=KeyPolicy(
            default_ttl=default,
            require_expiration=bool(require),
            allow_no_expiration=None if allow is None else bool(allow),
        )
    )
    blocked = await parts.keys.generate(ttl_seconds=1000)
    if revoked:
        await parts.keys.revoke(blocked.key.id)
    async with client(parts) as http:
        for path, sent, ends in expected(*policy):
            body = dict(sent)
            if body.get("expires_at") is not None:
                body["expires_at"] += now
            if path == "set_expiration":
                body["id"] = blocked.key.id
            answer = await http.post(f"/keys/{path}", json=body)
            row = f"{policy} {path} {sent}: {answer.text}"
            if ends is None:
                assert answer.status_code == 400, row
                assert answer.json()["error"]["param"] in ("expires_at", "ttl_seconds"), row
                continue
            assert answer.status_code == 200, row
            wanted = None if ends == NEVER else now + int(ends)
            assert answer.json()["expires_at"] == wanted, row
            if path == "set_expiration":
                assert answer.json()["updated"] is True, row


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (
            KeyPolicy(default_ttl=0),
            f"CHAT2RESPONSE_KEYS_REQUIRE_EXPIRATION=1{FORBIDS}",
        ),
        (
            KeyPolicy(default_ttl=0, require_expiration=False, allow_no_expiration=False),
            f"CHAT2RESPONSE_KEYS_ALLOW_NO_EXPIRATION=0{FORBIDS}",
        ),
        (
            KeyPolicy(default_ttl=0, allow_no_expiration=True),
            "To create a key that never expires, send expires_at as null.",
        ),
    ],
)
async def test_what_is_required_is_said(policy: KeyPolicy, why: str) -> None:
    async with client(Parts.plain(policy=policy)) as http:
        answer = await http.post("/keys/generate", json={})
    assert answer.status_code == 400
    assert answer.json()["error"]["message"] == REQUIRED + why
