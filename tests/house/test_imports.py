"""The library face imports fast: no server part comes with it, in a fresh interpreter."""

import subprocess
import sys

SERVER_PARTS = {
    *(
        "aiohttp",
        "click",
        "fastapi",
        "httpx",
        "passlib",
        "prometheus_client",
        "pydantic",
        "pydantic_settings",
    ),
    *("hiredis", "redis", "sqlitedict", "starlette", "uvicorn", "uvloop"),
}


def loaded_by(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has after one statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.partition('.')[0] for name in sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(run.stdout.split())


def test_the_library_loads_no_server_part():
    loaded = loaded_by("import chat2response")
    assert "chat2response" in loaded
    assert loaded & SERVER_PARTS == set()


def test_a_server_part_would_be_seen():
    assert loaded_by("import starlette.requests") & SERVER_PARTS >= {"starlette"}


def test_a_gateway_without_redis_does_not_load_it():
    assert loaded_by("import chat2response.compose") & {"hiredis", "redis"} == set()
    assert loaded_by("from chat2response.stores import open_store; open_store('redis://h')") >= {"redis"}


def test_a_gateway_that_nobody_sends_coded_bodies_does_not_load_what_unpacks_them():
    libraries = {"brotli", "zstandard"}
    assert loaded_by("import chat2response.app") & libraries == set()
    decode = (
        "from chat2response.wire.content_encoding import decoder_for; decoder_for('zstd'), decoder_for('br')"
    )
    assert loaded_by(decode) >= libraries
