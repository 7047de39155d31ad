"""The composition root: it builds connected parts from settings, and opens nothing yet."""

from pathlib import Path
from typing import Any

import pytest

from chat2response.compose import compose, ensure_admin_token, ensure_seal_keys, package_version
from chat2response.net.transport import Transport
from chat2response.settings import Settings
from chat2response.stores import CannotOpen, MemoryStore
from chat2response.stores.sqlite.store import SqliteStore
from chat2response.upstreams.demo.transport import DemoTransport
from chat2response.wire.json import decode
from tests.support.clock_and_ids import Clock, Ids
from tests.support.engine.scene import call_of

KEY = "0123456789abcdef" * 2


def settings(**more: Any) -> Settings:
    return Settings(_env_file=None, **{"UPSTREAM_MODE": "demo", **more})  # type: ignore[call-arg]


async def test_the_parts_share_one_store_one_clock_one_source_of_ids(ids: Ids, clock: Clock) -> None:
    services = compose(settings(), store_url="memory", ids=ids, clock=clock)
    assert isinstance(services.store, MemoryStore)
    assert services.started_at == clock.now
    assert (services.engine.ids, services.engine.clock) == (ids, clock)
    await services.open()
    issued = await services.keys.generate(label="one")
    assert (await services.keys.verify(issued.token)).id == issued.key.id
    await services.engine.owners.record("a", ["resp_1"])
    assert await services.store.get("owners", "resp_1") is not None
    await services.close()


async def test_a_call_goes_through_all_of_it(ids: Ids, clock: Clock) -> None:
    services = compose(settings(), store_url="memory", ids=ids, clock=clock)
    body = b'{"model":"demo","input":"Hi"}'
    async with services.engine.open(call_of("responses", body, "key_1")) as answer:
        assert services.metrics.in_flight() == 1
        assert answer.body is not None
        assert decode(answer.body)["id"].startswith("resp_")
        assert decode(answer.body)["created_at"] == int(clock.now)
    assert services.metrics.in_flight() == 0
    assert services.metrics.calls == {("responses", "demo", "completed"): 1}
    await services.close()


def test_only_the_demo_answers_without_a_network() -> None:
    for mode in ("responses", "chat", "both", "demo"):
        transport = compose(settings(UPSTREAM_MODE=mode), store_url="memory").transport
        assert isinstance(transport, DemoTransport) is (mode == "demo")


async def test_nothing_is_opened_before_it_is_asked(tmp_path: Path) -> None:
    file = tmp_path / "keys.db"
    services = compose(settings(chat2response_sqlite_path=file))
    assert isinstance(services.store, SqliteStore)
    assert not file.exists()
    await services.open()
    assert file.exists()
    await services.close()


async def test_a_store_that_cannot_be_opened_is_said_at_start(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    services = compose(settings(chat2response_sqlite_path=tmp_path / "file" / "keys.db"))
    with pytest.raises(CannotOpen):
        await services.open()
    await services.close()


def test_an_address_that_names_no_store_is_an_error() -> None:
    with pytest.raises(ValueError):
        compose(settings(), store_url="mongo:x")


def test_the_command_line_wins_over_the_settings(tmp_path: Path) -> None:
    services = compose(settings(chat2response_sqlite_path=tmp_path / "a.db"), store_url="memory")
    assert isinstance(services.store, MemoryStore)


def test_the_options_reach_their_floors() -> None:
    services = compose(
        settings(
            UPSTREAM_MODE="chat",
            chat2response_http_timeout_seconds=5.0,
            chat2response_reasoning="hide",
            chat2response_keys_default_ttl_seconds=60,
        ),
        store_url="memory",
    )
    assert isinstance(services.transport, Transport)
    assert services.transport._options.read_timeout == 5.0
    assert services.transport._options.user_agent == f"chat2response/{package_version()}"
    assert services.engine.options.reasoning == "hide"


def test_what_is_said_about_the_process() -> None:
    about = compose(settings(UPSTREAM_MODE="both", openai_api_key="sk-operator"), store_url="memory").about
    assert (about.version, about.upstream_mode, about.auth_mode) == (package_version(), "both", "managed")
    assert about.features["api_keys"] == "on"
    assert about.features["stored_responses"] == "upstream"
    passthrough = compose(settings(UPSTREAM_MODE="chat"), store_url="memory").about
    assert (passthrough.auth_mode, passthrough.features["api_keys"]) == ("passthrough", "off")
    assert passthrough.features["stored_responses"] == "off"


def test_who_may_administer() -> None:
    configured = compose(
        settings(chat2response_admin_token=" hunter2-hunter2-2 "), store_url="memory", admin_token="generated"
    ).admin
    assert (configured.token, configured.always_require_token) == ("hunter2-hunter2-2", True)
    generated = compose(settings(bind_addr="0.0.0.0:80"), store_url="memory", admin_token="generated").admin
    assert (generated.token, generated.always_require_token, generated.host) == (
        "generated",
        False,
        "0.0.0.0",
    )


def test_an_admin_token_is_made_only_where_one_is_needed(tmp_path: Path) -> None:
    state = {"chat2response_state_dir": tmp_path / "state"}
    assert ensure_admin_token(settings(bind_addr="127.0.0.1:1", **state)) is None
    assert ensure_admin_token(settings(chat2response_admin_token="x" * 16, **state)) is None
    assert not (tmp_path / "state").exists()
    generated = ensure_admin_token(settings(**state))
    assert generated is not None
    assert generated.created
    again = ensure_admin_token(settings(**state))
    assert again is not None
    assert (again.value, again.created) == (generated.value, False)


def test_seal_keys_are_made_only_where_reasoning_is_sealed(tmp_path: Path) -> None:
    state = {"chat2response_state_dir": tmp_path / "state"}
    assert ensure_seal_keys(settings(UPSTREAM_MODE="responses", **state)) is None
    assert ensure_seal_keys(settings(UPSTREAM_MODE="chat", chat2response_seal_key=KEY, **state)) is None
    assert not (tmp_path / "state").exists()
    generated = ensure_seal_keys(settings(UPSTREAM_MODE="both", **state))
    assert generated is not None
    assert generated.created


def test_the_operators_seal_key_wins_and_without_any_a_process_has_its_own() -> None:
    def sealed(configured: Settings, **more: Any) -> tuple[Any, str]:
        sealing = compose(configured, store_url="memory", **more).engine.sealing
        assert sealing is not None
        seal = sealing.seal_for("a", "b", "c")
        return seal, seal.seal(b"x")

    own = settings(chat2response_seal_key=KEY)
    assert sealed(own)[0].open(sealed(own, seal_keys=["1" * 32])[1]) == b"x"
    assert sealed(settings(), seal_keys=[KEY])[0].open(sealed(own)[1]) == b"x"
    assert sealed(settings())[0].open(sealed(settings())[1]) is None


def test_the_version_is_the_packages() -> None:
    assert package_version() == "0.1.0" or package_version() == "0"
