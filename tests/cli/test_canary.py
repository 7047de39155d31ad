"""The gateway and the shell print no key except where the user asked for one."""

import json
from pathlib import Path
from typing import Any

import httpx

from tests.support.cli.process import command
from tests.support.scripted_upstream import PATIENCE

UPSTREAM_KEY = "sk-test-canary-0123456789-upstream"
ADMIN = "admin_" + "0123456789abcdef" * 4
PEPPER = "0badc0de" * 8


async def test_no_key_is_printed_but_where_it_was_asked_for(tmp_path: Path) -> None:
    pepper = tmp_path / "pepper"
    pepper.write_text(f"v1:{PEPPER}\n")
    pepper.chmod(0o600)
    settings = {
        "OPENAI_API_KEY": UPSTREAM_KEY,
        "OPENAI_BASE_URL": "http://127.0.0.1:9/v1",  # nothing listens there
        "CHAT2RESPONSE_ADMIN_TOKEN": ADMIN,
        "CHAT2RESPONSE_KEYS_PEPPER_FILE": str(pepper),
        "CHAT2RESPONSE_LOG_LEVEL": "debug",
        "BIND_ADDR": "127.0.0.1:0",  # or the first command, without a store, would call port 8088
    }
    outputs: list[bytes] = []

    async def shell(*args: str) -> Any:
        async with command(tmp_path, *args, **settings) as run:
            stdout, stderr = await run.process.communicate()
            outputs.append(stderr if "--json" in args else stdout + stderr)
            return json.loads(stdout) if "--json" in args else None

    issued = await shell("keys", "generate", "--json", "--scope", "admin:keys")
    renewed = await shell("keys", "rotate", issued["id"], "--grace", "1h", "--json")
    tokens = [issued["token"], renewed["token"]]
    await shell("keys", "list")
    await shell("keys", "show", issued["id"])
    await shell("keys", "update", issued["id"], "--label", "x")
    await shell("keys", "revoke", tokens[0])  # a token in place of an id
    await shell("audit", "export")
    async with (
        command(tmp_path, "--bind", "127.0.0.1:0", **settings) as gateway,
        httpx.AsyncClient(base_url=await gateway.url(), trust_env=False, timeout=PATIENCE) as http,
    ):
        for token in (*tokens, tokens[0][:-1] + "x", ADMIN, ADMIN + "x"):
            headers = {"authorization": f"Bearer {token}"}
            body = {"model": "m", "input": "hi", "metadata": {"note": token}}
            for answer in (
                await http.get("/keys", headers=headers),
                await http.get(f"/keys/{token}", headers=headers),
                await http.post("/keys/generate", headers=headers, json={"label": 5, "token": token}),
                await http.post("/keys/revoke", headers=headers, json={"id": token}),
                await http.get(f"/{token}?key={token}", headers=headers),
                await http.post("/v1/responses", headers=headers, json=body),
                await http.post("/v1/responses", headers=headers, content=token.encode()),
            ):
                assert UPSTREAM_KEY not in answer.text
                assert PEPPER not in answer.text
                outputs.append(answer.content if token not in answer.text else b"")
        gateway.signal()
        assert await gateway.ended() == 0
        assert gateway.process.stdout is not None and gateway.process.stderr is not None
        outputs += [
            "".join(gateway.lines).encode(),
            await gateway.process.stdout.read(),
            await gateway.process.stderr.read(),
        ]
    output = b"\n".join(outputs)
    for secret in (*(token[36:] for token in tokens), UPSTREAM_KEY, ADMIN, PEPPER):
        assert secret.encode() not in output, secret
    assert issued["id"].encode() in output  # ids are no secrets, and were printed
